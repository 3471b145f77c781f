"""What holds on any funnel: nobody is stuck, stages balance, each hand-off ends once."""

from collections import Counter

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EventType
from schemas.shape import NOWHERE, Where
from streams.domain.definition import prepare
from streams.domain.history import canonical
from tests.property.strategies import T0, event, event_sets, times
from tests.support.folding import fold
from tests.support.funnels import funnels, handoffs_of, stages_of
from tests.support.shuffling import PROPERTY
from tests.support.stories import facts

DAY = 86_400_000
FINAL = ("won", "disqualified", "churned", "advocate")


@st.composite
def stories(draw):
    """Draw a funnel, a history that speaks of it, and until when it is folded."""
    funnel = draw(funnels())
    events = draw(event_sets(12, ("a",), stages_of(funnel), handoffs_of(funnel)))
    return funnel, canonical(events), max(draw(times), T0)


def contents(folded, kind):
    return [content for _, content, _ in facts(folded, kind)]


@PROPERTY
@given(stories())
def test_what_came_into_a_stage_less_what_left_it_is_who_stands_there(story):
    funnel, events, now = story
    folded = fold("lead", events, prepare(funnel), now)
    balance = Counter()
    for move in contents(folded, "transition"):
        balance[move["to"]] += 1
        balance[move["from"]] -= 1
    del balance[NOWHERE]
    standing = Counter([folded.state["stage"]] if folded.state else [])
    assert +balance == standing
    assert not -balance


@PROPERTY
@given(stories())
def test_each_hand_off_ends_once_and_only_the_one_that_waits_is_pending(story):
    funnel, events, now = story
    folded = fold("lead", events, prepare(funnel), now)
    rows = contents(folded, "handoff")
    for row in rows:
        assert row["outcome"] in ("accepted", "rejected", "timed_out", "pending")
        assert (row["decided_at"] is None) == (row["outcome"] == "pending")
    pending = [row["stage"] for row in rows if row["outcome"] == "pending"]
    assert pending in ([], [folded.state.get("stage")])


def ends(funnel, events, now):
    """Return the place of a lead after each event that a CRM or a person could still send."""
    last = max([now, *(one.at for one in events)])
    asks = [(EventType.STAGE_REPORTED, {"stage": stage}) for stage in funnel.stages]
    asks += [(EventType.ACCEPTED, {}), (EventType.REJECTED, {"reason": "no-fit"})]
    asks += [(EventType.DELETED, {})]
    asks += [
        (kind, {"deal": {"id": "later"}})
        for kind in (
            EventType.OPPORTUNITY_CREATED,
            EventType.OPPORTUNITY_WON,
            EventType.OPPORTUNITY_LOST,
        )
    ]
    definitions = prepare(funnel)
    for number, (kind, body) in enumerate(asks):
        body = {"source": "hubspot", **body}
        more = event(last + 1000 + number, kind, f"later{number}", body)
        state = fold("lead", canonical([*events, more]), definitions, more.at + 1).state
        yield state.get("stage"), state.get("journey")


@PROPERTY
@given(stories())
def test_a_lead_stands_nowhere_that_nothing_leads_out_of_unless_its_role_is_an_end(story):
    funnel, events, now = story
    state = fold("lead", events, prepare(funnel), now).state
    shape = funnel.shape()
    if not state or state["stage"] == shape.won or shape.role_of(state["stage"]) in FINAL:
        return
    here = (state["stage"], state["journey"])
    assert any(place != here for place in ends(funnel, events, now))


NEVER_IGNORED = {
    # what is said, and where the lead stands: the roles give it a meaning there
    EventType.OPPORTUNITY_CREATED: Where.LADDER,
    EventType.OPPORTUNITY_WON: Where.LADDER,
    EventType.OPPORTUNITY_LOST: Where.WORKED_OR_EARLY,
    EventType.ACCEPTED: Where.LADDER,
    EventType.REJECTED: Where.BEFORE_DEAL,
    EventType.DELETED: Where.PROSPECTS,
}


@PROPERTY
@given(stories())
def test_no_event_is_ignored_to_which_the_roles_give_a_meaning(story):
    funnel, events, now = story
    shape = funnel.shape()
    for note in contents(fold("lead", events, prepare(funnel), now), "note"):
        where = NEVER_IGNORED.get(note["event"])
        if note["what"] == "ignored" and where:
            assert not shape.holds(where, note["current"]), orjson.dumps(note)
