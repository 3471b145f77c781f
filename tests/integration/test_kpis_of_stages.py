"""The KPIs of 1 to 19, of cost by source, and of what goes wrong: small histories.

Each has the figure that a person gets by hand.
"""

import uuid

from schemas.deadletters import Letter
from sinks.clickhouse import kpis
from sinks.clickhouse.batch import Batch
from tests.integration.firm import FUNNEL, NOT_READY, OURS, SPAM, TEST, E, deal, parts
from tests.support.stories import DAY, MQL, T0, stage

HUMAN = {"direction": "human", "kind": "call"}
META, GOOGLE = ({"marketing": {"platform": name}} for name in ("meta", "google"))


def funnel(firm):
    """Four leads that count in cohorts, one of which becomes a customer.

    Beside them a spammer, a test, an opening balance.
    """
    qualified = ((0, E.CREATED, {}), (1, E.STAGE_REPORTED, MQL))
    firm.lead(
        *qualified,
        (2, E.ACCEPTED, {}),
        (3, E.OPPORTUNITY_CREATED, deal("d1")),
        (10, E.OPPORTUNITY_WON, deal("d1")),
    )
    firm.lead(*qualified, (2, E.REJECTED, {"reason": "no-fit"}))
    firm.lead((0, E.CREATED, {}))
    firm.lead((0, E.CREATED, {}), (40, E.STAGE_REPORTED, MQL))
    firm.lead(*qualified, (2, E.REJECTED, SPAM))
    firm.lead((0, E.CREATED, TEST), (1, E.STAGE_REPORTED, MQL))
    firm.lead((0, E.SNAPSHOT, MQL))


def by_stage(figures):
    return {f.dimensions["stage"]: parts(f) for f in figures}


def test_inflow_and_outflow_count_entries_of_the_period_spam_too_and_no_opening_balance(firm):
    funnel(firm)
    entered = {f.dimensions["stage"]: f.value for f in firm.ask("inflow", end=5)}
    assert entered == {
        "inquiry": 5,
        "nurturing": 5,
        "mql": 3,
        "sal": 1,
        "sql": 1,
        "opportunity": 1,
        "disqualified": 2,
    }
    left = {
        (f.dimensions["stage"], f.dimensions["destination"]): f.value
        for f in firm.ask("outflow", end=5)
    }
    assert left == {
        ("inquiry", "nurturing"): 5, ("nurturing", "mql"): 3, ("mql", "sal"): 1,
        ("mql", "disqualified"): 2, ("sal", "sql"): 1, ("sql", "opportunity"): 1,
    }  # fmt: skip
    assert firm.one("inflow", start=5, end=30, stage="customer").value == 1


def test_a_step_is_converted_within_its_own_window_and_a_cohort_says_how_much_of_it_is_mature(firm):
    funnel(firm)
    assert by_stage(firm.ask("step_conversion", asof=400)) == {
        "inquiry": (2, 4),
        "mql": (1, 3),
        "sal": (1, 1),
        "opportunity": (1, 1),
    }
    young = firm.one("step_conversion", asof=20, stage="inquiry")
    assert (young.value, *parts(young), young.n, young.pending) == (None, 0, 0, 4, 2)
    assert firm.one("step_conversion", asof=31, stage="inquiry").mature == 4


def test_conversion_from_inquiry_counts_passed_stages_as_reached_within_the_window_of_a_win(firm):
    funnel(firm)
    assert by_stage(firm.ask("conversion", asof=400)) == {
        "mql": (3, 4),
        "sal": (1, 4),
        "sql": (1, 4),
        "opportunity": (1, 4),
        "customer": (1, 4),
    }
    figure = firm.one("conversion", asof=366, stage="customer")
    assert (figure.value, figure.mature, figure.pending) == (0.25, 4, 0)


def test_pending_is_what_has_not_come_yet_and_still_may(firm):
    funnel(firm)
    assert parts(firm.one("pending", asof=20, stage="inquiry")) == (2, 4)
    assert parts(firm.one("pending", asof=31, stage="inquiry")) == (0, 4)


