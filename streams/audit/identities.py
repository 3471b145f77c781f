"""What needs somebody's word about who is who: conflicts, aliases that many share, events that count in two leads."""

from __future__ import annotations

from typing import Any

from schemas import addresses
from streams.domain.alias_row import SHARED_LEADS
from streams.domain.book import HEAD

_CONFLICTS = (
    "SELECT a, b, min(event_time) AS since FROM v_conflicts GROUP BY a, b ORDER BY since, a, b"
)
# Of each origin the lead that it is of and the newest address of a CRM record: what a person opens to decide. An origin that only
# links were said of has no lead yet.
_LEADS_AND_RECORDS = """
SELECT
  o.origin AS origin,
  s.lead AS lead,
  if(s.record_url != '', s.record_url, t.record) AS record
FROM (SELECT arrayJoin({o:Array(String)}) AS origin) AS o
LEFT JOIN (SELECT toString(lead_id) AS lead, record_url, arrayJoin(origins) AS origin FROM v_lead_state) AS s ON s.origin = o.origin
LEFT JOIN (
  SELECT
    origin,
    argMaxIf(JSONExtractString(JSONExtractString(content, 7), 'record_url'), event_time, content LIKE '%record_url%') AS record
  FROM touches
  WHERE kind = 'event' AND has({o:Array(String)}, origin)
  GROUP BY origin
) AS t ON t.origin = o.origin
"""
# A strong alias that led to as many origins as it may; a weak one that leads to more leads than one.
_SHARED = """
SELECT
  alias,
  any(kind) AS kind,
  toBool(max(what = 'full')) AS full,
  if(full, uniqExact(a.origin), uniqExact(if(s.lead = '', a.origin, s.lead))) AS leads
FROM aliases AS a
LEFT JOIN (SELECT toString(lead_id) AS lead, arrayJoin(origins) AS origin FROM v_lead_state) AS s ON s.origin = a.origin
WHERE alias IN (SELECT alias FROM aliases WHERE what NOT IN ('leads', 'crowded')) AND what != 'crowded'
GROUP BY alias
HAVING leads > 1
ORDER BY full DESC, leads DESC, alias
"""
# An alias that so many others were named with that its notes of them fill pages: a public write key that somebody plays with, say.
_CROWDED = """
SELECT
  alias,
  any(kind) AS kind,
  any(origin) AS origin
FROM aliases
WHERE what = 'crowded'
GROUP BY alias
ORDER BY alias
"""
# An alias changed between two deliveries of one event: it stands under two origins that are not one lead.
_TWINS = """
SELECT
  event_id,
  groupUniqArray(lead) AS leads
FROM (
  SELECT
    t.event_id AS event_id,
    toString(s.lead_id) AS lead
  FROM touches AS t FINAL
  INNER JOIN (SELECT lead_id, arrayJoin(origins) AS origin FROM v_lead_state) AS s ON s.origin = t.origin
  WHERE t.kind = 'event' AND t.copied = 0
)
GROUP BY event_id
HAVING length(leads) > 1
ORDER BY event_id
"""


def unsettled(client: Any) -> dict[str, list[dict[str, Any]]]:
    """List {conflicts, shared, crowded, twins}: both leads of a conflict, of a shared alias its id and how many it leads to."""
    conflicts = _rows(client, _CONFLICTS)
    found = leads_and_records(client, sorted({one[end] for one in conflicts for end in ("a", "b")}))
    return {
        "conflicts": [
            {"since": one["since"], "halves": [found[one["a"]], found[one["b"]]]}
            for one in conflicts
        ],
        "shared": _rows(client, _SHARED),
        "crowded": _rows(client, _CROWDED),
        "twins": _rows(client, _TWINS),
    }


def leads_and_records(client: Any, origins: list[str]) -> dict[str, dict[str, str]]:
    """Give of each origin {origin, lead, record}; lead and record are empty where nothing is known."""
    rows = _rows(client, _LEADS_AND_RECORDS, o=origins) if origins else []
    return {row["origin"]: {**row, "record": addresses.web(row["record"])} for row in rows}


def name(half: dict[str, str]) -> str:
    """Name one half of a conflict for people."""
    lead = f"lead {half['lead']}" if half["lead"] else f"identity {half['origin']}"
    return f"{lead} ({half['record']})" if half["record"] else lead


def shared(one: dict[str, Any]) -> str:
    """Say of a shared alias what there is to do; an alias is personal data, so only its kind and its id stand here."""
    if one["full"]:
        return f"{one['kind']} {one['alias']} leads to {SHARED_LEADS} and more, and joins no more of them: set LEADSTREAM_IGNORED_ALIASES"
    return f"{one['kind']} {one['alias']} was seen with {one['leads']} leads; its events go to the first"


def crowded(one: dict[str, Any]) -> str:
    """Say of an alias what was named with it beyond all measure."""
    return f"{one['kind']} {one['alias']} was named with more than {HEAD} others: look at who sends it, or set LEADSTREAM_IGNORED_ALIASES"


def _rows(client: Any, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    found = client.query(statement, parameters=parameters)
    return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
