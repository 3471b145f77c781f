"""No name decides anything: a funnel whose stages have other names gives the same facts."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.shape import NOWHERE
from streams.domain.definition import prepare
from streams.domain.history import canonical
from tests.property.strategies import T0, event_sets, times
from tests.support.folding import fold
from tests.support.funnels import funnels, handoffs_of, stages_of, words
from tests.support.naming import back, event_named, facts_of, funnel_named
from tests.support.shuffling import DEFINITION, PROPERTY

VERSIONS = [version.funnel for version in DEFINITION.versions]
STAGES = [*VERSIONS[0].stages]
# What a vendor's map has as a word of the vendor is read as such, so no other stage may be called
# so here.
FREE = [name for name in STAGES if not any(name in words for words in VERSIONS[0].vendors.values())]
DAY = 86_400_000


@st.composite
def names(draw):
    """Give every stage another name, of any script; some swap theirs with another stage."""
    if draw(st.booleans()):
        swapped = dict(zip(FREE, draw(st.permutations(FREE)), strict=True))
        return {name: swapped.get(name, name) for name in STAGES}
    drawn = draw(st.lists(words, min_size=len(STAGES), max_size=len(STAGES), unique=True))
    return {stage: f"x{name}" for stage, name in zip(STAGES, drawn, strict=True)}


@PROPERTY
@given(event_sets(10), names(), times)
def test_other_names_for_the_stages_give_the_same_facts(events, to, now):
    same = {name: name for name in (*STAGES, NOWHERE)}
    other = prepare(*(funnel_named(funnel, to) for funnel in VERSIONS))
    until = max(now, T0) + 400 * DAY
    ours = fold("lead", canonical(events), DEFINITION, until)
    theirs = fold(
        "lead", canonical([event_named(event, to, VERSIONS[0]) for event in events]), other, until
    )
    names = {new: old for old, new in to.items()} | {NOWHERE: NOWHERE}
    assert facts_of(theirs, names) == facts_of(ours, same)
    assert back(theirs.state, names) == back(ours.state, same)
    assert theirs.next_due == ours.next_due


@st.composite
def renamed(draw):
    """Draw a funnel of any shape, a history that speaks of it, and other names for its stages."""
    funnel = draw(funnels())
    events = draw(event_sets(10, ("a",), stages_of(funnel), handoffs_of(funnel)))
    stages = [*funnel.stages]
    drawn = draw(st.lists(words, min_size=len(stages), max_size=len(stages), unique=True))
    to = {stage: f"y{name}" for stage, name in zip(stages, drawn, strict=True)}
    return funnel, events, to, draw(times)


@PROPERTY
@given(renamed())
def test_nor_do_the_names_of_any_other_funnel(case):
    funnel, events, to, now = case
    same = {name: name for name in (*funnel.stages, NOWHERE)}
    until = max(now, T0) + 400 * DAY
    ours = fold("lead", canonical(events), prepare(funnel), until)
    named = canonical([event_named(event, to, funnel) for event in events])
    theirs = fold("lead", named, prepare(funnel_named(funnel, to)), until)
    names = {new: old for old, new in to.items()} | {NOWHERE: NOWHERE}
    assert facts_of(theirs, names) == facts_of(ours, same)
    assert back(theirs.state, names) == back(ours.state, same)
    assert theirs.next_due == ours.next_due
