"""Another firm's names for the stages of a funnel, and the way back."""

import orjson

from schemas.funnel import Windows
from schemas.shape import HERE


def stage_named(spec, to):
    timer = spec.timer and spec.timer.model_copy(update={"to": to[spec.timer.to]})
    handoff = spec.handoff
    if handoff and handoff.accepted_by != HERE:
        handoff = handoff.model_copy(update={"accepted_by": to[handoff.accepted_by]})
    return spec.model_copy(update={"timer": timer, "handoff": handoff})


def funnel_named(funnel, to):
    windows = funnel.kpis.windows
    spans = {to[name]: str(span) for name, span in (windows.model_extra or {}).items()}
    named = Windows.model_validate({**spans, "figures": windows.figures})
    return funnel.model_copy(
        update={
            "ladder": {to[name]: stage_named(spec, to) for name, spec in funnel.ladder.items()},
            "aside": {to[name]: stage_named(spec, to) for name, spec in funnel.aside.items()},
            "kpis": funnel.kpis.model_copy(update={"windows": named}),
            "vendors": {
                vendor: {
                    word: to[name] if isinstance(name, str) else name
                    for word, name in mapping.items()
                }
                for vendor, mapping in funnel.vendors.items()
            },
        }
    )


def event_named(event, to, funnel):
    """Rename a stage that a system states by our own name, and no word of a vendor."""
    body = orjson.loads(event.body)
    vendor = funnel.vendors.get(body["source"], {})
    word = body.get("stage", "")
    if word in to and word not in vendor:
        body["stage"] = to[word]
    if body.get("handoff") in to:
        body["handoff"] = to[body["handoff"]]
    return event._replace(body=orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode())


# The fields of facts and states that name a stage, or a clock by its stage.
NAMING = {
    "from",
    "to",
    "stage",
    "current",
    "implied",
    "clock",
    "next_due_clock",
    "next_stage",
    "per",
    "destination",
    "handoff",
}


def back(value, names, field=""):
    """Give a fact's content with the names that it would have had."""
    if isinstance(value, dict):
        return {back_key(key, names): back(one, names, key) for key, one in value.items()}
    if isinstance(value, list):
        found = [back(one, names, field) for one in value]
        return sorted(found) if field == "implied" else found
    if isinstance(value, str) and field in NAMING:
        stage, dot, clock = value.partition(".")
        return names.get(stage, stage) + dot + clock
    return value


def back_key(key, names):
    stage, _, rest = key.rpartition("_")
    return f"{names[stage]}_{rest}" if rest == "at" and stage in names else key


def facts_of(folded, names):
    """Give facts under the names that they would have had, in an order of their own."""
    facts = [
        (fact.kind, fact.journey, fact.at, back(orjson.loads(fact.content), names))
        for fact in folded.facts.values()
    ]
    return sorted(
        facts, key=lambda one: (one[:3], orjson.dumps(one[3], option=orjson.OPT_SORT_KEYS))
    )
