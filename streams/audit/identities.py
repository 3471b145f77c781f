"""What needs somebody's word about who is who: conflicts, aliases that many share, events that count in two leads."""

from __future__ import annotations

from typing import Any

_CONFLICTS = """
SELECT
  toString(c.lead_id) AS lead,
  c.a AS one,
  c.b AS other,
  c.event_time AS since,
  r1.record AS one_record,
  r2.record AS other_record
FROM v_conflicts AS c
LEFT JOIN records AS r1 ON r1.origin = c.a
LEFT JOIN records AS r2 ON r2.origin = c.b
ORDER BY since, lead
"""
# The newest address of a CRM record that an origin's events gave: what a person opens to decide.
_RECORDS = """
WITH records AS (
  SELECT
    origin,
    argMaxIf(JSONExtractString(JSONExtractString(content, 7), 'record_url'), event_time, content LIKE '%record_url%') AS record
  FROM touches
  WHERE kind = 'event'
  GROUP BY origin
)
"""
_SHARED = "SELECT origin, kind, max(leads) AS leads FROM shared_aliases GROUP BY origin, kind ORDER BY leads DESC, origin"
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
    """List {conflicts, shared, twins}; each conflict with the addresses of the two CRM records, where events gave one."""
    return {
        "conflicts": _rows(client, _RECORDS + _CONFLICTS),
        "shared": _rows(client, _SHARED),
        "twins": _rows(client, _TWINS),
    }


def _rows(client: Any, statement: str) -> list[dict[str, Any]]:
    found = client.query(statement)
    return [dict(zip(found.column_names, row, strict=True)) for row in found.result_rows]
