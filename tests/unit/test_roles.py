"""Funnels of other shapes, one row a rule: several hand-offs, several gates, missing roles."""

import pytest

from schemas.funnel import Funnel
from streams.domain.definition import prepare
from tests.support.stories import DEAL, E, facts, fold, history, path

TEAMS = ("marketing", "sdr", "sales", "success")
BASE = {
    "funnel": "shaped",
    "version": "1",
    "effective_from": "1970-01-01",
    "reporting": {"zone": "Europe/Paris"},
    "calendars": {
        "always": {
            "zone": "UTC",
            "days": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"],
            "hours": ["00:00-24:00"],
        }
    },
    "teams": {name: {"calendar": "always"} for name in TEAMS},
    "scoring": {"points": {"form": {"points": 30}, "demo": {"points": 60}}, "hot": ["demo"]},
    "enabled_sources": ["hubspot", "cloudevents"],
    "rejections": {"not-ready": "recycled", "no-fit": "disqualified"},
}
ASIDE = ("nurture", "recycled", "inactive", "lost", "disqualified", "churned", "advocate")


def shaped(ladder, aside=ASIDE, **changes):
    """Prepare a funnel: stages by name, those beside the ladder called like their role."""
    stages = {name: {"owner": "sales", **stage} for name, stage in ladder.items()}
    stages[[*stages][-1]]["role"] = "won"
    beside = {role: {"owner": "marketing", "role": role} for role in aside}
    beside = {role: {**stage, **changes.pop(role, {})} for role, stage in beside.items()}
    return prepare(Funnel.model_validate({**BASE, "ladder": stages, "aside": beside, **changes}))


def handed(to, by):
    return {"handoff": {"to": to, "accepted_by": by}}


TWO = shaped(
    {
        "lead": {},
        "pql": handed("sdr", "booked"),
        "booked": {},
        "held": handed("sales", "sao"),
        "sao": {},
        "deal": {"role": "deal"},
        "won": handed("success", "here"),
    }
)
SMALL = shaped({"lead": {}, "met": {}, "offered": {}, "won": {}}, aside=("lost", "disqualified"))
RECYCLES = shaped({"lead": {}, "met": {}, "won": {}}, aside=("recycled",))
SLEEPS = shaped({"lead": {}, "won": {}}, aside=("inactive",))
CLIMBS = shaped(
    {"lead": {"timer": {"after": "3 days", "to": "met"}}, "seen": {}, "met": {}, "won": {}}
)
HURRIES = shaped(
    {"lead": {"timer": {"after": "30 days", "hot_after": "1 day", "to": "inactive"}}, "won": {}}
)
BARE = shaped({"lead": {}, "won": {}}, aside=())
PQL, HELD = {"stage": "pql"}, {"stage": "held"}
BY_SALES = {"attributes": {"team": "sales"}}
SAYS = E.STAGE_REPORTED

