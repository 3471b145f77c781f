"""Every KPI of 12 and 20 to 32: small histories, told in days.

Each has the figure that a person gets by hand.
"""

from schemas.funnel import BUILT_IN
from sinks.clickhouse import kpis
from tests.integration.firm import FUNNEL, NOT_READY, OURS, SPAM, TEST, E, deal, parts
from tests.support.stories import DAY, MQL, T0


def test_every_file_is_named_as_the_command_prints_it_and_answers_on_an_empty_database(firm):
    names = [
        "pipeline",
        "recycle",
        "recovery",
        "nurture_coverage",
        "neglect",
        "skip",
        "regression",
        "win_rate",
        "return",
        "velocity",
        "attainment",
    ]
    assert {*names, "survey", "stale_kpi"} <= {kpi.name for kpi in kpis.catalogue()}
    for by in ("", *BUILT_IN):
        times = (T0 - DAY, T0 + DAY, T0)
        found = kpis.ask(firm.client, kpis.question(FUNNEL, *times, by))
        assert [f["value"] for f in found if f["kpi"] in names] == [
            None
        ]  # return: it has no cohort, and no other KPI a row


def test_pipeline_counts_each_deal_of_marketing_once_in_euros_and_shows_apart_what_it_can_not_turn(
    firm,
):
    for day, rate in (("2025-12-01", "0.8"), ("2026-01-02", "0.9"), ("2026-01-06", "0.5")):
        firm.rate("USD", day, rate)
    firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, **deal("d1", "100", "EUR")}))
    firm.lead(
        (0, E.OPPORTUNITY_CREATED, {**OURS, **deal("d2", "50", "USD")}),
        (2, E.OPPORTUNITY_STAGE_CHANGED, deal("d2", "70")),
    )
    firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, **deal("d3", "7", "GBP")}))
    firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, **deal("d4")}))
    firm.lead(
        (1, E.OPPORTUNITY_CREATED, {**OURS, **deal("d1", "100", "EUR")})
    )  # another primary contact of the same deal
    firm.lead(
        (0, E.CREATED, OURS), (1, E.OPPORTUNITY_CREATED, deal("d5", "900", "EUR", role="user"))
    )  # influenced
    firm.lead((0, E.OPPORTUNITY_CREATED, {"origin": "sales", **deal("d6", "1000", "EUR")}))
    firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, **TEST, **deal("d7", "1000", "EUR")}))
    firm.lead((0, E.SNAPSHOT, {**OURS, "stage": "opportunity", **deal("d8", "1000", "EUR")}))
    assert (firm.one("pipeline", unconverted="").value, firm.one("pipeline", unconverted="").n) == (
        145.0,
        2,
    )
    apart = {
        f.dimensions["unconverted"]: (f.value, f.numerator, f.n)
        for f in firm.ask("pipeline")
        if f.dimensions["unconverted"]
    }
    assert apart == {"GBP": (None, 7.0, 1), "unstated": (None, None, 1)}


def test_a_later_statement_of_a_rate_replaces_an_earlier_one(firm):
    firm.rate("USD", "2026-01-02", "0.9", stamp=2)
    firm.rate("USD", "2026-01-02", "0.1", stamp=1)
    firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, **deal("d1", "50", "USD")}))
    assert firm.one("pipeline").value == 45.0


def test_recycle_rate_leaves_out_spam_tests_and_opening_balances(firm):
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, NOT_READY), until=30)
    firm.lead((0, E.STAGE_REPORTED, MQL), until=30)  # by itself, after 14 days
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.ACCEPTED, {}), until=30)
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, SPAM), until=30)
    firm.lead((0, E.STAGE_REPORTED, {**MQL, **TEST}), (1, E.REJECTED, NOT_READY), until=30)
    firm.lead((0, E.SNAPSHOT, MQL), until=30)
    young = firm.one("recycle", asof=30)
    assert (young.value, young.n, young.mature, young.pending) == (None, 3, 0, 1)
    grown = firm.one("recycle", asof=366)
    assert (grown.value, grown.mature, grown.pending) == (2 / 3, 3, 0)


def test_recovery_is_the_next_journey_of_the_same_lead_that_reaches_mql_within_180_days(firm):
    begun = ((0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, NOT_READY))
    firm.lead(*begun, (100, E.STAGE_REPORTED, MQL), until=250)
    firm.lead(*begun, (200, E.STAGE_REPORTED, MQL), until=250)  # too late
    firm.lead(*begun, until=250)
    firm.lead(*begun, (50, E.STAGE_REPORTED, MQL), (51, E.REJECTED, SPAM), until=250)
    firm.lead((0, E.CREATED, {}), until=250)
    figure = firm.one("recovery", end=50, asof=150)
    assert (*parts(figure), figure.n, figure.mature, figure.pending) == (0, 0, 4, 0, 3)
    grown = firm.one("recovery", end=50, asof=250)
    assert (*parts(grown), grown.mature, grown.pending) == (1, 4, 4, 0)


