"""Another firm's names for the stages of a funnel, and the way back."""

import orjson


def stage_named(spec, to):
    timer = spec.timer and spec.timer.model_copy(update={"to": to[spec.timer.to]})
    handoff = spec.handoff and spec.handoff.model_copy(
        update={"accepted_by": to[spec.handoff.accepted_by]}
    )
    gate = spec.gate and to[spec.gate]
    return spec.model_copy(update={"timer": timer, "handoff": handoff, "gate": gate})


def funnel_named(funnel, to):
    return funnel.model_copy(
        update={
            "ladder": tuple(to[name] for name in funnel.ladder),
            "optional": tuple(to[name] for name in funnel.optional),
            "stages": {to[name]: stage_named(spec, to) for name, spec in funnel.stages.items()},
            "kpis": funnel.kpis.model_copy(
                update={
                    "windows": {
                        to.get(name, name): span for name, span in funnel.kpis.windows.items()
                    }
                }
            ),
            "rejections": {reason: to[name] for reason, name in funnel.rejections.items()},
            "vendors": {
                vendor: {word: to.get(name, name) for word, name in mapping.items()}
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
