"""The archive folded under a candidate definition, into a database of its own.

The same SQL asks for the figures of both. As many processes fold as there are cores; each writes
the facts of its share of the leads.
"""

from __future__ import annotations

import os
import secrets
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from math import ceil
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas.facts import Change
from sinks.clickhouse import migrate
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.rows import ORDER
from sinks.clickhouse.writer import insert
from streams.connections import clickhouse_client

from .backtest import Fired, count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from schemas.funnel import Funnel
    from streams.domain.definition import Definitions
    from streams.domain.journey import Folded
    from streams.settings import Settings

    from .archive import Component

_ROWS = 20_000
# Components a share: more, and a process holds too much; fewer, and inserts make too many parts.
_MOST = 10_000
_ABANDONED_SECONDS = 6 * 3600  # no preview takes so long
_COPIED = ("spend", "targets", "rates", "surveys")  # what no definition decides


class Share(NamedTuple):
    """What some components folded to: leads, the events read for them, alerts of the backtest."""

    leads: int
    events: int
    fired: Fired


@contextmanager
def scratch(settings: Settings, client: Any, funnel: Funnel) -> Iterator[Settings]:
    """Make a database beside the installation's; drop it afterwards, and those of killed previews.

    Yields settings that name it.
    """
    mark = f"{settings.clickhouse_database}_preview_"
    known = "SELECT name FROM system.databases WHERE startsWith(name, {m:String})"
    for (left,) in client.query(known, parameters={"m": mark}).result_rows:
        if int(left.removeprefix(mark).partition("_")[0]) < time.time() - _ABANDONED_SECONDS:
            client.command(f"DROP DATABASE IF EXISTS {left}")
    # one process may have several in one second: of several instants
    name = f"{mark}{int(time.time())}_{os.getpid()}_{secrets.token_hex(4)}"
    client.command(f"CREATE DATABASE IF NOT EXISTS {name}")
    try:
        own = settings.model_copy(update={"clickhouse_database": name})
        migrate.apply(clickhouse_client(own), name, funnel.funnel)
        yield own
    finally:
        client.command(f"DROP DATABASE IF EXISTS {name}")


def fill(
    settings: Settings,
    client: Any,
    components: Sequence[Component],
    candidate: Definitions,
    asof: int,
) -> Share:
    """Fold all components up to `asof` (ms), write their facts, copy what no definition decides.

    `settings` name the candidate's database; `client` is on the installation's.
    """
    there = {name for (name,) in client.query("SHOW TABLES").result_rows}
    for table in there.intersection(_COPIED):
        client.command(f"INSERT INTO {settings.clickhouse_database}.{table} SELECT * FROM {table}")
    cores = os.cpu_count() or 1
    size = min(_MOST, ceil(len(components) / cores)) or 1
    shares = [components[start : start + size] for start in range(0, len(components), size)]
    # Started anew, not forked: a fork of a process that other libraries gave threads may hang.
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        done = list(pool.map(partial(_write, settings, candidate, asof), shares))
    fired = Fired()
    for share in done:
        fired.update(share.fired)
    return Share(sum(share.leads for share in done), sum(share.events for share in done), fired)


def _write(
    settings: Settings, candidate: Definitions, asof: int, components: Sequence[Component]
) -> Share:
    batch, leads, fired = Batch(), 0, Fired()
    for component in components:
        for lead in component.leads():
            folded = component.fold(lead, candidate, asof)
            if folded.state:
                leads += 1
                # += would look through all counts at each lead
                fired.update(count(folded.facts.values(), candidate, asof))
                _add(batch, lead, folded)
    _insert(clickhouse_client(settings), batch)
    return Share(leads, sum(len(component.events) for component in components), fired)


def _add(batch: Batch, lead: str, folded: Folded) -> None:
    common = {"lead": lead, "generation": 1, "partition": 0, "offset": 0, "revision": 1}
    for fact in folded.facts.values():
        change = Change(fact.id, fact.kind, fact.journey, fact.at, 1, fact.content)
        batch.fact({**common, **change._asdict()})
    batch.state({**common, "content": orjson.dumps(folded.state).decode()})


def _insert(client: Any, batch: Batch) -> None:
    for table in ORDER:
        rows = batch.rows.get(table, ()) if table != "fact_revisions" else ()
        for start in range(0, len(rows), _ROWS):
            insert(client, table, rows[start : start + _ROWS])
