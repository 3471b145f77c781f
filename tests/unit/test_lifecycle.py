"""The rules of docs/design/moves.md, one row a rule.

A row is a history told in days, the day on which it is read, and the journey that it comes to.
"""

import orjson
import pytest

from schemas.reading import FUNNELS, load
from streams.domain import row
from streams.domain.definition import prepare
from streams.sources import measuring
from tests.support.stories import (
    DAY,
    DEAL,
    DEFINITION,
    MQL,
    T0,
    E,
    facts,
    fold,
    history,
    path,
    stage,
)

RULES = [
    ("a new inquiry is nurtured by itself after one business day",
        [(0, E.CREATED, {})], 20,
        "inquiry nurturing"),
    ("a demo form is enough for the gate",
        [(0, E.CREATED, {"kind": "demo_form"})], 0.1,
        "inquiry mql"),
    ("a lead ad form is enough for the gate",
        [(0, E.CREATED, {"kind": "ad_lead_form"})], 0.1,
        "inquiry mql"),
    ("one form is not enough", [(0, E.CREATED, {"kind": "form"})], 0.1, "inquiry"),
    ("points halve after 90 days",
        [(0, E.CREATED, {"kind": "form"}), (91, E.TOUCH, {"kind": "form"})], 92,
        "inquiry nurturing"),
    ("two forms within 90 days are enough",
        [(0, E.CREATED, {"kind": "form"}), (80, E.TOUCH, {"kind": "form"})], 81,
        "inquiry nurturing mql"),
    ("page views bring at most 25 a day",
        [(0, E.CREATED, {}),
         *[(0.01 * n, E.TOUCH, {"kind": "page_view"}) for n in range(1, 30)]], 0.3,
        "inquiry"),
    ("stages passed by are implied and marked",
        [(0, E.OPPORTUNITY_WON, DEAL)], 1,
        "inquiry* mql* sal* sql* opportunity* customer"),
    ("nobody decides: recycled by itself, then inactive",
        [(0, E.STAGE_REPORTED, MQL)], 300,
        "inquiry* mql recycled inactive"),
    ("an acceptance within 30 days takes the recycling back",
        [(0, E.STAGE_REPORTED, MQL), (20, E.ACCEPTED, {})], 21,
        "inquiry* mql sal"),
    ("a later acceptance starts a new journey",
        [(0, E.STAGE_REPORTED, MQL), (60, E.ACCEPTED, {})], 61,
        "inquiry* mql recycled inquiry* mql* sal"),
    ("not-ready recycles",
        [(0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, {"reason": "not-ready"})], 2,
        "inquiry* mql recycled"),
    ("no-fit disqualifies",
        [(0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, {"reason": "no-fit"})], 2,
        "inquiry* mql disqualified"),
    ("competitor disqualifies",
        [(0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, {"reason": "competitor"})], 2,
        "inquiry* mql disqualified"),
    ("a loss is recycled after 90 days",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (1, E.OPPORTUNITY_LOST, DEAL)], 100,
        "inquiry* mql* sal* sql* opportunity lost recycled"),
    ("reopened within 90 days voids the loss",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (1, E.OPPORTUNITY_LOST, DEAL),
         (50, E.OPPORTUNITY_WON, DEAL)], 60,
        "inquiry* mql* sal* sql* opportunity customer"),
    ("reopened later starts a new journey",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (1, E.OPPORTUNITY_LOST, DEAL),
         (120, E.OPPORTUNITY_CREATED, DEAL)], 121,
        "inquiry* mql* sal* sql* opportunity lost recycled inquiry* mql* sal* sql* opportunity"),
    ("a lower stage is an echo, never a move",
        [(0, E.CREATED, {}), (0.1, E.OPPORTUNITY_CREATED, DEAL),
         (1, E.STAGE_REPORTED, stage("lead"))], 2,
        "inquiry mql* sal* sql* opportunity"),
    ("qualified again during an open deal is a touch",
        [(0, E.STAGE_REPORTED, MQL), (1, E.OPPORTUNITY_CREATED, DEAL),
         (2, E.STAGE_REPORTED, MQL)], 3,
        "inquiry* mql sal* sql* opportunity"),
    ("a disqualified lead stays out for the gate",
        [(0, E.CREATED, {}), (0.1, E.DELETED, {}), (1, E.TOUCH, {"kind": "demo_form"})], 2,
        "inquiry disqualified"),
    ("reopened by hand a disqualified lead starts a new journey",
        [(0, E.CREATED, {}), (0.1, E.DELETED, {}), (1, E.ACCEPTED, {})], 2,
        "inquiry disqualified inquiry* mql* sal"),
    ("a stage that no mapping knows is a touch",
        [(0, E.CREATED, {}), (0.1, E.STAGE_REPORTED, stage("odd"))], 0.2,
        "inquiry"),
    ("a snapshot opens at its stage and implies nothing",
        [(0, E.SNAPSHOT, stage("opportunity"))], 1,
        "opportunity"),
    ("an influenced deal moves its primary contact, not this lead",
        [(0, E.CREATED, {}), (0.1, E.OPPORTUNITY_WON, {"deal": {"id": "x", "role": "user"}})], 0.2,
        "inquiry"),
    ("a corrected amount reopens nothing",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (1, E.OPPORTUNITY_LOST, DEAL),
         (2, E.OPPORTUNITY_STAGE_CHANGED, DEAL)], 3,
        "inquiry* mql* sal* sql* opportunity lost"),
    ("with another deal open a loss is a touch",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (1, E.OPPORTUNITY_CREATED, {"deal": {"id": "d2"}}),
         (2, E.OPPORTUNITY_LOST, DEAL), (3, E.OPPORTUNITY_LOST, DEAL)], 4,
        "inquiry* mql* sal* sql* opportunity"),
    ("an opening balance at lost may be reopened",
        [(0, E.SNAPSHOT, stage("lost")), (1, E.OPPORTUNITY_CREATED, DEAL)], 2,
        "lost inquiry* mql* sal* sql* opportunity"),
    ("a recycled lead whose mql was only implied qualifies again as a new journey",
        [(0, E.ACCEPTED, {}), (1, E.REJECTED, {"reason": "not-ready"}),
         (2, E.STAGE_REPORTED, MQL)], 3,
        "inquiry* mql* sal recycled inquiry* mql"),
    ("recycled starts with no points",
        [(0, E.CREATED, {"kind": "demo_form"}), (1, E.REJECTED, {"reason": "not-ready"}),
         (2, E.TOUCH, {"kind": "page_view"})], 3,
        "inquiry mql recycled"),
    ("whoever speaks for us is a customer, also where that was never said",
        [(0, E.CREATED, {}), (0.1, E.OPPORTUNITY_CREATED, DEAL),
         (1, E.STAGE_REPORTED, stage("evangelist"))], 2,
        "inquiry mql* sal* sql* opportunity customer* evangelist"),
    ("set back to open by the system that disqualified it, a lead starts a new journey",
        [(0, E.CREATED, {}),
         (0.1, E.STAGE_REPORTED, {"stage": "disqualified", "source": "salesforce"}),
         (1, E.STAGE_REPORTED, {"stage": "Open", "source": "salesforce"})], 1.1,
        "inquiry disqualified inquiry"),
    ("a lower stage that another system says of it does not",
        [(0, E.CREATED, {}),
         (0.1, E.STAGE_REPORTED, {"stage": "disqualified", "source": "salesforce"}),
         (1, E.STAGE_REPORTED, {"stage": "lead", "source": "hubspot"})], 1.1,
        "inquiry disqualified"),
    ("a recycled lead may be disqualified",
        [(0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, {"reason": "not-ready"}),
         (2, E.DELETED, {})], 3,
        "inquiry* mql recycled disqualified"),
    ("lost while accepted and worked again in time, the loss is voided",
        [(0, E.ACCEPTED, {}), (1, E.OPPORTUNITY_LOST, DEAL),
         (5, E.STAGE_REPORTED, {"stage": "Working", "source": "salesforce"})], 6,
        "inquiry* mql* sal"),
    ("a qualification during an open deal is a touch, also where mql was only implied",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (20, E.STAGE_REPORTED, MQL)], 21,
        "inquiry* mql* sal* sql* opportunity"),
    ("customer success accepts a customer, not a lead",
        [(0, E.STAGE_REPORTED, MQL), (1, E.OPPORTUNITY_WON, DEAL), (2, E.ACCEPTED, {})], 3,
        "inquiry* mql sal* sql* opportunity* customer"),
    ("a snapshot opens a lead of which little was known",
        [(-1, E.TOUCH, {"kind": "page_view"}), (0, E.SNAPSHOT, stage("customer"))], 1,
        "inquiry* customer"),
    ("and a second snapshot moves nothing",
        [(0, E.SNAPSHOT, stage("lead")), (0.1, E.SNAPSHOT, stage("customer"))], 0.2,
        "inquiry"),
    ("an influenced deal does not keep a lost one open",
        [(0, E.OPPORTUNITY_CREATED, DEAL),
         (1, E.OPPORTUNITY_CREATED, {"deal": {"id": "x", "role": "user"}}),
         (2, E.OPPORTUNITY_LOST, DEAL)], 3,
        "inquiry* mql* sal* sql* opportunity lost"),
    ("a test lead never passes the gate",
        [(0, E.CREATED, {"kind": "demo_form", "test": True})], 0.1,
        "inquiry"),
    ("whoever visited before becoming known is an inquiry from then on",
        [(0, E.TOUCH, {"kind": "page_view"}), (3, E.CREATED, {"kind": "form"})], 3.1,
        "inquiry"),
    ("and is nurtured one business day later",
        [(0, E.TOUCH, {"kind": "page_view"}), (3, E.CREATED, {"kind": "form"})], 4,
        "inquiry nurturing"),
    ("unless somebody said meanwhile that the lead is nurtured",
        [(0, E.TOUCH, {"kind": "page_view"}), (1, E.STAGE_REPORTED, {"stage": "nurturing"}),
         (3, E.CREATED, {"kind": "form", "source": "segment"})], 3.1,
        "nurturing inquiry"),
    ("evangelists come from customers",
        [(0, E.OPPORTUNITY_WON, DEAL), (1, E.STAGE_REPORTED, stage("evangelist"))], 2,
        "inquiry* mql* sal* sql* opportunity* customer evangelist"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stated", "until", "expected"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_rule(stated, until, expected):
    assert path(fold(history(*stated), until)) == expected


def test_a_deal_won_before_its_contact_enters_inquiry_once_the_contact_says_so_and_is_flagged():
    folded = fold(history((0, E.OPPORTUNITY_WON, DEAL), (2, E.CREATED, {})), 3)
    assert path(folded) == "mql* sal* sql* opportunity* customer inquiry"
    assert facts(folded, "journey")[0][1]["negative"] is True


def test_a_void_takes_an_event_back_and_a_voided_void_has_no_effect():
    events = history(
        (0, E.CREATED, {}), (0.1, E.STAGE_REPORTED, MQL), (0.2, E.VOID, {"voids": "e1"})
    )
    assert path(fold(events, 0.3)) == "inquiry"
    again = [
        *events,
        *history(
            (0, E.CREATED, {}),
            (0, E.CREATED, {}),
            (0, E.CREATED, {}),
            (0.25, E.VOID, {"voids": "e2"}),
        )[3:],
    ]
    assert path(fold(again, 0.3)) == "inquiry mql"


def test_every_hand_off_ends_accepted_rejected_or_timed_out():
    ends = [(1, E.ACCEPTED, {}), (1, E.REJECTED, {"reason": "no-fit"}), (1, E.TOUCH, {})]
    outcomes = [
        facts(fold(history((0, E.STAGE_REPORTED, MQL), end), 30), "handoff")[0][1]["outcome"]
        for end in ends
    ]
    assert outcomes == ["accepted", "rejected", "timed_out"]


def test_a_late_proof_turns_a_breach_into_met_under_a_higher_revision():
    mql, touch = history((0, E.STAGE_REPORTED, MQL), (0.2, E.TOUCH, {"direction": "human"}))
    current = row.advance(row.Row("lead"), mql, DEFINITION).row
    breached = row.tick(current, T0 + 2 * DAY, DEFINITION)
    proved = row.advance(breached.row, touch, DEFINITION)

    def clock(step):
        changes = [
            (c.revision, orjson.loads(c.content))
            for c in step.changes
            if c.kind == "clock" and c.content
        ]
        return next(
            (revision, stated["status"])
            for revision, stated in changes
            if stated["clock"] == "first_touch"
        )

    assert clock(breached)[1] in ("breached", "escalated")
    assert clock(proved)[1] == "met"
    assert clock(proved)[0] > clock(breached)[0]


def test_a_hot_lead_must_be_touched_within_five_minutes_also_at_night():
    at_night = history((0.6, E.CREATED, {"kind": "demo_form"}))
    clock = next(
        stated
        for _, stated, _ in facts(fold(at_night, 1), "clock")
        if stated["clock"] == "first_touch"
    )
    assert clock["due_at"] == at_night[0].at + 300_000


def test_disagreement_of_gate_and_crm_is_a_fact():
    folded = fold(history((0, E.STAGE_REPORTED, MQL)), 1)
    stated = facts(folded, "disagreement")[0][1]
    assert [(rule["rule"], rule["passed"], rule["value"]) for rule in stated.pop("rules")] == [
        ("score", False, "0"),
        ("suppressed", True, ""),
    ]
    assert stated == {
        "at": T0,
        "funnel": "default",
        "gate": False,
        "moved": True,
        "score": 0,
        "source": True,
        "stage": "mql",
        "system": "hubspot",
        "version": "1",
    }


def test_a_decision_keeps_each_rule_with_the_value_seen():
    decision = facts(fold(history((0, E.CREATED, {"kind": "demo_form"})), 0.1), "decision")[0][1]
    assert decision["rules"][0] == {"need": ">= 50", "passed": True, "rule": "score", "value": "50"}


def test_an_opt_out_cancels_the_nurture_clock():
    folded = fold(history((0, E.CREATED, {}), (5, E.CONSENT, {"granted": False})), 100)
    assert folded.state["opted_out"] is True
    assert [
        stated for _, stated, _ in facts(folded, "clock") if stated["stage"] == "nurturing"
    ] == []


def test_a_clock_that_no_enabled_source_can_stop_is_not_started_but_named():
    olist = prepare(load(FUNNELS / "olist.yaml"))
    assert measuring.not_measured(olist.first.funnel) == []
    quiet = prepare(DEFINITION.first.funnel.model_copy(update={"enabled_sources": ("segment",)}))
    assert "mql.decision" in measuring.not_measured(quiet.first.funnel)
    stated = history((0, E.STAGE_REPORTED, MQL))
    started = [
        {clock["clock"] for _, clock, _ in facts(fold(stated, 2, under), "clock")}
        for under in (DEFINITION, quiet)
    ]
    assert started == [{"first_touch", "decision"}, set()]


def test_the_tables_diagram_names_every_stage_that_a_timer_leads_to():
    from streams.domain.drawing import mermaid

    drawn = mermaid(DEFINITION.first)
    assert "mql --> recycled: after 14 days" in drawn
    assert "lost --> recycled: after 90 days" in drawn


def test_a_bots_flood_counts_sixty_a_minute_and_no_more():
    folded = fold(
        [
            event._replace(id=f"b{n}")
            for n in range(200)
            for event in history((0, E.TOUCH, {"kind": "page_view"}))
        ],
        1,
    )
    assert folded.state["events"] == 60


def test_an_event_that_the_flood_cap_refuses_leaves_the_leads_timers_as_they_were():
    views = [
        event._replace(id=f"b{n}")
        for n in range(61)
        for event in history((0, E.TOUCH, {"kind": "page_view"}))
    ]
    current = row.Row("lead")
    for event in sorted(views)[:60]:
        step = row.advance(current, event, DEFINITION)
        current = step.row
    refused = row.advance(current, sorted(views)[60], DEFINITION)
    assert refused.row is current
    assert step.next_due is not None


def test_of_a_flood_the_smallest_count_whichever_came_first():
    views = sorted(
        event._replace(id=f"b{n:02d}")
        for n in range(61)
        for event in history((0, E.TOUCH, {"kind": "page_view"}))
    )
    current = row.Row("lead")
    for event in reversed(views):
        step = row.advance(current, event, DEFINITION)
        current = step.row
    assert step.flooded == 1
    assert current.events == frozenset(views[:60])
