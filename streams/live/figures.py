"""What people watch, as documents: the live page and the API show these and nothing else, so they can't disagree."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sinks.clickhouse import generations, kpis
from sinks.clickhouse.rows import ACTIVE
from sinks.clickhouse.writer import connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.funnel import Funnel
    from streams.settings import Settings

FUNNEL_SECONDS = 5.0
PATIENCE = 10  # seconds until people are told that ClickHouse does not answer
BENCHMARKS = {"worst": 0.05, "average": 0.23, "best": 0.47}  # acceptance in firms (1-product, why it exists)


class Figures:
    """Asks ClickHouse on behalf of people. One client, made when first needed, again after a failure."""

    def __init__(
        self, settings: Settings, explain: Callable[[Any, str], dict[str, Any]], readable: Callable[[dict[str, Any], str], list[str]]
    ) -> None:
        """Connect when first asked. `explain` and `readable` tell one lead: the same on the page as on the command line."""
        self.settings, self._explain, self._readable = settings, explain, readable
        self._funnel: tuple[float, Funnel] | None = None
        self._client: Any = None

    def rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a query; give its rows by column."""
        try:
            if self._client is None:
                self._client = connect(self.settings, PATIENCE)
            result = self._client.query(statement, parameters=parameters)
        except Exception:
            self._client = None
            raise
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    @property
    def funnel(self) -> Funnel:
        """The version in force in the shown generation; looked up again after a few seconds, since either may change."""
        if self._funnel is None or time.monotonic() - self._funnel[0] > FUNNEL_SECONDS:
            self.rows("SELECT 1")
            self._funnel = (time.monotonic(), generations.in_force(self._client, self.settings.funnel))
        return self._funnel[1]

    def kpis(self, asof: int | None = None, by: str = "", names: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Give the KPIs over all time, as of an instant (ms)."""
        moment = asof or int(time.time() * 1000)
        asked = kpis.question(self.funnel, 0, moment + 1, moment, by)
        self.rows("SELECT 1")
        return kpis.ask(self._client, asked, names)

    def funnel_now(self, source: str = "", segment: str = "", owner: str = "") -> list[dict[str, Any]]:
        """Give entries and open leads by stage, in the funnel's order."""
        found = self.rows(
            "SELECT stage, sum(entered) AS entered, sum(standing) AS open FROM ("
            " SELECT to_stage AS stage, 1 AS entered, 0 AS standing, lead_id FROM v_stage_transitions WHERE test = 0"
            " UNION ALL SELECT stage, 0, 1, lead_id FROM v_lead_state WHERE test = 0"
            f") {_JOIN_STATE} GROUP BY stage",
            source=source, segment=segment, owner=owner,
        )  # fmt: skip
        order = list(self.funnel.stages)
        return sorted(found, key=lambda row: order.index(row["stage"]) if row["stage"] in order else 99)

    def flow(self) -> list[dict[str, Any]]:
        """Give the moves between stages."""
        return self.rows(
            "SELECT from_stage, to_stage, count() AS n FROM v_stage_transitions WHERE test = 0 AND from_stage != '' "
            "GROUP BY from_stage, to_stage ORDER BY n DESC LIMIT 40"
        )

    def stalled(self, limit: int = 50) -> list[dict[str, Any]]:
        """Give the leads past a service level of the stage they stand in, the longest due first."""
        return self.rows(
            "SELECT toString(c.lead_id) AS lead, c.stage AS stage, c.clock AS clock, c.status AS status, s.owner AS owner, "
            "s.record_url AS record_url, c.due_at AS due_at, c.start AS since FROM "
            "(SELECT *, event_time AS start FROM v_clocks WHERE test = 0 AND stopped_at IS NULL "
            "AND status IN ('breached', 'escalated')) AS c "
            "INNER JOIN v_lead_state AS s ON s.lead_id = c.lead_id AND s.stage = c.stage AND s.journey = c.journey "
            "ORDER BY due_at LIMIT {limit:UInt32}",
            limit=limit,
        )

    def about_to_breach(self, limit: int = 20) -> list[dict[str, Any]]:
        """Give the clocks that were warned and run."""
        return self.rows(
            "SELECT toString(lead_id) AS lead, stage, clock, due_at FROM v_clocks WHERE test = 0 AND status = 'warned' "
            "AND stopped_at IS NULL ORDER BY due_at LIMIT {limit:UInt32}",
            limit=limit,
        )

    def feed(self, limit: int = 15) -> list[dict[str, Any]]:
        """Give the last transitions."""
        return self.rows(
            "SELECT toString(lead_id) AS lead, from_stage, to_stage, why, event_time FROM v_stage_transitions WHERE test = 0 "
            "ORDER BY event_time DESC LIMIT {limit:UInt32}",
            limit=limit,
        )

    def inflow(self) -> list[dict[str, Any]]:
        """Give new journeys by day of the reporting zone and source."""
        return self.rows(
            "SELECT toString(day) AS day, if(source = '', 'unattributed', source) AS source, toUInt64(sum(n)) AS n FROM v_funnel_daily "
            "WHERE to_stage = 'inquiry' GROUP BY day, source ORDER BY day",
        )

    def health(self) -> dict[str, Any]:
        """Give how far time has come, and what has arrived."""
        told = self.rows(
            "SELECT min(t) AS told FROM (SELECT source_partition, max(toUnixTimestamp64Milli(now)) AS t FROM cuts "
            f"WHERE generation = {ACTIVE} GROUP BY source_partition)"
        )[0]["told"]
        counts = self.rows("SELECT count() AS leads FROM v_lead_state")[0]
        age = time.time() - told / 1000 if told else None
        return {"tick_age_seconds": age, "leads": counts["leads"]}

    def story(self, lead: str) -> dict[str, Any]:
        """Give one lead's story as `leadstream explain --json` does."""
        self.rows("SELECT 1")
        return self._explain(self._client, lead)

    def told(self, lead: str) -> list[str]:
        """Give one lead's story as `leadstream explain` prints it."""
        return self._readable(self.story(lead), self.funnel.reporting.zone)



_JOIN_STATE = (
    "AS a INNER JOIN (SELECT lead_id FROM v_lead_state WHERE ({source:String} = '' OR source = {source:String}) "
    "AND ({segment:String} = '' OR segment = {segment:String}) AND ({owner:String} = '' OR owner = {owner:String})) AS b USING (lead_id)"
)
