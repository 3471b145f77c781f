"""Pipeline health: whether figures are whole and fresh, from Prometheus and from ClickHouse."""

from __future__ import annotations

from .panels import NONE_IS_GOOD, Panel
from .shown import table

UID, TITLE = "leadstream-pipeline", "Leads: pipeline health"
VARIABLES: tuple[str, ...] = ()
SLOW = (("green", None), ("yellow", 2.0), ("red", 10.0))
LATE = (("green", None), ("yellow", 60.0), ("red", 300.0))
LETTERS = """
SELECT received_at AS "Received", topic AS "Topic", worker AS "Worker", id AS "Letter"
FROM dead_letters FINAL
WHERE $__timeFilter(received_at)
ORDER BY "Received" DESC
LIMIT 200
"""
HOLES = """
SELECT accepted_at AS "Accepted", worker AS "Worker", topic AS "Topic", partition AS "Partition",
  following - first AS "Records"
FROM holes FINAL
WHERE $__timeFilter(accepted_at)
ORDER BY "Accepted" DESC
LIMIT 200
"""


def _rate(metric: str, by: str, *, count: bool = False) -> str:
    grouped = f"sum by ({by})" if by else "sum"
    return f"{grouped} ({'increase' if count else 'rate'}({metric}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    return (
        f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[$__rate_interval])))"
    )


ROWS: dict[str, tuple[Panel, ...]] = {
    "Alive": (
        Panel(
            "Which processes are down?",
            "stat",
            exprs=(('sum by (instance) (up{job="leadstream"})', "{{instance}}"),),
            note="1: Prometheus reaches it.",
            unit="none",
            steps=(("red", None), ("green", 1.0)),
            runbook="process-down",
        ),
        Panel(
            "How far is time in each worker behind the clock?",
            "timeseries",
            exprs=(("time() - min by (worker) (leadstream_partition_time_seconds)", "{{worker}}"),),
            note="Timers and clocks run by this time. It stands where a partition has no ticks.",
            unit="s",
            steps=LATE,
            runbook="time-stands",
        ),
        Panel(
            "How long has the ticker been silent?",
            "timeseries",
            exprs=(("max(leadstream_ticker_last_ack_seconds)", "ticker"),),
            note="Seconds since the most silent partition acknowledged a tick.",
            unit="s",
            steps=(("green", None), ("yellow", 10.0), ("red", 60.0)),
            runbook="time-stands",
        ),
        Panel(
            "Which checks of the installation fail?",
            "table",
            exprs=(("max by (check) (leadstream_check_failed) == 1", "{{check}}"),),
            note="What `leadstream doctor` would complain of.",
            steps=NONE_IS_GOOD,
            runbook="topics-differ",
        ),
    ),
    "Fresh": (
        Panel(
            "How long does an event take from its receipt to ClickHouse?",
            "timeseries",
            exprs=(
                (_quantile(0.5, "leadstream_receipt_to_clickhouse_seconds"), "median"),
                (_quantile(0.99, "leadstream_receipt_to_clickhouse_seconds"), "99%"),
            ),
            note="Of live events, from the gateway's stamp to the row.",
            unit="s",
            steps=SLOW,
            lines=True,
            runbook="time-stands",
        ),
        Panel(
            "How many records does each worker read a second?",
            "timeseries",
            exprs=((_rate('leadstream_records_total{what="read"}', "worker"), "{{worker}}"),),
            note="The rate of records read.",
            unit="cps",
        ),
        Panel(
            "How many rows does the sink write a second?",
            "timeseries",
            exprs=((_rate("leadstream_sink_rows_total", "table"), "{{table}}"),),
            note="Rows written to ClickHouse, by table.",
            unit="cps",
        ),
        Panel(
            "How long does a write take, and how often is it sent again?",
            "timeseries",
            exprs=(
                (_quantile(0.99, "leadstream_sink_write_seconds"), "99% of writes (seconds)"),
                (_rate("leadstream_sink_retries_total", ""), "sent again (a second)"),
            ),
            note="ClickHouse away or slow: the sink waits and catches up.",
            steps=SLOW,
        ),
    ),
    "Whole": (
        Panel(
            "What was late, repeated or refused?",
            "table",
            table("events", {"Share": "value", "Of them": "numerator", "All": "denominator"}),
            steps=(("green", None), ("yellow", 0.05), ("red", 0.2)),
            units={"Of them": "short", "All": "short"},
            runbook="dead-letters",
        ),
        Panel(
            "How many bodies became dead letters?",
            "timeseries",
            exprs=(
                (
                    _rate("leadstream_dead_letters_total", "worker, source", count=True),
                    "{{worker}} {{source}}",
                ),
            ),
            note="By the worker that could not read them, and their source.",
            unit="short",
            steps=NONE_IS_GOOD,
            bars=True,
            runbook="dead-letters",
        ),
        Panel(
            "Which bodies could not be read?",
            "table",
            sql=LETTERS,
            note="The last 200 of the period. `leadstream deadletters` says why and replays them.",
            runbook="dead-letters",
        ),
        Panel(
            "Which records were lost, and accepted as lost?",
            "table",
            sql=HOLES,
            note="Figures lack what stood there.",
            steps=NONE_IS_GOOD,
            runbook="holes",
        ),
        Panel(
            "Which sources are parked?",
            "table",
            exprs=(
                ("max by (source, topic) (leadstream_source_parked) == 1", "{{source}} {{topic}}"),
            ),
            note="A parked source's bodies wait until somebody resumes it.",
            steps=NONE_IS_GOOD,
            runbook="source-parked",
        ),
        Panel(
            "Whose bodies changed their shape?",
            "timeseries",
            exprs=(
                (
                    _rate("leadstream_schema_drift_total", "source, change", count=True),
                    "{{source}} {{change}}",
                ),
            ),
            note="A new field, one that vanished, a new value of a field of few.",
            bars=True,
            runbook="schema-drift",
        ),
        Panel(
            "How does the gateway answer?",
            "timeseries",
            exprs=(
                (
                    _rate("leadstream_gateway_bodies_total", "source, status"),
                    "{{source}} {{status}}",
                ),
                (
                    _rate("leadstream_gateway_turned_away_total", "reason"),
                    "turned away: {{reason}}",
                ),
            ),
            note="Bodies a second, by source and answer.",
            unit="cps",
        ),
        Panel(
            "How many links wait for a decision?",
            "stat",
            exprs=(("max(leadstream_identity_conflicts)", "conflicts"),),
            note="Links that would join what may not be joined.",
            steps=NONE_IS_GOOD,
            runbook="identity-conflicts",
        ),
    ),
}