def test_nurture_coverage_counts_our_touches_within_the_stages_limit_and_leaves_out_who_opted_out(
    firm,
):
    ours, theirs = (
        {"kind": "email", "direction": "automated"},
        {"kind": "page_view", "direction": "inbound"},
    )
    firm.lead((0, E.CREATED, {}), (20, E.TOUCH, ours), until=40)
    firm.lead((0, E.CREATED, {}), (25, E.TOUCH, theirs), until=40)
    firm.lead((0, E.CREATED, {}), (2, E.TOUCH, ours), until=40)  # 38 days ago, the limit is 30
    firm.lead((0, E.CREATED, {}), (3, E.CONSENT, {"granted": False}), until=40)
    firm.lead(
        (0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, NOT_READY), (2, E.TOUCH, ours), until=40
    )  # recycled: 90 days
    assert parts(firm.one("nurture_coverage", asof=40, stage="nurturing")) == (1, 3)
    assert firm.one("nurture_coverage", asof=40, stage="recycled").value == 1.0
    asked = kpis.question(FUNNEL, T0, T0, T0 + 40 * DAY)._replace(
        limits={"nurture": None, "recycled": None}
    )
    assert {f["value"] for f in kpis.ask(firm.client, asked, ["nurture_coverage"])} == {
        None
    }  # a funnel that sets no limit


def test_neglect_counts_leads_before_acceptance_that_we_left_alone_for_180_to_365_days(firm):
    firm.lead((0, E.CREATED, {}), until=200)
    firm.lead(
        (0, E.CREATED, {}), (100, E.TOUCH, {"kind": "email", "direction": "automated"}), until=200
    )
    firm.lead(
        (0, E.CREATED, {}), (150, E.TOUCH, {"kind": "page_view", "direction": "inbound"}), until=200
    )
    firm.lead((0, E.CREATED, {}), (3, E.CONSENT, {"granted": False}), until=200)
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.ACCEPTED, {}), until=200)
    assert (firm.one("neglect", asof=200).value, firm.one("neglect", asof=200).denominator) == (
        2.0,
        3,
    )
    assert firm.one("neglect", asof=400).value == 1.0  # two are beyond 365 days, one came to 300


def test_skip_rate_forgives_optional_stages_and_the_inquiry_of_a_second_journey_and_strict_does_not(
    firm,
):
    soon = (0.1, E.STAGE_REPORTED, MQL)
    firm.lead(
        (0, E.CREATED, {}), soon, (1, E.ACCEPTED, {}), (2, E.OPPORTUNITY_CREATED, deal("d1"))
    )  # past sql only
    firm.lead((0, E.OPPORTUNITY_WON, deal("d2")))
    firm.lead((0, E.CREATED, {}))
    firm.lead(
        (0, E.CREATED, {}), soon, (2, E.REJECTED, NOT_READY), (10, E.STAGE_REPORTED, MQL)
    )  # two journeys
    firm.lead((0, E.SNAPSHOT, {"stage": "opportunity"}))
    assert parts(firm.one("skip", asof=400, measure="skip")) == (1, 5)
    assert parts(firm.one("skip", asof=400, measure="strict")) == (3, 5)


def test_regression_is_every_entry_into_recycled_or_lost_over_all_moves(firm):
    firm.lead(
        (0, E.CREATED, {}), (0.1, E.STAGE_REPORTED, MQL), (2, E.REJECTED, NOT_READY)
    )  # 2 moves, 1 back
    firm.lead(
        (0, E.OPPORTUNITY_CREATED, deal("d1")), (1, E.OPPORTUNITY_LOST, deal("d1"))
    )  # 4 forward, lost, then recycled
    assert (firm.one("regression").value, *parts(firm.one("regression"))) == (3 / 8, 3, 8)


def test_win_rate_counts_closings_of_the_period_and_deals_opened_in_it_each_deal_once(firm):
    opened = [(0, E.OPPORTUNITY_CREATED, deal(f"d{number}")) for number in range(5)]
    firm.lead(opened[1], (10, E.OPPORTUNITY_WON, deal("d1")))
    firm.lead(opened[2], (20, E.OPPORTUNITY_LOST, deal("d2")))
    firm.lead(opened[3])
    firm.lead(opened[4], (10, E.OPPORTUNITY_WON, deal("d4")))
    firm.lead(opened[4], (10, E.OPPORTUNITY_WON, deal("d4")))
    firm.lead((0, E.CREATED, {}), (11, E.OPPORTUNITY_WON, deal("d1", role="user")))
    firm.lead((0, E.SNAPSHOT, {"stage": "customer", **deal("d9")}))  # won before our time
    period, cohort = (
        firm.one("win_rate", end=30, asof=30, basis="period"),
        firm.one("win_rate", end=30, asof=30, basis="cohort"),
    )
    assert (period.value, *parts(period)) == (2 / 3, 2, 3)
    assert (*parts(cohort), cohort.n, cohort.mature, cohort.pending) == (0, 0, 4, 0, 1)
    grown = firm.one("win_rate", end=30, asof=400, basis="cohort")
    assert (*parts(grown), grown.mature, grown.pending) == (2, 4, 4, 0)
    assert firm.one("win_rate", start=15, end=30, basis="period").value == 0.0