def test_throughput_sets_entries_of_one_period_against_each_other_and_may_exceed_all(firm):
    funnel(firm)
    assert by_stage(firm.ask("throughput", end=5)) == {
        "inquiry": (2, 4),
        "mql": (1, 2),
        "sal": (1, 1),
        "opportunity": (0, 1),
    }
    later = firm.one("throughput", start=5, end=50, stage="inquiry")
    assert (later.value, *parts(later)) == (None, 1, 0)


def test_sales_sourced_is_a_share_of_the_new_accepted_leads_whose_origin_is_known(firm):
    for origin in ("sales", "marketing", ""):
        firm.lead((0, E.CREATED, {"origin": origin} if origin else {}), (1, E.ACCEPTED, {}))
    firm.lead((0, E.SNAPSHOT, {**stage("salesqualifiedlead"), "origin": "sales"}))
    figure = firm.one("sales_sourced")
    assert (figure.value, *parts(figure), figure.n) == (0.5, 1, 2, 3)


def test_time_in_a_stage_in_calendar_and_in_business_hours_leaves_passed_stages_out(firm):
    firm.lead((0, E.STAGE_REPORTED, MQL), (2, E.ACCEPTED, {}))
    firm.lead((0, E.STAGE_REPORTED, MQL), (4, E.ACCEPTED, {}))
    firm.lead((0, E.OPPORTUNITY_WON, deal("d1")))
    hours = {f.dimensions["measure"]: f.value for f in firm.ask("time_in_stage", stage="mql")}
    assert hours == {
        "median_hours": 72,
        "p90_hours": 96,
        "median_business_hours": 27,
        "p90_business_hours": 36,
    }
    assert {f.dimensions["stage"] for f in firm.ask("time_in_stage")} == {"mql"}


def test_the_age_of_open_episodes_is_counted_to_the_instant_that_is_asked_for(firm):
    for day in (0, 5):
        firm.lead((day, E.STAGE_REPORTED, MQL), until=10)
    figure = firm.one("open_age", asof=10, stage="mql")
    assert (figure.value, figure.n) == (180.0, 2)


def test_cycle_time_goes_from_a_reported_inquiry_to_the_win_by_period_and_by_cohort(firm):
    firm.lead((0, E.CREATED, {}), (10, E.OPPORTUNITY_WON, deal("d1")))
    firm.lead((0, E.CREATED, {}), (20, E.OPPORTUNITY_WON, deal("d2")))
    firm.lead((5, E.OPPORTUNITY_WON, deal("d3")))  # its inquiry was never seen
    assert [(f.value, f.n) for f in firm.ask("cycle_time", end=15, basis="period")] == [(10.0, 1)]
    assert [(f.value, f.n) for f in firm.ask("cycle_time", end=15, basis="cohort")] == [(15.0, 2)]


def test_speed_to_lead_takes_the_untouched_as_infinite(firm):
    firm.lead(
        (0, E.STAGE_REPORTED, MQL), (0.125, E.ASSIGNED, {"owner": "ann"}), (0.25, E.TOUCH, HUMAN)
    )
    firm.lead((0, E.STAGE_REPORTED, MQL), (0.125, E.TOUCH, HUMAN))  # by whom no system said
    firm.lead((0, E.STAGE_REPORTED, MQL))
    found = {f.dimensions["leg"]: (f.value, f.n, f.pending) for f in firm.ask("speed_to_lead")}
    assert found == {"handed_to_assigned": (None, 3, 2), "assigned_to_first_touch": (180.0, 3, 1)}


def test_service_levels_count_clocks_that_fell_due_restarting_ones_apart_and_spam_not_at_all(firm):
    firm.lead((0, E.STAGE_REPORTED, MQL), (0.1, E.TOUCH, HUMAN))
    firm.lead((0, E.STAGE_REPORTED, MQL))
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, SPAM))
    firm.lead((0, E.STAGE_REPORTED, {**MQL, **TEST}))
    firm.lead((0, E.CREATED, {}))
    touched = firm.one("sla", clock="mql.first_touch", restarting=0)
    assert (touched.value, *parts(touched)) == (0.5, 1, 2)
    assert parts(firm.one("sla", clock="nurturing.nurture_touch", restarting=1)) == (0, 1)
    assert firm.ask("sla", end=0.2, clock="mql.first_touch") == []  # due at 18:00


