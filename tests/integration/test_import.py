"""Exports of three CRMs by the shipped mappings: every figure equals pandas' over the files.

And what an import reports of what did not move: what waits under weak aliases, what the lifecycle
ignored, what was refused.
"""

import json
from collections import Counter

import pandas as pd
import pytest

from tests.conftest import ROOT, run_cli
from tests.support.imports import EVENT, spec, write

EXPORTS = ROOT / "tests" / "support" / "exports"
MAPPINGS = ROOT / "schemas" / "mappings"


def table(product, name, **options):
    return pd.read_csv(
        EXPORTS / product / f"{name}.csv", dtype=str, keep_default_na=False, **options
    )


def at(column, form, zone):
    return pd.to_datetime(column.replace("", None), format=form).dt.tz_localize(zone)


def hubspot():
    """Return a row a lead: created, qualified, won; and its deals (outcome, amount, currency)."""
    leads, deals = table("hubspot", "contacts"), table("hubspot", "deals")
    # Both of two were created at once.
    owner = deals["Associated Contact IDs"].str.split(";").str[0]
    closed = deals.assign(
        lead=owner,
        outcome=deals["Deal Stage"]
        .map({"Closed won": "won", "Closed lost": "lost"})
        .fillna("open"),
    )
    closed["won"] = at(
        closed["Close Date"].where(closed.outcome == "won", ""), "%Y-%m-%d %H:%M", "Europe/Berlin"
    )
    leads["qualified"] = leads["Became a Marketing Qualified Lead Date"] != ""
    leads["created"] = at(leads["Create Date"], "%Y-%m-%d %H:%M", "Europe/Berlin")
    closed["amount"] = pd.to_numeric(closed["Amount"], errors="coerce")
    return leads.rename(columns={"Record ID": "lead"}), closed.rename(
        columns={"Currency": "currency"}
    )


def salesforce():
    leads, deals = table("salesforce", "Lead"), table("salesforce", "Opportunity")
    leads = leads[leads.IsDeleted == "false"]
    owner = dict(zip(leads.ConvertedOpportunityId, leads.Id, strict=True))
    outcome = deals.IsWon.map({"true": "won"}).fillna(
        deals.IsClosed.map({"true": "lost", "false": "open"})
    )
    deals = deals.assign(
        lead=deals.Id.map(owner),
        outcome=outcome,
        currency="EUR",
        amount=pd.to_numeric(deals.Amount, errors="coerce"),
    )
    deals["won"] = pd.to_datetime(
        deals.LastStageChangeDate.where(outcome == "won", "").replace("", None)
    )
    created = pd.to_datetime(leads.CreatedDate)
    return leads.assign(
        lead=leads.Id, created=created, qualified=leads.Status == "Working - Contacted"
    ), deals


def pipedrive():
    leads, deals = (
        table("pipedrive", name, sep=";", encoding="utf-8-sig") for name in ("persons", "deals")
    )
    amount = deals["Deal - Value"].str.replace(".", "").str.replace(",", ".").astype(float)
    deals = deals.assign(
        lead=deals["Person - ID"],
        outcome=deals["Deal - Status"].str.lower(),
        currency="EUR",
        amount=amount,
    )
    deals["won"] = at(deals["Deal - Won time"], "%d.%m.%Y %H:%M", "Europe/Berlin")
    created = at(leads["Person - Person created"], "%d.%m.%Y %H:%M", "Europe/Berlin")
    return leads.assign(lead=leads["Person - ID"], created=created, qualified=False), deals


TRUTH = {"hubspot": hubspot, "salesforce": salesforce, "pipedrive": pipedrive}
SHOP = {
    "page.csv": (
        "Id,Anon,Created\n"
        "1,a,2026-05-04T09:00:00Z\n"
        "2,b,2026-05-04T09:00:00Z\n"
        "3,b,2026-05-05T09:00:00Z\n"
    ),
    "lead.csv": (
        "Id,Email,Anon,Stage,Created\n"
        "1,weak@x.example,a,mql,2026-05-06T09:00:00Z\n"
        "2,odd@x.example,,odd,2026-05-06T09:00:00Z\n"
        "3,no mail,,mql,2026-05-06T09:00:00Z\n"
    ),
    "cost.csv": (
        "Day;Campaign;Cost\n"
        "04.05.2026;spring;1.234,50\n"
        "05.05.2026;spring;5,00\n"
        "05.05.2026;summer;1.900\n"
    ),
    "goal.csv": "Goal,Metric\n120,inflow\n5,nonsense\n",
}


