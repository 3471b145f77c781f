"""What needs a person's decision about who is who.

Conflicts, aliases that many leads share, aliases that crowd a row, and events that count twice.
"""

from __future__ import annotations

from typing import Any

from schemas import addresses
from sinks.clickhouse.files import statement
from streams.domain.alias_row import SHARED_LEADS
from streams.domain.book import HEAD

_CONFLICTS = statement(__file__, "identities_conflicts")
_LEADS = statement(__file__, "identities_leads")
_SHARED = statement(__file__, "identities_shared")
_CROWDED = statement(__file__, "identities_crowded")
_TWINS = statement(__file__, "identities_twins")


def unsettled(client: Any) -> dict[str, list[dict[str, Any]]]:
    """Return {conflicts, shared, crowded, twins}, each a list.

    Of a conflict since when (UTC), and both sides: identity, lead and record. Of an alias its kind
    and id, and for a shared one how many leads it leads to. Of an event its leads.
    """
    conflicts = _rows(client, _CONFLICTS)
    found = leads_and_records(client, sorted({one[end] for one in conflicts for end in ("a", "b")}))
    return {
        "conflicts": [
            {"since": one["since"], "identities": [found[one["a"]], found[one["b"]]]}
            for one in conflicts
        ],
        "shared": _rows(client, _SHARED),
        "crowded": _rows(client, _CROWDED),
        "twins": _rows(client, _TWINS),
    }


def leads_and_records(client: Any, origins: list[str]) -> dict[str, dict[str, str]]:
    """Return {origin, lead, record} by identity; lead and record are "" where none is known."""
    rows = _rows(client, _LEADS, o=origins) if origins else []
    return {row["origin"]: {**row, "record": addresses.web(row["record"])} for row in rows}


def name(side: dict[str, str]) -> str:
    """Return how people are shown one side of a conflict."""
    lead = f"lead {side['lead']}" if side["lead"] else f"identity {side['origin']}"
    return f"{lead} ({side['record']})" if side["record"] else lead


def shared(one: dict[str, Any]) -> str:
    """Return what there is to do about a shared alias; its text is personal data, its id is not."""
    alias = f"{one['kind']} {one['alias']}"
    if one["full"]:
        return (
            f"{alias} leads to {SHARED_LEADS} and more, and joins no more of them: "
            "set LEADSTREAM_IGNORED_ALIASES"
        )
    return f"{alias} was seen with {one['leads']} leads; its events go to the first"


def crowded(one: dict[str, Any]) -> str:
    """Return what there is to do about an alias that too many others were named with."""
    return (
        f"{one['kind']} {one['alias']} was named with more than {HEAD} others: "
        "look at who sends it, or set LEADSTREAM_IGNORED_ALIASES"
    )


def _rows(client: Any, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    found = client.query(statement, parameters=parameters)
    return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
