"""Facts beside the moves: durations, hand-offs, deals, lapses, versions. One test a rule."""

from datetime import date

import pytest

from schemas.stages import Clock, Timer
from streams.domain.definition import prepare
from tests.support.stories import DAY, DEAL, MQL, T0, E, facts, fold, history, path, stage
from tests.support.variants import FIRST, stages, variant

HOUR = DAY // 24
HUMAN = {"direction": "human"}


def facts_of(folded, kind):
    return [content for _, content, _ in facts(folded, kind)]


def clocks(folded, name):
    return [
        clock for clock in facts_of(folded, "clock") if f"{clock['stage']}.{clock['clock']}" == name
    ]


def changed(name, **changes):
    """Prepare the default funnel with one stage changed."""
    return prepare(variant(**stages(**{name: changes})))


def test_each_lapse_of_a_clock_that_touches_restart_is_a_fact_and_a_late_touch_ends_its_own():
    folded = fold(history((0, E.CREATED, {}), (40, E.TOUCH, HUMAN), (50, E.TOUCH, HUMAN)), 81)
    found = [
        (clock["status"], clock["stopped_at"])
        for clock in clocks(folded, "nurturing.nurture_touch")
    ]
    assert found == [("breached", T0 + 40 * DAY), ("breached", None)]


def test_a_clock_that_a_move_ends_before_it_is_due_is_cancelled():
    folded = fold(
        history((0, E.OPPORTUNITY_WON, DEAL), (5, E.STAGE_REPORTED, stage("churned"))), 60
    )
    assert [
        (clock["status"], clock["stopped_at"]) for clock in clocks(folded, "customer.onboarding")
    ] == [("cancelled", None)]


@pytest.mark.parametrize(
    ("clock", "due"),
    [
        # The office opens on the next day.
        (
            {"within": "30 business minutes", "stopped_by": ("human",)},
            T0 + DAY + HOUR // 2,
        ),
        (
            {"within": "30 business minutes", "calendar": "always", "stopped_by": ("human",)},
            T0 + 12 * HOUR + HOUR // 2,
        ),
        (
            {
                "within": "1 business day",
                "hot_within": "10 business minutes",
                "hot_calendar": "always",
                "stopped_by": ("human",),
            },
            T0 + 12 * HOUR + HOUR // 6,
        ),
        (
            {
                "within": "1 business day",
                "hot_within": "10 business minutes",
                "stopped_by": ("human",),
            },
            T0 + DAY + HOUR // 6,
        ),
    ],
)
def test_a_clock_runs_in_its_own_calendar_a_hot_one_in_that_of_the_hot(clock, due):
    under = changed("mql", clocks={"first_touch": Clock(**clock)})
    folded = fold(history((0.5, E.CREATED, {"kind": "demo_form"})), 0.5, under)
    assert [one["due_at"] for one in clocks(folded, "mql.first_touch")] == [due]


def test_who_forbade_contact_before_nurturing_has_no_nurture_clock():
    assert (
        clocks(
            fold(history((0, E.CREATED, {}), (0.1, E.CONSENT, {"granted": False})), 100),
            "nurturing.nurture_touch",
        )
        == []
    )


def test_inactive_starts_with_no_points():
    events = [
        (0, E.STAGE_REPORTED, MQL),
        (190, E.TOUCH, {"kind": "form"}),
        (196, E.TOUCH, {"kind": "form"}),
    ]
    assert path(fold(history(*events), 200)) == "inquiry* mql recycled inactive"


def test_recycled_is_no_longer_hot():
    events = [
        (0, E.CREATED, {"kind": "demo_form"}),
        (1, E.REJECTED, {"reason": "not-ready"}),
        (5, E.STAGE_REPORTED, MQL),
    ]
    hot = [handoff["hot"] for handoff in facts_of(fold(history(*events), 6), "handoff")]
    assert hot == [True, False]


def test_a_loss_that_is_voided_gives_back_the_timer_and_the_clocks_as_they_were():
    under = changed("sal", timer=Timer(after="30 days", to="recycled"))
    lost = [
        (0, E.ACCEPTED, {}),
        (1, E.OPPORTUNITY_LOST, DEAL),
        (5, E.STAGE_REPORTED, {"stage": "Working", "source": "salesforce"}),
    ]
    assert (
        fold(history(*lost), 6, under).state["timer_at"]
        == fold(history(lost[0]), 6, under).state["timer_at"]
    )
    again = fold(
        history(
            (0, E.OPPORTUNITY_CREATED, DEAL),
            (40, E.OPPORTUNITY_LOST, DEAL),
            (50, E.OPPORTUNITY_STAGE_CHANGED, {"deal": {"id": "d1", "stage": "late"}}),
        ),
        51,
    )
    stopped = [clock["stopped_at"] for clock in clocks(again, "opportunity.stalled")]
    assert stopped == [T0 + 50 * DAY]


