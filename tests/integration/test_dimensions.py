"""A dimension is one line of the funnel file: each fact keeps what was known at its time."""

import pytest

from sinks.clickhouse import kpis
from sinks.clickhouse.migrate import apply
from tests.integration.firm import FUNNEL, E, Firm
from tests.support.stories import DEAL, MQL

NAMED = ("owner", "team", "account", "landing_page", "attributes.region")


@pytest.fixture
def firm(emptied, engine):
    return Firm(emptied, engine, FUNNEL.model_copy(update={"dimensions": NAMED}))


def by(firm, kpi, name, **more):
    return {one.dimensions[name]: one.value for one in firm.ask(kpi, by=name, **more)}


def test_a_move_counts_for_whoever_owned_the_lead_then(firm):
    firm.lead(
        (0, E.CREATED, {"owner": "ann"}),
        (1, E.STAGE_REPORTED, MQL),
        (2, E.ASSIGNED, {"owner": "bob"}),
        (3, E.ACCEPTED, {}),
    )
    assert by(firm, "inflow", "owner", stage="inquiry") == {"ann": 1.0}
    assert by(firm, "inflow", "owner", stage="sal") == {"bob": 1.0}
    assert by(firm, "acceptance", "owner") == {"ann": 1.0}  # handed off while it was ann's


def test_a_team_is_the_one_that_owns_the_stage_or_receives_the_hand_off(firm):
    firm.lead((0, E.STAGE_REPORTED, MQL), (3, E.ACCEPTED, {}))
    assert by(firm, "inflow", "team", stage="mql") == {"joint": 1.0}
    assert by(firm, "acceptance", "team") == {"sales": 1.0}


def test_an_attribute_and_an_account_are_dimensions_of_journeys_and_deals(firm):
    north = {"attributes": {"region": "north"}, "account": "acme"}
    firm.lead((0, E.CREATED, north), (1, E.OPPORTUNITY_WON, DEAL))
    firm.lead((0, E.CREATED, {}))
    assert by(firm, "conversion", "attributes.region", asof=400, stage="customer") == {
        "north": 1.0,
        "": 0.0,
    }
    assert by(firm, "win_rate", "account", basis="period") == {"acme": 1.0}


def test_a_landing_page_is_the_journeys_without_what_a_person_typed(firm):
    page = {"marketing": {"utm_source": "x", "landing_page": "https://a.example/b?mail=c#d"}}
    firm.lead((0, E.CREATED, page))
    assert by(firm, "inflow", "landing_page", stage="inquiry") == {"https://a.example/b": 1.0}


def test_open_leads_are_split_by_what_is_known_now(firm):
    firm.lead((0, E.CREATED, {"owner": "ann"}), (1, E.ASSIGNED, {"owner": "bob"}), until=5.0)
    assert set(by(firm, "open_age", "owner")) == {"bob"}


def test_a_figure_that_cannot_be_split_says_so(firm):
    firm.lead((0, E.CREATED, {}))
    assert {one.dimensions["ignores"] for one in firm.ask("balance", by="owner")} == {"owner"}


def test_every_figure_answers_by_every_dimension_and_says_which_it_ignores(firm):
    firm.lead((0, E.CREATED, {"owner": "ann", "kind": "demo_form"}), (1, E.OPPORTUNITY_WON, DEAL))
    for name in NAMED:
        for one in firm.ask_all(by=name):
            assert (
                name in one["dimensions"]
                or one["dimensions"].get("ignores") == name
                or (one["basis"] == kpis.NOT_APPLICABLE)
            ), one


def test_one_that_nobody_named_is_refused_with_what_to_write():
    with pytest.raises(ValueError, match="name another under `dimensions`"):
        kpis.question(FUNNEL, 0, 1, 1, "account")


def test_tables_of_an_older_release_gain_the_columns_and_keep_what_they_say(emptied, engine):
    emptied.command("ALTER TABLE journeys RENAME COLUMN lead_origin TO origin")
    emptied.command("ALTER TABLE journeys DROP COLUMN dimensions")
    emptied.command("ALTER TABLE lead_state RENAME COLUMN lead_origin TO origin")
    apply(emptied, engine.clickhouse_database, "default")
    for view in ("v_journeys", "v_lead_state"):
        names = emptied.query(f"SELECT * FROM {view} LIMIT 0").column_names
        assert {"lead_origin", "dimensions"} <= {*names}
        assert "origin" not in names