def test_a_clock_that_no_source_can_stop_is_shown_as_not_measured(firm):
    quiet = kpis.question(
        FUNNEL.model_copy(update={"enabled_sources": ("segment",)}), T0, T0 + DAY, T0
    )
    found = {
        f["dimensions"]["clock"]: (f["dimensions"]["measured"], f["value"], f["n"])
        for f in kpis.ask(firm.client, quiet, ["sla"])
    }
    assert found["mql.decision"] == (0, None, 0)


def test_past_due_is_what_runs_now_and_stalled_what_nobody_has_touched_for_too_long(firm):
    firm.lead((0, E.STAGE_REPORTED, MQL), until=3)
    firm.lead((0, E.STAGE_REPORTED, MQL), (2.5, E.ACCEPTED, {}), until=3)
    assert {f.dimensions["clock"]: f.value for f in firm.ask("past_due", asof=3)} == {
        "mql.first_touch": 1,
        "mql.decision": 1,
    }
    firm.lead((0, E.OPPORTUNITY_CREATED, deal("d1")), until=40)
    firm.lead((0, E.OPPORTUNITY_CREATED, deal("d2")), (20, E.TOUCH, HUMAN), until=40)
    assert {f.dimensions["stage"]: f.value for f in firm.ask("stalled", asof=40)} == {
        "opportunity": 1
    }


def test_acceptance_rejection_and_no_decision_take_spam_in(firm):
    funnel(firm)
    taken = firm.one("acceptance", end=30)
    assert (*parts(taken), taken.pending) == (1, 3, 0)
    assert {f.dimensions["reason"]: f.numerator for f in firm.ask("rejection", end=30)} == {
        "no-fit": 1,
        "spam": 1,
    }


def test_spend_and_leads_share_the_source_table(firm):
    firm.spend("300")
    firm.spend("100", platform="google")
    firm.spend("7", platform="unheard_of")
    for marketing in (META, META, GOOGLE, {}):
        firm.lead((0, E.CREATED, marketing))
    assert {
        f.dimensions["source"]: f.value for f in firm.ask("cost", by="source", per="inquiry")
    } == {
        "meta": 150.0,
        "google": 100.0,
        "": 7.0,
    }
    assert {
        f.dimensions["channel"]: f.value for f in firm.ask("cost", by="channel", per="inquiry")
    }["paid_social"] == 150.0
    assert firm.one("cost", per="inquiry").value == 407 / 4
    assert (
        firm.one("cost", by="segment", per="inquiry").value == 407 / 4
    )  # of segments an ad account knows nothing


def named(**marketing):
    return {"marketing": {"platform": "meta", **marketing}}


def test_what_was_spent_without_leads_and_leads_without_spend_are_both_rows(firm):
    firm.spend("300")
    firm.spend("50", platform="google")
    firm.lead((0, E.CREATED, META))
    firm.lead((0, E.CREATED, {"marketing": {"utm_source": "letter", "utm_medium": "email"}}))
    rows = {
        f.dimensions["source"]: (f.value, f.numerator, f.denominator)
        for f in firm.ask("cost", by="source", per="inquiry")
    }
    assert rows == {"meta": (300.0, 300.0, 1), "google": (None, 50.0, 0), "letter": (None, None, 1)}


def test_campaigns_meet_whatever_their_case_and_through_the_funnels_aliases(firm):
    firm.spend("300", campaign="Spring Sale")
    firm.spend("40", campaign="FB")  # the funnel's aliases: fb is meta
    for campaign in ("spring sale", " SPRING SALE ", "Meta"):
        firm.lead((0, E.CREATED, named(campaign=campaign)))
    assert {
        f.dimensions["campaign"]: f.value for f in firm.ask("cost", by="campaign", per="inquiry")
    } == {"spring sale": 150.0, "meta": 40.0}
    assert {
        f.dimensions["campaign"]: f.value
        for f in firm.ask("inflow", by="campaign")
        if f.dimensions["stage"] == "inquiry"
    } == {"spring sale": 2, "meta": 1}