def test_a_generations_first_version_holds_from_the_beginning_of_time():
    first, later = (
        FIRST.model_copy(update={"version": name, "effective_from": date(year, 1, 1)})
        for name, year in (("1", 2027), ("2", 2028))
    )
    assert {
        move["version"]
        for move in facts_of(
            fold(history((0, E.CREATED, {})), 20, prepare(first, later)), "transition"
        )
    } == {"1"}


def test_an_opening_balance_at_mql_is_no_hand_off():
    assert facts_of(fold(history((0, E.SNAPSHOT, MQL)), 1), "handoff") == []


def test_what_can_not_be_applied_is_noted_with_why():
    folded = fold(
        history((0, E.OPPORTUNITY_CREATED, DEAL), (0.1, E.REJECTED, {"reason": "no-fit"})), 0.2
    )
    assert [
        (note["what"], note["reason"], note["current"]) for note in facts_of(folded, "note")
    ] == [("ignored", "no-fit", "opportunity")]


def test_a_move_says_how_long_the_stage_before_was_held_by_the_wall_and_in_open_hours():
    folded = fold(history((0, E.STAGE_REPORTED, MQL), (1.25, E.ACCEPTED, {})), 2)
    accepted = next(move for move in facts_of(folded, "transition") if move["to"] == "sal")
    assert (accepted["dwell_ms"], accepted["business_ms"]) == (1.25 * DAY, 15 * HOUR)
    assert all(
        "dwell_ms" not in move
        for move in facts_of(folded, "transition")
        if move["implied"] or move["to"] == "mql"
    )


def test_a_hand_off_says_when_it_was_assigned_and_first_touched_by_a_person_in_open_hours():
    events = [
        (0, E.STAGE_REPORTED, MQL),
        (1 / 24, E.ASSIGNED, {"owner": "ann"}),
        (3 / 24, E.TOUCH, HUMAN),
        (5 / 24, E.TOUCH, HUMAN),
        (1, E.ASSIGNED, {"owner": "bob"}),
    ]
    handoff = facts_of(fold(history(*events), 2), "handoff")[0]
    assert (handoff["assigned_at"], handoff["touched_at"]) == (T0 + HOUR, T0 + 3 * HOUR)
    assert (handoff["to_assigned_ms"], handoff["to_touch_ms"]) == (HOUR, 2 * HOUR)


def test_the_newest_word_of_owner_and_record_holds():
    events = [
        (0, E.CREATED, {"owner": "ann", "record_url": "https://crm.example/1"}),
        (1, E.ASSIGNED, {"owner": "bob", "record_url": "https://crm.example/2"}),
    ]
    state = fold(history(*events), 2).state
    assert (state["owner"], state["record_url"]) == ("bob", "https://crm.example/2")


def test_a_deal_stays_in_the_journey_it_began_in():
    events = [
        (0, E.OPPORTUNITY_CREATED, DEAL),
        (1, E.OPPORTUNITY_LOST, DEAL),
        (120, E.OPPORTUNITY_WON, DEAL),
    ]
    folded = fold(history(*events), 121)
    assert folded.state["journey"] == 2
    assert [(journey, deal["status"]) for _, deal, journey in facts(folded, "deal")] == [(1, "won")]


def test_a_lost_deal_that_moves_again_is_open():
    events = [
        (0, E.OPPORTUNITY_CREATED, DEAL),
        (1, E.OPPORTUNITY_LOST, DEAL),
        (2, E.OPPORTUNITY_STAGE_CHANGED, {"deal": {"id": "d1", "stage": "talks"}}),
    ]
    assert [
        (deal["status"], deal["closed_at"]) for deal in facts_of(fold(history(*events), 3), "deal")
    ] == [("open", None)]


