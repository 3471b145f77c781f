"""A firm that calls its stages otherwise has the same figures under its own names."""

from schemas.funnel import Funnel
from sinks.clickhouse import kpis
from sinks.clickhouse.migrate import apply
from sinks.clickhouse.rows import OLDER, ORDER
from tests.integration.firm import FUNNEL, NOT_READY, OURS, SPAM, TEST, E, Firm, deal
from tests.support.naming import back, funnel_named
from tests.support.stories import DAY, MQL, T0

NAMES = {
    "inquiry": "問い合わせ", "nurturing": "育成中", "mql": "有望", "sal": "demo_booked",
    "sql": "демо", "opportunity": "商談", "customer": "closed_won", "evangelist": "推薦者",
    "recycled": "再育成", "inactive": "休眠", "lost": "失注", "disqualified": "対象外",
    "churned": "解約",
}  # fmt: skip
HUMAN = {"kind": "call", "direction": "human"}


def live(firm):
    """Let leads of every kind live in the firm."""
    firm.lead((0, E.CREATED, OURS))
    firm.lead(
        (0, E.CREATED, OURS), (2, E.TOUCH, HUMAN), (3, E.STAGE_REPORTED, MQL), (4, E.ACCEPTED, {})
    )
    firm.lead(
        (0, E.CREATED, {"kind": "demo_form"}),
        (1, E.ACCEPTED, {}),
        (2, E.OPPORTUNITY_CREATED, deal("d1", "100", "EUR")),
        (9, E.OPPORTUNITY_WON, deal("d1", "100", "EUR")),
    )
    firm.lead(
        (0, E.STAGE_REPORTED, MQL),
        (1, E.REJECTED, NOT_READY),
        (20, E.STAGE_REPORTED, MQL),
        (21, E.ACCEPTED, {}),
    )
    firm.lead((0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, SPAM))
    firm.lead((0, E.STAGE_REPORTED, MQL))  # nobody decides
    firm.lead(
        (0, E.OPPORTUNITY_CREATED, deal("d2", "50", "EUR")), (5, E.OPPORTUNITY_LOST, deal("d2"))
    )
    firm.lead((0, E.CREATED, {**TEST, "kind": "demo_form"}))
    firm.lead((1, E.OPPORTUNITY_WON, deal("d3", "70", "USD")))
    firm.rate("USD", "2026-01-01", "0.9")
    firm.spend("120.00", campaign="spring")


def figures(firm, names):
    found = kpis.ask(
        firm.client, kpis.question(firm.funnel, T0 - DAY, T0 + 100 * DAY, T0 + 100 * DAY)
    )
    return sorted(
        (
            one["kpi"],
            one["basis"],
            sorted(back(one["dimensions"], names).items()),
            *(one[name] for name in ("value", "numerator", "denominator", "n")),
        )
        for one in found
    )


def test_every_figure_is_the_same_under_the_firms_own_names(emptied, engine):
    live(default := Firm(emptied, engine))
    ours = figures(default, {name: name for name in NAMES})
    for table in ORDER:
        emptied.command(f"TRUNCATE TABLE {table}")
    renamed = Funnel.model_validate(funnel_named(FUNNEL, NAMES).model_dump(mode="json"))
    live(other := Firm(emptied, engine, renamed))
    assert figures(other, {new: old for old, new in NAMES.items()}) == ours
    assert len({kpi for kpi, *_ in ours}) > 20


def test_a_journeys_table_of_an_older_release_keeps_when_its_stages_were_entered(emptied):
    expression = OLDER["journeys", "entered"]
    stages = (
        "inquiry",
        "mql",
        "sal",
        "sql",
        "opportunity",
        "customer",
        "lost",
        "recycled",
        "disqualified",
    )
    known = {"inquiry": "'2026-01-05 08:00:00'", "sal": "'2026-01-07 08:00:00.5'"}
    columns = ", ".join(
        f"CAST({known.get(stage, 'NULL')} AS Nullable(DateTime64(3, 'UTC'))) AS {stage}_at"
        for stage in stages
    )
    found = emptied.query(f"SELECT toJSONString({expression}) FROM (SELECT {columns})").first_row[0]
    assert found == '{"inquiry":"2026-01-05 08:00:00.000","sal":"2026-01-07 08:00:00.500"}'


def test_a_column_that_a_table_lacks_is_added_by_the_migration(emptied, engine):
    emptied.command("ALTER TABLE journeys DROP COLUMN negative")
    apply(emptied, engine.clickhouse_database, "default")
    assert "negative" in emptied.query("SELECT * FROM v_journeys LIMIT 0").column_names
