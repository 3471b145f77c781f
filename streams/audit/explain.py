"""explain: one lead, readable by a salesperson: what happened when, when we learned it, what we said and took back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from schemas.events import Event, parse
from streams.domain import identity

_UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class Unknown(Exception):  # noqa: N818 - the asker must act: another alias, or wait for the event
    """Nobody is known by that name."""


def lead_of(client: Any, name: str, key: bytes, generation: int) -> str:
    """Find the lead of an id or an alias (`email:jane@example.com`, or just the address).

    Raises:
        Unknown: no lead has it.

    """
    if not _UUID.match(name):
        alias = f"email:{name.strip().lower()}" if "@" in name and not name.startswith("email:") else name
        name = identity.origin_id(key, alias)
    rows = client.query(
        "SELECT toString(lead_id) FROM lead_state FINAL WHERE generation = {g:UInt16} AND (lead_id = {n:UUID} OR has(origins, {n:String}))",
        parameters={"g": generation, "n": name},
    ).result_rows
    if not rows:
        raise Unknown(f"no lead has {name}: check the spelling, or wait until its event has arrived (`leadstream status`)")
    return str(rows[0][0])


def explain(client: Any, lead: str, generation: int) -> dict[str, Any]:
    """Give the lead's events with when we learned them, its facts, and every revision that was taken back."""
    state = client.query(
        "SELECT * FROM lead_state FINAL WHERE generation = {g:UInt16} AND lead_id = {l:UUID}", parameters={"g": generation, "l": lead}
    )
    now = dict(zip(state.column_names, state.first_row, strict=True)) if state.result_rows else {}
    events = client.query(
        "SELECT content, received_at, event_id FROM touches FINAL WHERE has({o:Array(String)}, origin) "
        "AND kind = 'event' AND copied = 0 ORDER BY event_time, event_id",
        parameters={"o": now.get("origins") or [lead]},
    ).result_rows
    revisions = client.query(
        "SELECT fact_id, kind, event_time, revision, is_deleted, content, ingested_at FROM fact_revisions FINAL "
        "WHERE generation = {g:UInt16} AND lead_id = {l:UUID} AND kind != 'state' ORDER BY revision",
        parameters={"g": generation, "l": lead},
    ).result_rows
    latest = {row[0]: row for row in revisions}
    return {
        "lead": lead,
        "now": now,
        "events": [_event(Event(*orjson.loads(content)), received, name) for content, received, name in events],
        "facts": [_fact(row) for row in sorted(latest.values(), key=lambda row: (row[2], row[3])) if not row[4]],
        "restated": [{**_fact(row), "at": row[6]} for row in revisions if row is not latest[row[0]] or row[4]],
    }


def _event(event: Event, received: datetime, name: str) -> dict[str, Any]:
    return {
        "at": datetime.fromtimestamp(event.at / 1000, UTC),
        "learned": received,
        "type": event.type,
        "id": name,
        **parse(event.body),
    }


def _fact(row: Any) -> dict[str, Any]:
    return {"event_time": row[2], "kind": row[1], "revision": row[3], **(orjson.loads(row[5]) if row[5] else {"withdrawn": True})}


def readable(said: dict[str, Any], zone: str) -> list[str]:
    """Write it for people, in the reporting zone."""

    def when(moment: datetime) -> str:
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")

    now = said["now"]
    lines = [f"Lead {said['lead']}"]
    if now:
        lines.append(f"  stands in {now['stage']}, journey {now['journey']}, owner {now['owner'] or 'nobody'}, score {now['score']:g}")
    lines.append("What happened, and when we learned it")
    for event in said["events"]:
        what = event.get("kind") or event.get("stage") or event.get("reason") or ""
        lines.append(f"  {when(event['at'])}  {event['type']} {what} ({event['source']}; learned {when(event['learned'])})")
    lines.append("What follows from it")
    for fact in said["facts"]:
        lines.append(f"  {when(fact['event_time'])}  {_say(fact)}")  # noqa: PERF401 - a sentence a line
    if said["restated"]:
        lines.append("What was said before and is no longer so")
        lines += [f"  {when(fact['event_time'])}  {fact['kind']} revision {fact['revision']}: {_say(fact)}" for fact in said["restated"]]
    return lines


def _say(fact: dict[str, Any]) -> str:
    match fact["kind"]:
        case _ if fact.get("withdrawn"):
            return "withdrawn"
        case "transition":
            implied = " (implied)" if fact["implied"] else ""
            reason = f": {fact['reason']}" if fact["reason"] else ""
            return f"{fact['from'] or 'nowhere'} -> {fact['to']}{implied}, because of {fact['why']}{reason}"
        case "clock":
            return f"clock {fact['stage']}.{fact['clock']}: {fact['status']}"
        case "decision":
            rules = "; ".join(
                f"{r['rule']} {r['value']} ({'passed' if r['passed'] else 'failed'}, needs {r['need']})" for r in fact["rules"]
            )
            return f"gate asked by {fact['by']}: {rules}"
        case "handoff":
            return f"hand-off to sales: {fact['outcome']}{' ' + fact['reason'] if fact['reason'] else ''}"
        case "journey":
            return f"journey: origin {fact['origin'] or 'unknown'}, source {fact['source'] or 'unattributed'}"
        case "deal":
            return f"deal {fact['deal']}: {fact['status']}, amount {fact['amount'] or 'unknown'}"
        case "note":
            return f"{fact['what']}: {fact['event']} {fact.get('stage', '')} while in {fact['current']}"
        case kind:
            return str(kind)