def test_cost_turns_spend_into_euros_and_has_no_value_without_denominator(firm):
    firm.rate("USD", "2026-01-05", "0.9")
    firm.spend("300")
    firm.spend("100", "USD")
    firm.spend("50", "GBP")
    firm.lead((0, E.CREATED, {}))
    firm.lead((0, E.CREATED, {}), (0.1, E.STAGE_REPORTED, MQL), (1, E.ACCEPTED, {}))
    values = {f.dimensions["per"]: f.value for f in firm.ask("cost", unconverted="")}
    assert values == {"inquiry": 195.0, "sal": 390.0, "customer": None}
    apart = firm.one("cost", per="inquiry", unconverted="GBP")
    assert (apart.value, apart.numerator) == (None, 50.0)


def test_return_sets_the_margin_that_a_cohort_won_against_what_was_spent(firm):
    firm.rate("USD", "2026-01-05", "0.9")
    firm.spend("200")
    firm.lead((0, E.CREATED, {}), (9, E.OPPORTUNITY_WON, deal("d1", "900", "USD", "500")))
    firm.lead(
        (0, E.CREATED, {}), (9, E.OPPORTUNITY_WON, deal("d2", "900", "EUR"))
    )  # nobody said a margin
    firm.lead((0, E.CREATED, {}), (9, E.OPPORTUNITY_WON, deal("d3", "900", "GBP", "70")))
    firm.lead((0, E.CREATED, {}))
    firm.lead(
        (50, E.CREATED, {}), (60, E.OPPORTUNITY_WON, deal("d4", "900", "EUR", "1000"))
    )  # another cohort
    figure = firm.one("return", end=30, part="")
    assert (figure.value, *parts(figure), figure.n, figure.mature) == (1.25, 250.0, 200.0, 4, 0)
    apart = {
        f.dimensions["unconverted"]: (f.value, f.numerator, f.n)
        for f in firm.ask("return", end=30, part="margin")
    }
    assert apart == {"GBP": (None, 70.0, 1), "unstated": (None, None, 1)}
    assert firm.one("return", start=40, part="").value is None  # nothing was spent then


def test_return_of_wins_without_any_known_margin_is_unknown_and_of_no_wins_a_loss_of_all(firm):
    firm.spend("200")
    firm.lead((0, E.CREATED, {}))
    assert firm.one("return", part="").value == -1.0
    firm.lead((0, E.CREATED, {}), (9, E.OPPORTUNITY_WON, deal("d1", "900", "EUR")))
    assert firm.one("return", part="").value is None


def test_velocity_is_open_deals_times_win_rate_times_mean_amount_by_cycle_days(firm):
    def story(number, *ends):
        firm.lead((0, E.CREATED, {}), (1, E.OPPORTUNITY_CREATED, deal(f"d{number}")), *ends)

    story(1, (20, E.OPPORTUNITY_WON, deal("d1", "1000", "EUR")))
    story(2, (40, E.OPPORTUNITY_WON, deal("d2", "500", "EUR")))
    for number in (3, 4):
        story(number, (50, E.OPPORTUNITY_LOST, deal(f"d{number}")))
    for number in (5, 6, 7):
        story(number)
    figure = firm.one("velocity")
    assert (figure.value, figure.denominator, figure.n) == (3 * 0.5 * 750 / 30, 30.0, 3)
    assert firm.one("velocity", start=60).value is None  # nothing closed then: no win rate


def test_attainment_is_the_metrics_kpi_over_the_newest_target_and_pace_tells_if_it_is_on_the_way(
    firm,
):
    for _ in range(4):
        firm.lead((0, E.STAGE_REPORTED, MQL))
    firm.target("inflow", 10, stamp=2, stage="mql")
    firm.target("inflow", 5, stamp=1, stage="mql")
    middle = 11.125  # Friday, 16 January, noon: 15.5 of 31 days have gone
    reached = firm.one("attainment", asof=middle, measure="attainment")
    assert (reached.value, *parts(reached), reached.n) == (0.4, 4.0, 10.0, 4)
    pace = firm.one("attainment", asof=middle, measure="pace")
    assert (pace.value, pace.denominator) == (0.8, 0.5)
    assert (pace.dimensions["metric"], pace.dimensions["owner"], pace.dimensions["scope"]) == (
        "inflow",
        "ann",
        '{"stage":"mql"}',
    )