def shop():
    """Return a mapping of page views by weak aliases, leads with an odd stage, costs and goals."""
    page = {
        **EVENT,
        "type": "touch",
        "id": "page:{Id}",
        "alias": "shop:anon:{Anon}",
        "fields": {"kind": {"value": "page_view"}},
    }
    lead = {**EVENT, "also": ["shop:anon:{Anon}"]}
    stage = {
        **EVENT,
        "type": "lead.stage_reported",
        "id": "s:{Id}",
        "fields": {"stage": {"column": "Stage"}},
    }
    cost = {
        "platform": {"value": "google"},
        "account": {"value": "1"},
        "currency": {"value": "EUR"},
        "campaign": {"column": "Campaign"},
        "amount": {"column": "Cost"},
        "day": {"column": "Day", "format": "%d.%m.%Y", "zone": "UTC"},
    }
    goal = {
        "metric": {"column": "Metric"},
        "value": {"column": "Goal"},
        "owner": {"value": "ann"},
        "start": {"value": "2026-05-01"},
        "end": {"value": "2026-05-31"},
        "strategy": {"value": "growth"},
    }
    document = spec(file="page.csv", events=[page])
    document["files"] += [
        {"file": "lead.csv", "key": "Id", "events": [lead, stage]},
        {"file": "cost.csv", "spend": [{"fields": cost}]},
        {"file": "goal.csv", "targets": [{"fields": goal}]},
    ]
    return document


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from streams.embedded.stack import Stack

    folder = tmp_path_factory.mktemp("import")
    mapping = write(
        folder / "shop", shop(), **{name.replace(".", "_"): text for name, text in SHOP.items()}
    )
    with Stack(folder / "home", "default") as stack:
        imported = {
            product: run_cli(
                "import",
                MAPPINGS / f"{product}.yaml",
                "--data",
                EXPORTS / product,
                "--json",
                home=stack.home,
            )[1]
            for product in TRUTH
        }
        imported["shop"] = run_cli(
            "import", mapping, "--data", mapping.parent, "--json", home=stack.home, check=False
        )
        yield stack.home, imported


@pytest.fixture(scope="module")
def client(home):
    from streams.connections import clickhouse_client
    from streams.embedded.home import read
    from streams.settings import Settings

    return clickhouse_client(Settings.of(read(home[0])["environment"]))


@pytest.mark.parametrize("product", TRUTH)
def test_every_row_of_an_export_is_accepted(home, product):
    imported, (leads, deals) = home[1][product], TRUTH[product]()
    assert (
        imported["read"]
        == imported["accepted"]
        == sum(len(path.read_text().splitlines()) - 1 for path in (EXPORTS / product).glob("*.csv"))
    )
    assert (imported["refused"], imported["rejected"], imported["reasons"]) == (0, [], [])
    assert imported["events"]["lead.created"] == len(leads)
    assert imported["events"]["opportunity.created"] == len(deals)


@pytest.mark.parametrize("product", TRUTH)
def test_leads_customers_and_revenue_of_an_export_equal_pandas(client, product):
    leads, deals = TRUTH[product]()
    reached = client.query(
        "SELECT to_stage, uniqExact(lead_id) FROM stage_transitions FINAL "
        "WHERE system = {s:String} AND is_deleted = 0 AND why != 'timer' GROUP BY to_stage",
        parameters={"s": product},
    )
    found = dict(reached.result_rows)
    won = deals[deals.outcome == "won"]
    assert found["inquiry"] == len(leads)
    assert found["customer"] == won.lead.nunique() == len(won)
    assert found["opportunity"] == deals.lead.nunique()
    sums = client.query(
        "SELECT d.currency, sum(d.amount), count() "
        "FROM (SELECT * FROM deals FINAL WHERE is_deleted = 0) AS d "
        "WHERE d.status = 'won' AND d.role = 'primary' AND startsWith(d.deal, {s:String}) "
        "GROUP BY d.currency",
        parameters={"s": f"{product}:"},
    )
    ours = {
        currency: (round(float(amount), 6), count) for currency, amount, count in sums.result_rows
    }
    assert ours == {
        currency: (round(group.amount.sum(), 6), len(group))
        for currency, group in won.groupby("currency")
    }