RULES = [
    ("an acceptance is of the hand-off that waits", TWO,
        [(0, SAYS, PQL), (1, E.ACCEPTED, {})],
        "lead* pql booked"),
    ("one that nobody signs is of the first, and accepts no second", TWO,
        [(0, SAYS, HELD), (1, E.ACCEPTED, {})],
        "lead* pql* held booked"),
    ("one of the team that receives it does", TWO,
        [(0, SAYS, HELD), (1, E.ACCEPTED, BY_SALES)],
        "lead* pql* booked* held sao"),
    ("so does one that names it", TWO,
        [(0, SAYS, HELD), (1, E.ACCEPTED, {"handoff": "held"})],
        "lead* pql* booked* held sao"),
    ("and one that names the first is an echo of that", TWO,
        [(0, SAYS, PQL), (1, E.ACCEPTED, {}), (2, SAYS, HELD), (3, E.ACCEPTED, {"handoff": "pql"})],
        "lead* pql booked held"),
    ("a rejection that nobody signs leaves a second hand-off alone", TWO,
        [(0, SAYS, HELD), (1, E.REJECTED, {"reason": "no-fit"})],
        "lead* pql* booked* held"),
    ("one of the team that receives it rejects it", TWO,
        [(0, SAYS, HELD), (1, E.REJECTED, {"reason": "no-fit", **BY_SALES})],
        "lead* pql* booked* held disqualified"),
    ("with none waiting an acceptance is of the next hand-off", TWO,
        [(0, E.CREATED, {}), (1, E.ACCEPTED, {})],
        "lead pql* booked"),
    ("above the last, nothing moves", TWO,
        [(0, SAYS, {"stage": "sao"}), (1, E.OPPORTUNITY_CREATED, DEAL), (2, E.ACCEPTED, BY_SALES)],
        "lead* pql* booked* held* sao deal"),
    ("nobody becomes a customer by an acceptance", TWO,
        [(0, E.OPPORTUNITY_CREATED, DEAL), (1, E.ACCEPTED, {"handoff": "won"})],
        "lead* pql* booked* held* sao* deal"),
    ("a rejected customer stays one", TWO,
        [(0, E.OPPORTUNITY_WON, DEAL), (1, E.REJECTED, {"handoff": "won"})],
        "lead* pql* booked* held* sao* deal* won"),
    ("a deal that opens accepts whatever waits", TWO,
        [(0, SAYS, HELD), (1, E.OPPORTUNITY_CREATED, DEAL)],
        "lead* pql* booked* held sao* deal"),
    ("a loss while a hand-off waits rejects it, and taken back it waits again", TWO,
        [(0, SAYS, HELD), (1, E.OPPORTUNITY_LOST, DEAL), (2, SAYS, HELD)],
        "lead* pql* booked* held"),
    ("without a hand-off an acceptance is a touch", SMALL,
        [(0, E.CREATED, {}), (1, E.ACCEPTED, {})],
        "lead"),
    ("without a deal stage a deal opens the last stage before the win", SMALL,
        [(0, E.OPPORTUNITY_CREATED, DEAL)],
        "lead* met* offered"),
    ("and is lost from any stage that is worked", SMALL,
        [(0, SAYS, {"stage": "met"}), (1, E.OPPORTUNITY_LOST, DEAL)],
        "lead* met lost"),
    ("a loss before any such stage existed all the same", SMALL,
        [(0, E.CREATED, {}), (1, E.OPPORTUNITY_LOST, DEAL)],
        "lead met* offered* lost"),
    ("without a recycled stage not-ready disqualifies", SMALL,
        [(0, E.CREATED, {}), (1, E.REJECTED, {"reason": "not-ready"})],
        "lead disqualified"),
    ("without a lost stage a loss recycles", RECYCLES,
        [(0, SAYS, {"stage": "met"}), (1, E.OPPORTUNITY_LOST, DEAL)],
        "lead* met recycled"),
    ("and is taken back as any loss is", RECYCLES,
        [(0, SAYS, {"stage": "met"}), (1, E.OPPORTUNITY_LOST, DEAL), (2, E.OPPORTUNITY_WON, DEAL)],
        "lead* met won"),
    ("later it is a new journey", RECYCLES,
        [(0, SAYS, {"stage": "met"}), (1, E.OPPORTUNITY_LOST, DEAL),
         (200, E.OPPORTUNITY_WON, DEAL)],
        "lead* met recycled lead* met* won"),
    ("without any detour a loss leaves the lead where it is", BARE,
        [(0, E.CREATED, {}), (1, E.OPPORTUNITY_LOST, DEAL)],
        "lead"),
    ("so does a rejection", BARE,
        [(0, E.CREATED, {}), (1, E.REJECTED, {"reason": "no-fit"})],
        "lead"),
    ("of two stages the entry is worked and the win follows", BARE,
        [(0, E.CREATED, {}), (1, E.OPPORTUNITY_WON, DEAL)],
        "lead won"),
    ("deleted, it goes where disqualified leads go", SLEEPS,
        [(0, E.CREATED, {}), (1, E.DELETED, {})],
        "lead inactive"),
    ("but no word of a CRM makes a lead inactive", SLEEPS,
        [(0, E.CREATED, {}), (1, SAYS, {"stage": "inactive"})],
        "lead"),
    ("a timer leads up the ladder, and what it passes by is implied", CLIMBS,
        [(0, E.CREATED, {})],
        "lead seen* met"),
    ("a hot lead's timer has a time of its own", HURRIES,
        [(0, E.CREATED, {"kind": "demo"})],
        "lead"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("under", "events", "way"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_a_lead_goes_its_way_on_a_funnel_of_another_shape(under, events, way):
    until = events[-1][0] + 5
    assert path(fold(history(*events), until, under)) == way


def ledger(folded):
    return [(row["stage"], row["outcome"]) for _, row, _ in facts(folded, "handoff")]


LEDGERS = [
    ("each hand-off has rows of its own",
        [(0, SAYS, PQL), (1, E.ACCEPTED, {}), (2, SAYS, HELD), (3, E.ACCEPTED, BY_SALES)],
        [("pql", "accepted"), ("held", "accepted")]),
    ("one that was passed by has none", [(0, E.OPPORTUNITY_CREATED, DEAL)], []),
    ("an echo decides nothing", [(0, SAYS, HELD), (1, E.ACCEPTED, {})], [("held", "pending")]),
    ("a customer waits for whoever looks after it",
        [(0, E.OPPORTUNITY_WON, DEAL)],
        [("won", "pending")]),
    ("and is acknowledged without a move",
        [(0, E.OPPORTUNITY_WON, DEAL), (1, E.ACCEPTED, {"handoff": "won"})],
        [("won", "accepted")]),
    ("or refused",
        [(0, E.OPPORTUNITY_WON, DEAL), (1, E.REJECTED, {"handoff": "won"})],
        [("won", "rejected")]),
    ("no deal acknowledges it",
        [(0, E.OPPORTUNITY_WON, DEAL), (1, E.OPPORTUNITY_CREATED, {"deal": {"id": "d2"}})],
        [("won", "pending")]),
    ("a loss rejects what waits",
        [(0, SAYS, HELD), (1, E.OPPORTUNITY_LOST, DEAL)],
        [("held", "rejected")]),
    ("taken back, it waits again",
        [(0, SAYS, HELD), (1, E.OPPORTUNITY_LOST, DEAL), (2, SAYS, HELD)],
        [("held", "pending")]),
    ("an opening balance hands nothing off",
        [(0, E.SNAPSHOT, HELD), (1, E.ACCEPTED, BY_SALES)],
        []),
    ("and moves on from one that waits",
        [(0, SAYS, PQL), (1, E.SNAPSHOT, {"stage": "deal"})],
        [("pql", "accepted")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "rows"), [one[1:] for one in LEDGERS], ids=[one[0] for one in LEDGERS]
)
def test_the_ledger_of_hand_offs(events, rows):
    assert ledger(fold(history(*events), 5, TWO)) == rows


def test_a_win_that_the_deal_takes_back_hands_nobody_over():
    events = history((0, E.OPPORTUNITY_WON, DEAL), (1, E.OPPORTUNITY_LOST, DEAL))
    folded = fold(events, 5, TWO)
    assert ledger(folded) == []
    assert folded.state["stage"] == "lost"


def test_whoever_is_assigned_or_touches_first_does_so_for_every_hand_off_that_nobody_touched():
    events = history(
        (0, SAYS, PQL),
        (1, E.ACCEPTED, {}),
        (2, SAYS, HELD),
        (3, E.ASSIGNED, {"owner": "ann"}),
        (4, E.TOUCH, {"direction": "human"}),
    )
    rows = [row for _, row, _ in facts(fold(events, 5, TWO), "handoff")]
    assert [row["assigned_at"] for row in rows] == [events[3].at] * 2
    assert [row["touched_at"] for row in rows] == [events[4].at] * 2


GATED = shaped(
    {
        "lead": {},
        "pql": {"gate": "warm", **handed("sales", "met")},
        "met": {},
        "sao": {"gate": "known"},
        "won": {},
    },
    gates={
        "warm": {"all": [{"name": "score", "field": "score", "op": ">=", "value": 30}]},
        "known": {"all": [{"name": "budget", "field": "attributes.budget", "op": "known"}]},
    },
)
FORM, BUDGET = {"kind": "form"}, {"attributes": {"budget": "large"}}
GATES = [
    ("the lowest gate is asked first", [(0, E.CREATED, FORM)], "lead pql"),
    ("and one that is shut keeps the next from being asked", [(0, E.CREATED, BUDGET)], "lead"),
    ("no gate is asked over a hand-off that waits",
        [(0, E.CREATED, {**FORM, **BUDGET})],
        "lead pql"),
    ("once it is accepted the next gate is asked with what becomes known",
        [(0, E.CREATED, FORM), (1, E.ACCEPTED, {}), (2, E.ASSIGNED, BUDGET)],
        "lead pql met sao"),
    ("a gate below what was reached is not asked",
        [(0, SAYS, {"stage": "met"}), (1, E.TOUCH, FORM)],
        "lead* pql* met"),
    ("what was recycled starts again at the lowest",
        [(0, E.CREATED, FORM), (1, E.REJECTED, {"reason": "not-ready"}), (2, E.TOUCH, FORM)],
        "lead pql recycled lead* pql"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "way"), [one[1:] for one in GATES], ids=[one[0] for one in GATES]
)
def test_gates_are_asked_upward(events, way):
    assert path(fold(history(*events), 3, GATED)) == way


def test_each_decision_and_each_disagreement_names_its_stage():
    events = history((0, E.CREATED, FORM), (1, E.ACCEPTED, {}), (2, SAYS, {"stage": "sao"}))
    folded = fold(events, 3, GATED)
    decided = [(one["stage"], one["by"]) for _, one, _ in facts(folded, "decision")]
    assert decided == [("pql", "gate"), ("sao", "source")]
    assert [one["stage"] for _, one, _ in facts(folded, "disagreement")] == ["sao"]


NOTES = [
    ("no hand-off waits", SMALL, [(0, E.CREATED, {}), (1, E.ACCEPTED, {})]),
    ("no such hand-off", TWO, [(0, SAYS, PQL), (1, E.ACCEPTED, {"handoff": "mql"})]),
    ("no such hand-off", TWO, [(0, SAYS, PQL), (1, E.REJECTED, {"handoff": "mql"})]),
    ("echo", TWO, [(0, SAYS, HELD), (1, E.REJECTED, {"reason": "no-fit"})]),
    ("nowhere to go", BARE, [(0, E.CREATED, {}), (1, E.OPPORTUNITY_LOST, DEAL)]),
    ("nowhere to go", BARE, [(0, E.CREATED, {}), (1, E.REJECTED, {"reason": "no-fit"})]),
    ("nowhere to go", BARE, [(0, E.DELETED, {})]),
]


@pytest.mark.parametrize(("what", "under", "events"), NOTES)
def test_what_moves_nothing_is_noted_with_why(what, under, events):
    folded = fold(history(*events), 3, under)
    assert [note["what"] for _, note, _ in facts(folded, "note")] == [what]


def test_a_hot_lead_s_timer_fires_at_its_own_time():
    under = shaped(
        {
            "lead": {},
            "met": {"timer": {"after": "30 days", "hot_after": "1 day", "to": "inactive"}},
            "won": {},
        }
    )
    hot = history((0, E.CREATED, {"kind": "demo"}), (1, SAYS, {"stage": "met"}))
    cold = history((0, E.CREATED, {}), (1, SAYS, {"stage": "met"}))
    assert [fold(events, 5, under).state["stage"] for events in (hot, cold)] == ["inactive", "met"]


def test_the_clocks_of_a_hand_off_that_waits_go_on_until_it_is_answered():
    decision = {"decision": {"within": "3 days", "stopped_by": ["accepted", "rejected"]}}
    under = shaped(
        {
            "lead": {},
            "pql": handed("sdr", "held"),
            "held": {**handed("sales", "sao"), "clocks": decision},
            "sao": {},
            "won": {**handed("success", "here"), "clocks": decision},
        }
    )
    echoes = history((0, SAYS, HELD), (1, E.ACCEPTED, {}), (1.1, E.REJECTED, {}))
    (held,) = [clock for _, clock, _ in facts(fold(echoes, 2, under), "clock")]
    assert held["stopped_at"] is None
    again = history((0, E.OPPORTUNITY_WON, DEAL), (1, E.OPPORTUNITY_WON, {"deal": {"id": "d2"}}))
    (won,) = [clock for _, clock, _ in facts(fold(again, 2, under), "clock")]
    assert won["stopped_at"] is None
    taken = history((0, E.OPPORTUNITY_WON, DEAL), (1, E.ACCEPTED, {"handoff": "won"}))
    (met,) = [clock for _, clock, _ in facts(fold(taken, 2, under), "clock")]
    assert met["status"] == "met"


def test_a_timers_move_up_the_ladder_is_taken_back_with_what_it_passed_by():
    timer = {"timer": {"after": "3 days", "to": "held", "taken_back_within": "30 days"}}
    ladder = {
        "lead": {},
        "pql": handed("sdr", "booked") | timer,
        "booked": {},
        "held": {},
        "won": {},
    }
    events = history((0, SAYS, PQL), (5, E.ACCEPTED, {}))
    under = shaped(ladder)
    assert path(fold(events[:1], 4, under)) == "lead* pql booked* held"
    folded = fold(events, 6, under)
    assert path(folded) == "lead* pql booked"
    assert ledger(folded) == [("pql", "accepted")]