def test_attainment_of_a_share_has_no_pace_and_of_nothing_no_value(firm):
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.ACCEPTED, {}))
    firm.lead((0, E.STAGE_REPORTED, MQL))
    firm.target("acceptance", "0.4")
    firm.target("win_rate", "0.3")
    firm.target("inflow", 3, stage="customer")
    firm.target("inflow", 3, stag="mql")  # no figure has such a dimension: 0 would be a lie
    found = {
        (f.dimensions["metric"], f.dimensions["scope"]): f.value
        for f in firm.ask("attainment", measure="attainment")
    }
    assert found == {
        ("acceptance", ""): 1.25,
        ("win_rate", ""): None,
        ("inflow", '{"stage":"customer"}'): 0.0,
        ("inflow", '{"stag":"mql"}'): None,
    }
    assert {f.dimensions["metric"] for f in firm.ask("attainment", measure="pace")} == {"inflow"}


def test_attainment_by_a_dimension_and_of_an_amount_without_a_rate(firm):
    firm.lead((0, E.STAGE_REPORTED, {**MQL, "segment": "smb"}))
    firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, "segment": "big", **deal("d1", "7", "GBP")}))
    firm.target("inflow", 2, stage="mql", segment="smb")
    firm.target("pipeline", 100)
    assert firm.one("attainment", measure="attainment", metric="inflow").value == 0.5
    money = firm.one("attainment", measure="attainment", metric="pipeline")
    assert (money.value, money.pending) == (None, 1)


def test_a_survey_of_fewer_than_five_people_tells_neither_mean_nor_number(firm):
    for person, score in enumerate((1, 2, 3, 4, 5)):
        firm.answer(person, "sales", score)
    for person in range(10, 14):
        firm.answer(person, "marketing", 5)
    firm.answer(4, "sales", 10, stamp=2)  # somebody changed their mind
    firm.answer(10, "marketing", 1, stamp=2)  # ... which makes nobody a fifth person
    found = {f.dimensions["team"]: (f.value, f.n) for f in firm.ask("survey", question="aligned")}
    assert found == {"sales": (4.0, 5), "marketing": (None, None)}
    assert firm.ask("survey", start=10) == []


def test_stale_targets_are_those_of_another_strategy_and_those_that_ended_without_a_successor(firm):
    firm.target("inflow", 1, strategy="last year's", stage="mql")
    firm.target("inflow", 1, stage="sal")
    firm.target("pipeline", 1, start="2025-01-01", end="2025-12-31")
    firm.target("acceptance", "0.4", start="2025-01-01", end="2025-12-31", owner="bob")
    firm.target("acceptance", "0.5")
    found = [
        (f.dimensions["why"], f.dimensions["metric"], f.dimensions["scope"], f.dimensions["until"])
        for f in firm.ask("stale_kpi", asof=5)
    ]
    assert found == [
        ("ended", "pipeline", "", "2025-12-31"),
        ("strategy", "inflow", '{"stage":"mql"}', "2026-01-31"),
    ]
    assert {f.dimensions["why"] for f in firm.ask("stale_kpi", asof=60)} == {"ended"}


def test_figures_split_by_a_dimension_add_up_to_the_whole(firm):
    for number, segment in enumerate(("smb", "smb", "big")):
        firm.lead(
            (0, E.CREATED, {"segment": segment}),
            (1, E.OPPORTUNITY_WON, {**OURS, **deal(f"d{number}", "10", "EUR")}),
        )
    split = {f.dimensions["segment"]: f.value for f in firm.ask("pipeline", by="segment")}
    assert split == {"smb": 20.0, "big": 10.0}
    for name in (
        "recycle",
        "regression",
        "win_rate",
        "skip",
        "velocity",
        "neglect",
        "recovery",
        "nurture_coverage",
    ):
        whole, of = firm.ask(name), firm.ask(name, by="segment")
        assert sum(f.n or 0 for f in whole) == sum(f.n or 0 for f in of)


def test_a_target_of_attainment_itself_that_came_past_the_files_stops_no_figure(firm):
    firm.target("attainment", 5)
    firm.target("inflow", 5)
    assert {
        (f.dimensions["metric"], f.value) for f in firm.ask("attainment", measure="attainment")
    } == {("attainment", None), ("inflow", 0.0)}


def test_a_figure_that_is_no_number_has_no_value_since_json_has_none():
    kpi, asked = kpis.catalogue()[0], kpis.question(FUNNEL, T0, T0 + DAY, T0)
    assert [
        kpis.figure_of(kpi, {"value": value}, asked)["value"]
        for value in (float("nan"), float("inf"), 1)
    ] == [None, None, 1.0]
