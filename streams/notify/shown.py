"""What the notifier asks ClickHouse: the shown generation, usual delays, records' addresses.

Answers are kept for a while, and the last one holds while ClickHouse is away: a stalled lead is not
kept from people because a server of figures is down.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from sinks.clickhouse import generations
from sinks.clickhouse.files import statement
from streams.connections import clickhouse_client

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.settings import Settings

PATIENCE = 5  # seconds for an answer
GENERATION_SECONDS, DELAYS_SECONDS = 5.0, 600.0
LEAST = 20  # events of a source in a week, below which its delay is anybody's guess
_DELAYS = statement(__file__, "shown_delays")
_RECORDS = statement(__file__, "shown_records")

log = logging.getLogger("leadstream.notifier")


class Reader:
    """Asks ClickHouse; an unanswered question leaves the last answer."""

    def __init__(self, settings: Settings, generation: int) -> None:
        """Begin with the generation that was shown last."""
        self._settings, self._client = settings, None
        self._asking = threading.Lock()
        self.generation, self.delays, self.away = generation, dict[str, int](), ""
        self._asked = {"generation": -GENERATION_SECONDS, "delays": -DELAYS_SECONDS}

    def refresh(self) -> None:
        """Ask again what is old."""
        if self._due("generation", GENERATION_SECONDS):
            self._ask(self._read_generation)
        if not self.away and self._due("delays", DELAYS_SECONDS):
            self._ask(self._read_delays)

    def records(self, leads: Sequence[str]) -> dict[str, str]:
        """Return the CRM's addresses of leads; without an answer none."""
        found: dict[str, str] = {}

        def read(client: Any) -> None:
            rows = client.query(_RECORDS, parameters={"leads": list(leads)}).result_rows
            found.update(dict(rows))

        if leads and not self.away:
            self._ask(read)
        return found

    def _due(self, what: str, seconds: float) -> bool:
        now = time.monotonic()
        if now - self._asked[what] < seconds:
            return False
        self._asked[what] = now
        return True

    def _read_generation(self, client: Any) -> None:
        self.generation = generations.active(client)

    def _read_delays(self, client: Any) -> None:
        rows = client.query(_DELAYS, parameters={"least": LEAST}).result_rows
        self.delays = {str(source): max(0, int(usual)) for source, usual in rows}

    def _ask(self, question: Any) -> None:
        try:
            with self._asking:
                self._client = self._client or clickhouse_client(self._settings, PATIENCE)
                question(self._client)
        except Exception as error:  # noqa: BLE001 - whatever it was, the last answer holds
            if not self.away:
                log.warning("ClickHouse does not answer, the last answers hold: %s", error)
            self._client, self.away = None, f"ClickHouse does not answer ({type(error).__name__})"
        else:
            self.away = ""
