"""The dashboard as code: `python deploy/grafana/build.py` writes dashboards/funnel.json."""

from __future__ import annotations

import sys
from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

TARGET = Path(__file__).parent / "dashboards" / "funnel.json"
CLICKHOUSE = DataSourceRef(type_val="grafana-clickhouse-datasource", uid="leadstream")

INFLOW = """
SELECT
  $__timeInterval(event_time) AS time,
  if(s.title = '', to_stage, s.title) AS entered,
  count() AS n
FROM v_stage_transitions
LEFT JOIN v_stages AS s ON s.stage = to_stage
WHERE $__timeFilter(event_time) AND opening = 0 AND test = 0
GROUP BY time, entered
ORDER BY time, entered
"""
OPEN = """
SELECT
  if(s.title = '', l.stage, s.title) AS stands,
  count() AS open
FROM v_lead_state AS l
LEFT JOIN v_stages AS s ON s.stage = l.stage
WHERE l.test = 0
GROUP BY stands
ORDER BY open DESC
"""
ACCEPTANCE = """
SELECT
  if(s.title = '', h.stage, s.title) AS handoff,
  countIf(outcome = 'accepted') / count() AS accepted,
  countIf(outcome = 'rejected') / count() AS rejected,
  countIf(outcome = 'timed_out') / count() AS timed_out
FROM v_handoffs AS h
LEFT JOIN v_stages AS s ON s.stage = h.stage
WHERE $__timeFilter(event_time) AND test = 0
GROUP BY handoff
ORDER BY handoff
"""
STALLED = """
SELECT
  if(n.title = '', c.stage, n.title) AS stands,
  c.clock AS clock,
  s.owner AS owner,
  if(match(s.record_url, '^https?://[^/@]+'), s.record_url, '') AS record,
  c.due_at AS due
FROM v_clocks AS c
INNER JOIN v_lead_state AS s
  ON s.lead_id = c.lead_id AND s.stage = c.stage AND s.journey = c.journey
LEFT JOIN v_stages AS n ON n.stage = c.stage
WHERE c.test = 0 AND c.stopped_at IS NULL AND c.status IN ('breached', 'escalated')
ORDER BY due
LIMIT 100
"""
SERVICE_LEVELS = """
SELECT
  concat(if(s.title = '', c.stage, s.title), ': ', clock) AS clock,
  countIf(status = 'met') / countIf(status IN ('met', 'breached', 'escalated')) AS attainment,
  count() AS n
FROM v_clocks AS c
LEFT JOIN v_stages AS s ON s.stage = c.stage
WHERE $__timeFilter(due_at) AND test = 0 AND restarting = 0
GROUP BY clock
ORDER BY clock
"""
DISAGREEMENTS = """
SELECT
  $__timeInterval(event_time) AS time,
  if(gate = 1, 'the gate said yes', 'the CRM said yes') AS who,
  count() AS n
FROM v_disagreements
WHERE $__timeFilter(event_time)
GROUP BY time, who
ORDER BY time, who
"""
REFUSED = """
SELECT
  received_at,
  topic,
  worker,
  id
FROM dead_letters FINAL
WHERE $__timeFilter(received_at)
ORDER BY received_at DESC
LIMIT 100
"""
PANELS = {
    "Entries by stage": INFLOW,
    "Open now": OPEN,
    "Hand-offs": ACCEPTANCE,
    "Stalled leads": STALLED,
    "Service levels": SERVICE_LEVELS,
    "Gate and CRM disagree": DISAGREEMENTS,
    "What could not be read": REFUSED,
}


class _Query:
    """A query in the ClickHouse plugin's own shape, which the SDK does not know."""

    def __init__(self, sql: str, kind: str) -> None:
        self.sql, self.kind = sql, kind

    def build(self) -> _Query:
        return self

    def to_json(self) -> dict[str, object]:
        return {
            "refId": "A",
            "datasource": CLICKHOUSE,
            "editorType": "sql",
            "rawSql": self.sql.strip(),
            "queryType": self.kind,
            "format": 1,
        }


def build() -> str:
    """Return the dashboard's JSON."""
    board = (
        Dashboard("Leads: the funnel, live")
        .uid("leadstream-funnel")
        .tags(["leadstream"])
        .refresh("10s")
        .time("now-30d", "now")
    )
    shapes = {
        "Entries by stage": Timeseries,
        "Hand-offs": Stat,
        "Gate and CRM disagree": Timeseries,
    }
    board = board.with_row(Row("Funnel"))
    for title, sql in PANELS.items():
        kind = "timeseries" if shapes.get(title) is Timeseries else "table"
        panel = (
            shapes.get(title, Table)()
            .title(title)
            .datasource(CLICKHOUSE)
            .with_target(_Query(sql, kind))
            .height(8)
            .span(12)
        )
        board = board.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


if __name__ == "__main__":
    TARGET.write_text(build())
    sys.stdout.write(f"wrote {TARGET}\n")
