"""What people watch, as documents. Live page and API show only these, so they can't disagree."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from clickhouse_connect.driver.exceptions import OperationalError

from schemas.errors import LeadstreamError
from sinks.clickhouse import asking, generations, kpis
from sinks.clickhouse.catalogue import named
from sinks.clickhouse.rows import ACTIVE
from streams.connections import clickhouse_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schemas.funnel import Funnel
    from sinks.clickhouse.asking import Asked
    from streams.settings import Settings

FUNNEL_SECONDS = 5.0
PATIENCE = 10  # seconds until people learn that ClickHouse does not answer
# Errors of ClickHouse's state, not of the question: timeouts, load, memory, starting, read-only.
_TRANSIENT = {159, 160, 202, 203, 209, 210, 241, 242, 252, 319, 425, 439, 473, 999}
_SHUT_OUT = {81, 192, 193, 194, 516}  # no such database or user, or another password
# No such table, no right: of one question they are a fault, of what every page asks they are not.
_LACKING = {60, 497}
_CODE = re.compile(r"Code: (\d+)\b")
NO_ANSWER = (
    "ClickHouse does not answer: come back in a moment. If it lasts, whoever runs leadstream finds "
    "the reason with `leadstream doctor`"
)
NOT_SET_UP = (
    "ClickHouse answers, and has no tables for this page or does not let it in: whoever runs "
    "leadstream calls `leadstream migrate`, or mends LEADSTREAM_CLICKHOUSE_USER and its password"
)
# Acceptance in firms (kpis k110).
BENCHMARKS = {"worst": 0.05, "average": 0.23, "best": 0.47}


_Answer = TypeVar("_Answer")


class Away(LeadstreamError):  # noqa: N818 - it names the state; whoever asks may come back
    """ClickHouse does not answer, or not now. `move` says whose move it is, and names nobody."""

    def __init__(self, error: object = "", move: str = NO_ANSWER) -> None:
        super().__init__(str(error))
        self.move = move


def _move(error: Exception, *, first: bool) -> str:
    """Return whose move it is where a later try may succeed, else nothing.

    `first` is a question that comes before all others, so that none could be answered.
    """
    found = _CODE.search(str(error))
    if found is None:
        return NO_ANSWER if isinstance(error, (OSError, OperationalError)) else ""
    code = int(found[1])
    if code in _TRANSIENT:
        return NO_ANSWER
    return NOT_SET_UP if code in _SHUT_OUT or (first and code in _LACKING) else ""


class Figures:
    """Queries ClickHouse for people, by one client: made when needed, and again after a failure."""

    def __init__(
        self,
        settings: Settings,
        explain: Callable[[Any, str], dict[str, Any]],
        readable: Callable[[dict[str, Any], str], list[str]],
        find: Callable[[Any, str], list[str]] = lambda _client, _text: [],
    ) -> None:
        """Connect on the first query.

        `explain`, `readable` and `find` show and find a lead as the CLI does; without `find` nobody
        is found.
        """
        self.settings, self._explain, self._readable = settings, explain, readable
        self._find = find
        self._funnel: tuple[float, Funnel] | None = None
        self._client: Any = None
        self._connecting = threading.Lock()

    def _ask(self, question: Callable[[Any], _Answer], *, first: bool = False) -> _Answer:
        """Ask with the client; the next one gets another client after a failure.

        `first` is what every page asks before anything else.

        Raises:
            Away: ClickHouse does not answer.

        """
        client = None
        try:
            with self._connecting:
                client = self._client = self._client or clickhouse_client(self.settings, PATIENCE)
            return question(client)
        except Exception as error:
            if self._client is client:
                self._client = None
            if move := _move(error, first=first or client is None):
                raise Away(error, move) from error
            raise

    def rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        """Run a query; give its rows by column."""
        result = self._ask(lambda client: client.query(statement, parameters=parameters))
        return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    @property
    def funnel(self) -> Funnel:
        """The version in force in the shown generation, looked up again after a few seconds."""
        known = self._funnel
        if known is None or time.monotonic() - known[0] > FUNNEL_SECONDS:
            known = (
                time.monotonic(),
                self._ask(
                    lambda client: generations.in_force(client, self.settings.funnel), first=True
                ),
            )
            self._funnel = known
        return known[1]

    def kpis(
        self, asof: int | None = None, by: str = "", names: tuple[str, ...] = ()
    ) -> list[dict[str, Any]]:
        """Return the KPIs over all time, as of an instant (ms)."""
        moment = int(time.time() * 1000) if asof is None else asof
        asked = kpis.question(self.funnel, 0, moment + 1, moment, by)
        return self._ask(lambda client: kpis.ask(client, asked, names))

    def report(self, asked: Asked) -> dict[str, Any]:
        """Return the figures that somebody asks for: {period, before, figures} (asking.report).

        Raises:
            ValueError: a word that can't be read; the message has an example.

        """
        funnel = self.funnel
        return self._ask(lambda client: asking.report(client, funnel, asked))

    def behind(
        self,
        asked: Asked,
        name: str,
        dimensions: Mapping[str, Any],
        limit: int = 50,
        offset: int = 0,
    ) -> dict[str, Any]:
        """Return the leads behind a figure of a report: {total, leads} (kpis.behind).

        Raises:
            ValueError: a word that can't be read, or nobody knows the leads of that instant.

        """
        funnel, now = self.funnel, int(time.time() * 1000)
        if named(name).of_states and asking.read(funnel, asked, now).past:
            raise ValueError(kpis.PAST_NEEDS_ARCHIVE)
        return self._ask(
            lambda client: asking.behind(client, funnel, asked, name, dimensions, limit, offset)
        )

    def funnel_now(
        self, source: str = "", segment: str = "", owner: str = ""
    ) -> list[dict[str, Any]]:
        """Return entries and open leads by stage, in the funnel's order."""
        found = self.rows(
            "SELECT stage, sum(entered) AS entered, sum(standing) AS open FROM ("
            " SELECT to_stage AS stage, 1 AS entered, 0 AS standing, lead_id"
            " FROM v_stage_transitions WHERE test = 0"
            " UNION ALL SELECT stage, 0, 1, lead_id FROM v_lead_state WHERE test = 0"
            f") {_JOIN_STATE} GROUP BY stage",
            source=source, segment=segment, owner=owner,
        )  # fmt: skip
        order = list(self.funnel.stages)
        return sorted(
            found, key=lambda row: order.index(row["stage"]) if row["stage"] in order else 99
        )

    def flow(self) -> list[dict[str, Any]]:
        """Return the moves between stages."""
        return self.rows(
            "SELECT from_stage, to_stage, count() AS n FROM v_stage_transitions "
            "WHERE test = 0 AND from_stage != '' "
            "GROUP BY from_stage, to_stage ORDER BY n DESC LIMIT 40"
        )

    def health(self) -> dict[str, Any]:
        """Return how far time has come, and what has arrived."""
        watermark = self.rows(
            "SELECT min(t) AS watermark FROM "
            "(SELECT source_partition, max(toUnixTimestamp64Milli(now)) AS t FROM cuts "
            f"WHERE generation = {ACTIVE} GROUP BY source_partition)"
        )[0]["watermark"]
        counts = self.rows("SELECT count() AS leads FROM v_lead_state")[0]
        age = time.time() - watermark / 1000 if watermark else None
        return {"tick_age_seconds": age, "leads": counts["leads"]}

    def find(self, text: str) -> list[str]:
        """Return the ids of the leads that a text names, as audit.finding.find does.

        It may be an id or its first digits, an email, an alias, a CRM record's address or id.
        """
        return self._ask(lambda client: self._find(client, text))

    def knows(self, lead: str) -> bool:
        """Return whether the shown generation has a lead of this id."""
        return bool(
            self.rows(
                "SELECT count() AS n FROM v_lead_state WHERE lead_id = {lead:UUID}", lead=lead
            )[0]["n"]
        )

    def story(self, lead: str) -> dict[str, Any]:
        """Return one lead's story as `leadstream explain --json` does."""
        return self._ask(lambda client: self._explain(client, lead))

    def story_lines(self, lead: str) -> list[str]:
        """Return one lead's story as `leadstream explain` prints it."""
        return self._readable(self.story(lead), self.funnel.reporting.zone)


_JOIN_STATE = (
    "AS a INNER JOIN (SELECT lead_id FROM v_lead_state "
    "WHERE ({source:String} = '' OR source = {source:String}) "
    "AND ({segment:String} = '' OR segment = {segment:String}) "
    "AND ({owner:String} = '' OR owner = {owner:String})) AS b USING (lead_id)"
)
