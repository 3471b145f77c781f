"""Where leads stood at a past instant: the archive folded up to it, into a database of its own.

What had happened by then, as it is known now. Facts keep their time, so ClickHouse answers most
figures of a past instant itself; where a lead stands, and which of its clocks run, it knows of now
only.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from schemas.events import EventType
from sinks.clickhouse import generations
from streams.connections import clickhouse_client

from . import archive
from .candidate import fill, scratch

if TYPE_CHECKING:
    from types import TracebackType

    from streams.settings import Settings


class Worlds:
    """Databases of past instants, made when asked for and dropped at the end."""

    def __init__(self, settings: Settings, client: Any) -> None:
        """Take a client of the installation's database."""
        self._settings, self._client = settings, client
        self._open = ExitStack()
        self._known: dict[int, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def at(self, asof: int) -> Any:
        """Return a client of a database in which all stands as it stood at an instant (ms).

        Raises:
            NotFolded: nothing was folded yet.

        """
        if asof not in self._known:
            self._known[asof] = self._fold(asof)
        return self._known[asof]

    def _fold(self, asof: int) -> Any:
        generation = generations.active(self._client)
        cuts = archive.folded(self._client, generation)
        definitions = archive.definitions_of(self._client, generation)
        known = archive.components(archive.read(self._client, cuts))
        then = [one._replace(events=_until(one.events, asof)) for one in known]
        own = self._open.enter_context(
            scratch(self._settings, self._client, definitions.at(asof).funnel)
        )
        fill(own, self._client, then, definitions, asof)
        return clickhouse_client(own)


def _until(events: frozenset[Any], asof: int) -> frozenset[Any]:
    """Return the events that had happened; a void of one that had is known now."""
    return frozenset(one for one in events if one.at <= asof or one.type == EventType.VOID)