def everything():
    parts = []
    for product, load in TRUTH.items():
        leads, deals = load()
        won = deals[deals.outcome == "won"].drop_duplicates("lead")[["lead", "won"]]
        both = leads[["lead", "created", "qualified"]].merge(won, on="lead", how="left")
        both["dealt"] = both.lead.isin(deals.lead)
        both["days"] = (
            both.won.dt.tz_convert("UTC") - both.created.dt.tz_convert("UTC")
        ).dt.total_seconds() / 86_400
        parts.append(both.assign(product=product))
    return pd.concat(parts)


def test_the_kpis_over_all_three_equal_pandas(home):
    truth = everything()
    found = run_cli("kpis", "--json", home=home[0])[1]

    def value(kpi, basis, **dimensions):
        return next(
            one
            for one in found
            if one["kpi"] == kpi
            and one["basis"] == basis
            and dimensions.items() <= one["dimensions"].items()
        )

    shop_leads = 2
    assert value("inflow", "period", stage="inquiry")["value"] == len(truth) + shop_leads
    assert value("inflow", "period", stage="opportunity")["value"] == truth.dealt.sum()
    assert value("inflow", "period", stage="customer")["value"] == truth.won.notna().sum()
    assert value("cycle_time", "period")["n"] == truth.won.notna().sum()
    assert value("cycle_time", "period")["value"] == pytest.approx(truth.days.median(), abs=1e-6)


def test_an_import_again_changes_nothing_and_tells_the_same(home):
    before = {
        name: home[1]["hubspot"][name] for name in ("read", "accepted", "events", "ignored", "held")
    }
    again = run_cli(
        "import", MAPPINGS / "hubspot.yaml", "--data", EXPORTS / "hubspot", "--json", home=home[0]
    )[1]
    assert {name: again[name] for name in before} == before


def test_what_waits_what_was_ignored_and_what_was_refused_is_reported_by_reason(home):
    code, printed, error = home[1]["shop"]
    assert code == 1
    assert "3 of 11 rows were refused" in error.replace("\n", " ")
    assert (printed["read"], printed["accepted"], printed["refused"]) == (11, 8, 3)
    assert Counter(
        (one["file"], one["line"], one["column"]) for one in printed["rejected"]
    ) == Counter({("lead.csv", 4, "Email"): 1, ("cost.csv", 4, "Cost"): 1, ("goal.csv", 3, ""): 1})
    assert "'nonsense' is no KPI" in json.dumps(printed["reasons"])
    # a's page view is its lead's, b is nobody yet.
    assert (printed["weak"], printed["held"]) == (3, 2)
    assert [(one["what"], one["event"], one["stage"], one["n"]) for one in printed["ignored"]] == [
        ("unmapped", "lead.stage_reported", "odd", 1)
    ]


def test_spend_and_targets_of_a_file_stand_in_clickhouse(home, client):
    assert client.query(
        "SELECT toString(day), campaign, toFloat64(amount), currency FROM spend FINAL ORDER BY day"
    ).result_rows == [("2026-05-04", "spring", 1234.5, "EUR"), ("2026-05-05", "spring", 5.0, "EUR")]
    assert client.query(
        "SELECT metric, toFloat64(target), owner FROM targets FINAL"
    ).result_rows == [("inflow", 120.0, "ann")]


@pytest.mark.parametrize("tolerated", ["0.3", "30%"])
def test_a_share_of_refused_rows_may_be_tolerated(home, tolerated):
    mapping = home[0].parent / "shop" / "mapping.yaml"
    code, printed, _ = run_cli(
        "import",
        mapping,
        "--data",
        mapping.parent,
        "--tolerate",
        tolerated,
        "--json",
        home=home[0],
        check=False,
    )
    assert (code, printed["refused"]) == (0, 3)