def test_a_lead_of_whom_only_the_ad_is_known_meets_its_campaigns_spend(firm):
    firm.spend("300", campaign="7", breakdown='{"ad_id":"5"}')
    firm.spend("100", campaign="7", breakdown='{"ad_id":"6"}')
    firm.spend("9", campaign="8", breakdown='{"ad_id":"9"}')
    firm.lead((0, E.CREATED, named(ad="5")))
    firm.lead((0, E.CREATED, named(ad="6")), (1, E.LINKED, named(campaign="7")))
    firm.lead((0, E.CREATED, named(ad="unknown")))
    rows = {
        f.dimensions["campaign"]: (f.value, f.denominator)
        for f in firm.ask("cost", by="campaign", per="inquiry")
    }
    assert rows == {"7": (200.0, 2), "8": (None, 0), "ad:unknown": (None, 1)}


def test_cost_counts_a_deal_once_however_many_leads_it_has_and_a_customer_without_a_deal(firm):
    firm.spend("300")
    for _ in range(2):
        firm.lead((0, E.OPPORTUNITY_CREATED, deal("d1")), (1, E.OPPORTUNITY_WON, deal("d1")))
    firm.lead((0, E.CREATED, {}), (1, E.STAGE_REPORTED, stage("customer")))
    firm.lead((0, E.SNAPSHOT, stage("customer")))
    assert (firm.one("cost", per="customer").value, firm.one("cost", per="customer").n) == (
        150.0,
        2,
    )


def test_spend_that_was_stated_again_counts_once_and_as_the_later_statement_says(firm):
    firm.spend("300", stamp=2)
    firm.spend("900", stamp=1)
    firm.lead((0, E.CREATED, {}))
    assert firm.one("cost", per="inquiry").value == 300.0


def test_disagreements_say_who_would_let_the_lead_pass(firm):
    firm.lead((0, E.STAGE_REPORTED, MQL))
    firm.lead((0, E.CREATED, {"kind": "demo_form"}), (1, E.STAGE_REPORTED, MQL))
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, SPAM))
    figure = firm.one("disagreement")
    assert (figure.value, figure.dimensions) == (
        1.0,
        {"stage": "mql", "accepted_by": "hubspot", "refused_by": "gate"},
    )


def test_open_deals_past_their_close_date_are_a_share_of_those_that_have_one(firm):
    for name, close_date in (("d1", "2026-01-10"), ("d2", "2026-03-01"), ("d3", None), ("d4", "")):
        firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, **deal(name, close_date=close_date)}))
    firm.lead(
        (0, E.OPPORTUNITY_CREATED, deal("d5", close_date="2026-01-10")),
        (1, E.OPPORTUNITY_WON, deal("d5")),
    )
    assert parts(firm.one("past_close_date", asof=20)) == (1, 2)
    assert parts(firm.one("past_close_date", asof=4)) == (0, 2)
    assert firm.one("past_close_date", asof=20, by="lead_origin").dimensions == {
        "lead_origin": "marketing"
    }


def test_rates_of_late_repeated_and_refused_events_are_by_what_arrived(firm):
    batch, lead = Batch(), str(uuid.UUID(int=1))
    for offset, (name, behind) in enumerate(
        [("a", 1_000), ("a", 2_000), ("b", 20 * 60_000), ("c", 15 * 60_000 - 1)]
    ):
        batch.touch(
            0,
            offset,
            lead,
            {
                "t": "event",
                "event": [T0, 3, 0, name, lead, "touch", "{}"],
                "received_at": T0 + behind,
            },
        )
    batch.touch(
        0,
        9,
        lead,
        {
            "t": "event",
            "event": [T0, 3, 0, "d", lead, "touch", "{}"],
            "received_at": T0,
            "copy": True,
        },
    )
    batch.letter(
        Letter(
            id="t:0:1:0",
            topic="t",
            partition=0,
            offset=1,
            worker="w",
            kind="refused",
            reason="why",
            stamp=T0,
        )
    )
    firm.insert(batch)
    found = {f.dimensions["measure"]: parts(f) for f in firm.ask("events")}
    assert found == {"late": (1, 4), "duplicate": (1, 4), "rejected": (1, 5)}
    assert {f.value for f in firm.ask("events", start=5)} == {None}


def test_a_lead_that_was_recycled_and_came_back_counts_as_two_journeys_and_once_as_recovered(firm):
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, NOT_READY), (20, E.STAGE_REPORTED, MQL))
    assert firm.one("inflow", stage="mql").value == 2
    assert firm.one("recovery", asof=400).numerator == 1
