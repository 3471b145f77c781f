"""One lead's story: whole, or made of its facts where the page's user may not read the archive.

A page may read as a user who sees figures and no contents of events (grants.py: a reader is no
teller). Whose move it is, how late, and every move are facts; what is missing is what was typed and
clicked.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from clickhouse_connect.driver.exceptions import DatabaseError

from sinks.clickhouse.rows import TABLES, TIME, WHEN

from .lists import aware

if TYPE_CHECKING:
    from schemas.funnel import Funnel

    from .figures import Figures

_DENIED = "Code: 497"
_RUNS = ("open", "warned", "breached", "escalated")


def story(figures: Figures, lead: str) -> dict[str, Any]:
    """Return a lead's story as explain.story does; `partial` says that events are left out."""
    try:
        return {**figures.story(lead), "partial": False}
    except DatabaseError as error:
        if _DENIED not in str(error):
            raise
    (now,) = figures.rows("SELECT * FROM v_lead_state WHERE lead_id = {lead:UUID}", lead=lead)
    facts = [
        _fact(kind, row)
        for kind, (table, _) in TABLES.items()
        for row in figures.rows(
            f"SELECT * FROM v_{table} WHERE lead_id = {{lead:UUID}} "
            "ORDER BY event_time DESC LIMIT 500",
            lead=lead,
        )
    ]
    return of_facts(lead, now, facts, figures.funnel)


def of_facts(
    lead: str, now: dict[str, Any], facts: list[dict[str, Any]], funnel: Funnel
) -> dict[str, Any]:
    """Make a story of a lead's state and its facts. Pure."""
    running = [
        {"clock": f"{one['stage']}.{one['clock']}", "due_at": one["due_at"]}
        for one in facts
        if one["kind"] == "clock"
        and one["status"] in _RUNS
        and one["stopped_at"] is None
        and one["cancelled_at"] is None
        and (one["stage"], one["journey"]) == (now["stage"], now["journey"])
    ]
    return {
        "lead": lead,
        "now": now,
        "definitions": [],
        "events": [],
        "facts": facts,
        "restated": [],
        "ladder": list(funnel.ladder),
        "outlook": {"running": running},
        "partial": True,
    }


def _fact(kind: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of a fact's table as explain shows the fact: times within it are ms."""
    found: dict[str, Any] = {
        column.key or column.name: _ms(row[column.name])
        if column.type in (TIME, WHEN)
        else row[column.name]
        for column in TABLES[kind][1]
    }
    if "rules" in found:
        found["rules"] = orjson.loads(found["rules"] or b"[]")
    head = {"kind": kind, "journey": row["journey"], "revision": row["revision"]}
    return {**found, **head, "event_time": aware(row["event_time"])}


def _ms(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() * 1000)
