"""No name decides anything: a funnel whose stages have other names gives the same facts."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.shape import NOWHERE
from streams.domain.definition import prepare
from streams.domain.fold import fold
from streams.domain.history import canonical
from tests.property.strategies import T0, event_sets, times
from tests.support.shuffling import DEFINITION, PROPERTY

VERSIONS = [version.funnel for version in DEFINITION.versions]
STAGES = [*VERSIONS[0].stages]
# What a vendor's map has as a word of the vendor is read as such, so no other stage may be called so here.
FREE = [name for name in STAGES if not any(name in words for words in VERSIONS[0].vendors.values())]
DAY = 86_400_000
words = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=6)


@st.composite
def names(draw):
    """Give every stage another name, of any script; some swap theirs with another stage."""
    if draw(st.booleans()):
        swapped = dict(zip(FREE, draw(st.permutations(FREE)), strict=True))
        return {name: swapped.get(name, name) for name in STAGES}
    drawn = draw(st.lists(words, min_size=len(STAGES), max_size=len(STAGES), unique=True))
    return {stage: f"x{name}" for stage, name in zip(STAGES, drawn, strict=True)}


def stage_named(spec, to):
    timer = spec.timer and spec.timer.model_copy(update={"to": to[spec.timer.to]})
    handoff = spec.handoff and spec.handoff.model_copy(
        update={"accepted_by": to[spec.handoff.accepted_by]}
    )
    return spec.model_copy(update={"timer": timer, "handoff": handoff})


def funnel_named(funnel, to):
    return funnel.model_copy(
        update={
            "ladder": tuple(to[name] for name in funnel.ladder),
            "optional": tuple(to[name] for name in funnel.optional),
            "stages": {to[name]: stage_named(spec, to) for name, spec in funnel.stages.items()},
            "rejections": {reason: to[name] for reason, name in funnel.rejections.items()},
            "vendors": {
                vendor: {word: to.get(name, name) for word, name in mapping.items()}
                for vendor, mapping in funnel.vendors.items()
            },
        }
    )


def event_named(event, to):
    """Rename a stage that a system states by our own name, and no word of a vendor."""
    body = orjson.loads(event.body)
    vendor = VERSIONS[0].vendors.get(body["source"], {})
    word = body.get("stage", "")
    if word in to and word not in vendor:
        body["stage"] = to[word]
    return event._replace(body=orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode())


# The fields of facts and states that name a stage, or a clock by its stage.
NAMING = {"from", "to", "stage", "current", "implied", "clock", "next_due_clock"}


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


def told(folded, names):
    facts = [
        (fact.kind, fact.journey, fact.at, back(orjson.loads(fact.content), names))
        for fact in folded.facts.values()
    ]
    return sorted(
        facts, key=lambda one: (one[:3], orjson.dumps(one[3], option=orjson.OPT_SORT_KEYS))
    )


@PROPERTY
@given(event_sets(10), names(), times)
def test_other_names_for_the_stages_give_the_same_facts(events, to, now):
    same = {name: name for name in (*STAGES, NOWHERE)}
    other = prepare(*(funnel_named(funnel, to) for funnel in VERSIONS))
    until = max(now, T0) + 400 * DAY
    ours = fold("lead", canonical(events), DEFINITION, until)
    theirs = fold("lead", canonical([event_named(event, to) for event in events]), other, until)
    names = {new: old for old, new in to.items()} | {NOWHERE: NOWHERE}
    assert told(theirs, names) == told(ours, same)
    assert back(theirs.state, names) == back(ours.state, same)
    assert theirs.next_due == ours.next_due