@pytest.mark.parametrize(
    ("source", "word", "stands"),
    [
        ("hubspot", "closedwon", "customer"), ("hubspot", "closedlost", "lost"),
        ("salesforce", "Closed Won", "customer"), ("salesforce", "Closed Lost", "lost"),
        ("salesforce", "closedwon", "opportunity"),
    ],
)  # fmt: skip
def test_a_crms_own_stage_of_a_deal_says_how_it_ended(source, word, stands):
    events = [
        (0, E.OPPORTUNITY_CREATED, {**DEAL, "source": source}),
        (1, E.OPPORTUNITY_STAGE_CHANGED, {"source": source, "deal": {"id": "d1", "stage": word}}),
    ]
    assert fold(history(*events), 2).state["stage"] == stands


@pytest.mark.parametrize(
    ("marketing", "found"),
    [
        (
            {"click": "gclid", "utm_source": "letter", "utm_medium": "email"},
            ("google", "paid_search"),
        ),
        ({"utm_source": "letter", "utm_medium": "email"}, ("letter", "email")),
        ({"utm_source": "letter"}, ("letter", "other")),
        ({"platform": "meta", "click": "gclid"}, ("meta", "paid_social")),
        ({"utm_source": "fb", "utm_medium": "social"}, ("meta", "social")),
    ],
)
def test_the_first_row_of_the_source_table_that_fits_holds(marketing, found):
    state = fold(history((0, E.CREATED, {"marketing": marketing})), 0.1).state
    assert (state["source"], state["channel"]) == found


REPORTED = [(0, E.STAGE_REPORTED, MQL), (0, E.STAGE_REPORTED, stage("opportunity"))]


@pytest.mark.parametrize("events", [REPORTED, REPORTED[::-1]])
def test_stages_that_are_reported_at_one_instant_go_by_their_place_in_the_funnel(events):
    assert path(fold(history(*events), 1)) == "inquiry* mql sal* sql* opportunity"


def test_a_stage_that_nobody_maps_comes_last_of_its_instant():
    events = [(0, E.STAGE_REPORTED, stage("odd")), (0, E.STAGE_REPORTED, stage("lead"))]
    assert [
        [note["current"] for note in facts_of(fold(history(*order), 0.1), "note")]
        for order in (events, events[::-1])
    ] == [["inquiry"], ["inquiry"]]


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (
            [(0.125, E.ASSIGNED, {"owner": "ann"}), (0.25, E.TOUCH, HUMAN)],
            {"to_assigned_ms": 3 * HOUR, "to_touch_ms": 3 * HOUR, "negative": False},
        ),
        (
            [(0.125, E.TOUCH, HUMAN), (0.25, E.ASSIGNED, {"owner": "ann"})],
            {"to_assigned_ms": 6 * HOUR, "to_touch_ms": -3 * HOUR, "negative": True},
        ),
        (
            [(0.125, E.TOUCH, HUMAN)],
            {"assigned_at": None, "to_touch_ms": 3 * HOUR, "negative": False},
        ),
        ([(0.125, E.ASSIGNED, {"owner": "ann"})], {"to_assigned_ms": 3 * HOUR, "touched_at": None}),
    ],
    ids=[
        "assigned, then touched",
        "touched, then assigned",
        "touched by whom no system named",
        "never touched",
    ],
)
def test_speed_to_lead_counts_open_hours_to_the_assignment_and_from_there_to_the_first_human_touch(
    events, expected
):
    (handoff,) = facts_of(fold(history((0, E.STAGE_REPORTED, MQL), *events), 2), "handoff")
    assert {name: handoff[name] for name in expected} == expected
    assert ("to_touch_ms" in handoff) == (handoff["touched_at"] is not None)


@pytest.mark.parametrize(
    ("end", "cancelled"),
    [
        ((20, E.STAGE_REPORTED, stage("churned")), T0 + 20 * DAY),
        ((40, E.STAGE_REPORTED, stage("churned")), None),
    ],
    ids=["before it is due", "after"],
)
def test_a_cancelled_clock_says_when_it_was_and_one_that_was_breached_stays_so(end, cancelled):
    (clock,) = clocks(fold(history((0, E.OPPORTUNITY_WON, DEAL), end), 60), "customer.onboarding")
    assert (clock["status"], clock["cancelled_at"]) == (
        "cancelled" if cancelled else "breached",
        cancelled,
    )


def test_the_points_that_a_timer_took_come_back_with_the_entry_that_it_counted_from():
    under = changed("inquiry", timer=Timer(after="30 days", to="recycled"))
    events = [(0, E.TOUCH, {"kind": "form"}), (40, E.CREATED, {"kind": "form"})]
    assert path(fold(history(*events), 41, under)) == "inquiry mql"
