"""Lists of leads: the rows that figures count, so a list and its figure agree."""

from __future__ import annotations

from .panels import LEAD, RECORD
from .shown import NOTHING, PLACES, TITLES, titled
from .sql import SETTINGS, figure

MOST = 500
_URL = "if(match(record_url, '^https?://[^/@]+'), record_url, '')"
# Lists know a lead's owner of today, whether or not the funnel file names the dimension.
_OWNED = "$__conditionalAll(transform(owner, [''], ['-']) IN (${owner:singlequote}), $owner)"
_OWNER = f"if(owner = '', '{NOTHING}', owner)"
_MORE = f",\n  {TITLES},\n  {PLACES}\n"


def _listed(name: str, select: str) -> str:
    return f"{figure(name, select=_MORE + select)}\n{SETTINGS}"


def entered() -> str:
    """Return the leads that entered the chosen stages in the period."""
    return _listed(
        "inflow",
        f"""SELECT
  members.at AS "Entered",
  {titled("members.stage")} AS "Stage",
  toString(members.lead_id) AS "{LEAD}",
  {titled("stands.stage")} AS "Stands in",
  stands.source AS "Source",
  stands.channel AS "Channel",
  {_OWNER} AS "Owner",
  {_URL} AS "{RECORD}"
FROM members
LEFT JOIN v_lead_state AS stands ON stands.lead_id = members.lead_id
WHERE {_OWNED}
ORDER BY "Entered" DESC, "{LEAD}"
LIMIT {MOST}""",
    )


_LATE = f"""SELECT
  {{late}} AS "Late",
  {titled("late.stage")} AS "Stage",
  late.clock AS "Clock",
  toString(late.lead_id) AS "{LEAD}",
  multiIf(owner != '', owner, queue != '', queue, manager != '', manager, teams.team)
    AS "Whose move",
  teams.team AS "Team",
  late.hot AS "Hot",
  late.due_at AS "Due",
  {_URL} AS "{RECORD}"
FROM past_due AS late
LEFT JOIN v_stages AS teams ON teams.stage = late.stage
WHERE {{kept}}
  AND $__conditionalAll(late.stage IN (${{stage:singlequote}}), $stage)
  AND {_OWNED}
ORDER BY "Late" DESC, "{LEAD}"
LIMIT {MOST}"""
_SINCE = "dateDiff('millisecond', late.due_at, panel_asof) / 3600000"


def stalled() -> str:
    """Return the leads that are stalled: no activity beyond their stage's limit."""
    return _listed("stalled", _LATE.replace("{late}", _SINCE).replace("{kept}", "restarting = 1"))


def past_due() -> str:
    """Return the clocks that run past their due time and that no activity restarts."""
    return _listed("past_due", _LATE.replace("{late}", _SINCE).replace("{kept}", "restarting = 0"))


def late_by(column: str, head: str) -> str:
    """Return how many leads are late, by whose they are."""
    return _listed(
        "past_due",
        f"""SELECT
  if({column} = '', '{NOTHING}', {column}) AS "{head}",
  uniqExact(late.lead_id) AS "Late leads",
  uniqExactIf(late.lead_id, restarting = 1) AS "Stalled",
  max({_SINCE}) AS "Longest"
FROM past_due AS late
LEFT JOIN v_stages AS teams ON teams.stage = late.stage
WHERE $__conditionalAll(late.stage IN (${{stage:singlequote}}), $stage)
  AND {_OWNED}
GROUP BY "{head}"
ORDER BY "Late leads" DESC, "{head}"
LIMIT {MOST}""",
    )


def waiting() -> str:
    """Return the hand-offs of the period that nobody has decided yet, hot ones first."""
    return _listed(
        "acceptance",
        f"""SELECT
  dateDiff('millisecond', offers.event_time, panel_asof) / 3600000 AS "Waits",
  offers.hot AS "Hot",
  {titled("offers.stage")} AS "Handed off in",
  toString(offers.lead_id) AS "{LEAD}",
  {_OWNER} AS "Owner",
  isNotNull(offers.to_touch_ms) AS "Touched",
  {_URL} AS "{RECORD}"
FROM handoffs AS offers
LEFT JOIN v_lead_state AS stands ON stands.lead_id = offers.lead_id
WHERE answer = 'pending'
  AND $__conditionalAll(offers.stage IN (${{stage:singlequote}}), $stage)
  AND {_OWNED}
ORDER BY "Hot" DESC, "Waits" DESC, "{LEAD}"
LIMIT {MOST}""",
    )


def due_soon() -> str:
    """Return the clocks of leads' stages that fall due within a day."""
    return _listed(
        "open_age",
        f"""SELECT
  dateDiff('millisecond', panel_asof, clocks.due_at) / 3600000 AS "Left",
  {titled("clocks.stage")} AS "Stage",
  clocks.clock AS "Clock",
  toString(clocks.lead_id) AS "{LEAD}",
  {_OWNER} AS "Owner",
  clocks.hot AS "Hot",
  clocks.due_at AS "Due",
  {_URL} AS "{RECORD}"
FROM v_clocks AS clocks
INNER JOIN standing
  ON standing.lead_id = clocks.lead_id
  AND standing.stage = clocks.stage
  AND standing.journey = clocks.journey
WHERE clocks.test = 0
  AND clocks.stopped_at IS NULL
  AND clocks.cancelled_at IS NULL
  AND clocks.status NOT IN ('met', 'breached', 'escalated', 'cancelled')
  AND clocks.due_at > panel_asof
  AND clocks.due_at <= panel_asof + toIntervalDay(1)
  AND $__conditionalAll(clocks.stage IN (${{stage:singlequote}}), $stage)
  AND {_OWNED}
ORDER BY "Left", "{LEAD}"
LIMIT {MOST}""",
    )
