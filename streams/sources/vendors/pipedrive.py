"""Pipedrive webhooks: version 2 (create, change, delete) and 1 (added, updated, deleted, merged).

Fields: pipedrive.readme.io, guides for webhooks v1 and v2. A body has one change: `meta`, what is
there now (`data`, in version 1 `current`) and what was there (`previous`). Version 2 reports a
merge as a deletion whose meta names merged_to_id. Times of meta are in seconds, or ISO 8601. Its
proof is the name and password that the webhook was made with.
"""

from __future__ import annotations

import base64
from typing import Any

from schemas import topics
from schemas.events import EventType
from streams.sources.adapter import Connection, Normalised, digest, each
from streams.sources.proof import by_any, equal
from streams.sources.values import (
    aliases,
    day_in,
    email_alias,
    identified,
    iso_ms,
    money,
    number,
    phone_alias,
    record,
    text,
)
from streams.sources.vendor import Call, Route, Scheme, Secret, Secrets, Vendor

# The names of version 1.
_ACTIONS = {"added": "create", "updated": "change", "deleted": "delete", "merged": "merge"}
# Work with a person, by the activity types that every account has; all others are its own.
_WORK = {
    "call": "call",
    "meeting": "meeting",
    "lunch": "meeting",
    "email": "email",
    "task": "task",
    "deadline": "task",
}
_LATEST_SECONDS = 100_000_000_000  # a larger number is in ms


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Transform one change, or a list of them."""
    return each(body if isinstance(body, list) else [body], received_at, _one)


class _Change:
    """One change of one record, as its handlers need it."""

    def __init__(self, part: dict[str, Any]) -> None:
        meta = part["meta"]
        self.meta, self.entity = meta, text(meta.get("entity") or meta.get("object"), 40) or ""
        action = text(meta["action"], 20) or ""
        self.action = _ACTIONS.get(action, action)
        self.now = record(part.get("data") or part.get("current"))
        self.before = record(part.get("previous"))
        self.company = identified(meta.get("company_id")) or "default"
        key = (
            meta.get("entity_id")
            or self.now.get("id")
            or self.before.get("id")
            or (meta.get("id") if "object" in meta else None)
        )
        found = identified(key)
        if found is None:
            raise KeyError("meta.entity_id")
        self.key, self.at = found, _ms(meta["timestamp"])
        content = digest(
            [
                self.company,
                self.entity,
                self.action,
                self.key,
                text(meta["timestamp"]),
                self.now,
                self.before,
            ]
        )
        self.name = f"pipedrive:{self.company}:{self.entity}:{self.key}:{content}"
        self.common: dict[str, Any] = {
            "id": self.name,
            "occurred_at": self.at,
            "source": "pipedrive",
        }

    def alias(self, kind: str, value: Any) -> str | None:
        """Return the alias of a company's record; an object stands for its id."""
        found = identified(
            record(value).get("value") or record(value).get("id")
            if isinstance(value, dict)
            else value
        )
        return f"pipedrive:{self.company}:{kind}:{found}" if found else None

    def shown(self, kind: str) -> dict[str, str]:
        """Return the record's address."""
        host = text(self.meta.get("host"), 100)
        return {"record_url": f"https://{host}/{kind}/{self.key}"} if host else {}

    def changed(self, field: str) -> bool:
        """Return whether a field has a new value: version 2's `previous` has only what changed."""
        if self.action == "create":
            return self.now.get(field) not in (None, "")
        return field in self.before and self.before[field] != self.now.get(field)


def _ms(stamp: Any) -> int:
    """Read a time of meta: ISO 8601, or seconds (ms where it is too large for seconds)."""
    if isinstance(stamp, str) and not stamp.strip().isdigit():
        return iso_ms(stamp)
    found = number(stamp)
    return found if found >= _LATEST_SECONDS else found * 1000


def _one(part: dict[str, Any], out: Normalised) -> None:
    change = _Change(part)
    handle = _HANDLERS.get(change.entity)
    if handle is None:
        out.ignored.append(change.entity or "record")
        return
    handle(change, out)


def _values(value: Any) -> list[Any]:
    """Return addresses or numbers: a list of objects with `value`, or a text."""
    given = value if isinstance(value, list) else [value]
    return [record(one).get("value") if isinstance(one, dict) else one for one in given]


def _known(change: _Change) -> tuple[str, ...]:
    now = change.now
    emails = (email_alias(one) for field in ("emails", "email") for one in _values(now.get(field)))
    phones = (phone_alias(one) for field in ("phones", "phone") for one in _values(now.get(field)))
    return aliases(change.alias("person", change.key), *emails, *phones)


def _owner(change: _Change, known: tuple[str, ...], shown: dict[str, str], out: Normalised) -> bool:
    """Add who owns a record, where that changed."""
    field = "owner_id" if "owner_id" in change.now else "user_id"
    if change.action != "change" or not change.changed(field):
        return False
    value = change.now.get(field)
    owner = text(record(value).get("id") if isinstance(value, dict) else value) or ""
    out.add(
        type=EventType.ASSIGNED,
        owner=owner,
        **{**change.common, "id": f"{change.name}:owner"},
        aliases=known[:1],
        **shown,
    )
    return True


def _person(change: _Change, out: Normalised) -> None:
    known, shown = _known(change), change.shown("person")
    if _merged(change, "person", out):
        return
    if change.action == "delete":
        out.add(type=EventType.DELETED, aliases=known[:1], **change.common)
        return
    if change.action == "create":
        out.add(
            type=EventType.CREATED,
            kind="crm",
            direction="inbound",
            aliases=known,
            **change.common,
            **shown,
        )
        return
    added = _owner(change, known, shown, out)
    if change.changed("marketing_status") and change.now.get("marketing_status") in (
        "subscribed",
        "unsubscribed",
    ):
        granted, added = change.now["marketing_status"] == "subscribed", True
        out.add(
            type=EventType.CONSENT,
            granted=granted,
            aliases=known,
            **{**change.common, "id": f"{change.name}:consent"},
        )
    if (
        any(change.changed(field) for field in ("emails", "email", "phones", "phone"))
        and len(known) > 1
    ):
        out.add(type=EventType.LINKED, aliases=known, **change.common, **shown)
    elif not added:
        # Pipedrive keeps dozens of counters on a person; an activity reports what was done.
        out.ignored.append("person change")


def _merged(change: _Change, kind: str, out: Normalised) -> bool:
    """Add a merge of two records, as either version reports it."""
    if change.action == "delete" and change.meta.get("merged_to_id"):
        winner, loser = (
            change.alias(kind, change.meta["merged_to_id"]),
            change.alias(kind, change.key),
        )
    elif change.action == "merge":
        other = (
            change.now.get("merge_what_id")
            or change.before.get("merge_what_id")
            or change.before.get("id")
        )
        winner, loser = change.alias(kind, change.key), change.alias(kind, other)
    else:
        return False
    if not winner or not loser or winner == loser:
        raise ValueError("a merge names the record that is left and the one that became part of it")
    deal = {"deal": {"id": winner, "merged": (loser,)}} if kind == "deal" else {}
    out.add(type=EventType.MERGE, aliases=(winner, loser), **change.common, **deal)
    return True


def _lead(change: _Change, out: Normalised) -> None:
    """Take a lead of the inbox, known by its person, who may have several, and weakly by itself."""
    person, weak = (
        change.alias("person", change.now.get("person_id") or change.before.get("person_id")),
        f"pipedrive:anon:lead-{change.key}",
    )
    known = aliases(person, weak)
    if change.action == "create":
        origin = text(change.now.get("origin")) or text(change.now.get("source_name"))
        out.add(
            type=EventType.CREATED,
            kind="crm",
            direction="inbound",
            origin=origin,
            aliases=known,
            **change.common,
            **change.shown("leads/inbox"),
        )
    elif not _owner(change, known, change.shown("leads/inbox"), out):
        # Archived, labelled, turned into a deal: the deal reports that.
        out.ignored.append(f"lead {change.action}")


def _deal(change: _Change, out: Normalised) -> None:
    now, alias = change.now, f"pipedrive:{change.company}:deal:{change.key}"
    shown = change.shown("deal")
    if _merged(change, "deal", out):
        return
    if change.action == "delete" or (change.changed("status") and now.get("status") == "deleted"):
        out.add(
            type=EventType.OPPORTUNITY_DELETED,
            aliases=(alias,),
            deal={"id": alias},
            **change.common,
        )
        return
    if change.changed("status") and change.before.get("status") == "deleted":
        out.add(
            type=EventType.OPPORTUNITY_RESTORED,
            aliases=(alias,),
            deal={"id": alias},
            **{**change.common, "id": f"{change.name}:restored"},
        )
    person = change.alias("person", now.get("person_id"))
    if person and change.changed("person_id"):
        # A deal has one person in Pipedrive: the primary contact (members.PRIMARY).
        out.add(
            type=EventType.LINKED,
            aliases=(person, alias),
            deal={"id": alias},
            **{**change.common, "id": f"{change.name}:primary"},
        )
    assigned = _owner(change, (alias,), shown, out)
    found = {
        "stage": text(now.get("stage_id")),
        "amount": money(now.get("value")),
        "currency": text(now.get("currency")),
        "close_date": day_in(now.get("expected_close_date"), "UTC"),
    }
    fields = {
        "stage": "stage_id",
        "amount": "value",
        "currency": "currency",
        "close_date": "expected_close_date",
    }
    deal = {
        "id": alias,
        **{
            name: value
            for name, value in found.items()
            if value and (change.action == "create" or change.changed(fields[name]))
        },
    }
    if "amount" in deal and found["currency"]:
        deal["currency"] = found["currency"]
    deal |= {
        name: ""
        for name in ("amount", "close_date")
        if change.action == "change" and change.changed(fields[name]) and not found[name]
    }
    status = now.get("status") if change.changed("status") else None
    reason = text(now.get("lost_reason")) if status == "lost" else None
    common = {**change.common, "aliases": (alias,), "deal": deal, **shown}
    if status == "won":
        out.add(type=EventType.OPPORTUNITY_WON, **common)
    elif status == "lost":
        out.add(type=EventType.OPPORTUNITY_LOST, reason=reason, **common)
    elif change.action == "create":
        out.add(type=EventType.OPPORTUNITY_CREATED, **common)
    elif status == "open" or len(deal) > 1:  # reopened: open again in the stage that it names
        reopened = {"stage": found["stage"]} if status == "open" and found["stage"] else {}
        out.add(
            type=EventType.OPPORTUNITY_STAGE_CHANGED, **{**common, "deal": {**deal, **reopened}}
        )
    elif not assigned:
        out.ignored.append("deal change")


def _activity(change: _Change, out: Normalised) -> None:
    """Add the touch of an activity that was done, once, with each person who took part."""
    now = change.now
    if (
        change.action == "delete"
        or now.get("done") not in (True, 1)
        or (change.action == "change" and not change.changed("done"))
    ):
        out.ignored.append(
            f"activity {'deleted' if change.action == 'delete' else 'open or the same'}"
        )
        return
    part_of = now.get("participants")
    people = [
        now.get("person_id"),
        *(record(one).get("person_id") for one in (part_of if isinstance(part_of, list) else ())),
    ]
    known = aliases(*(change.alias("person", one) for one in people))
    on = known or aliases(
        change.alias("deal", now.get("deal_id")),
        f"pipedrive:anon:lead-{now['lead_id']}" if now.get("lead_id") else None,
    )
    kind = (text(now.get("type"), 60) or "activity").lower()
    if not on:
        out.ignored.append("activity with nobody")
        return
    inbound = kind == "call" and text(now.get("direction")) == "inbound"
    for place, alias in enumerate(on):
        name = (
            f"pipedrive:{change.company}:activity:{change.key}:done{f':{place}' if place else ''}"
        )
        direction = "inbound" if inbound else "human"
        out.add(
            type=EventType.TOUCH,
            kind=_WORK.get(kind, kind),
            direction=direction,
            **{**change.common, "id": name},
            aliases=(alias,),
        )


def _note(change: _Change, out: Normalised) -> None:
    """Take a note as activity on its deal; on a person it is no contact with them."""
    deal = change.alias("deal", change.now.get("deal_id"))
    if change.action == "create" and deal:
        out.add(
            type=EventType.TOUCH, kind="note", direction="human", aliases=(deal,), **change.common
        )
    else:
        out.ignored.append("note")


_HANDLERS = {"person": _person, "lead": _lead, "deal": _deal, "activity": _activity, "note": _note}


def prove(call: Call, secrets: Secrets) -> bytes | None:
    """Compare the webhook's name and password (HTTP Basic), as `name:password`."""
    scheme, _, given = call.headers.get("authorization", "").strip().partition(" ")
    stated = given.strip() if scheme.lower() == "basic" else ""
    valid = secrets("pipedrive_login")
    good = by_any(valid, lambda one: equal(base64.b64encode(one.encode()).decode(), stated))
    return call.body if good else None


_EXAMPLE: Any = {
    "meta": {
        "action": "create",
        "entity": "person",
        "entity_id": "5",
        "company_id": "1",
        "timestamp": "2026-01-31T09:00:00Z",
    },
    "data": {"id": 5, "emails": [{"value": "jane@example.com"}]},
    "previous": None,
}

VENDOR = Vendor(
    name="pipedrive",
    title="Pipedrive webhooks (v1 and v2)",
    topic=topics.RAW_CRM,
    normalise=normalise,
    sends=frozenset({"human", "inbound", "accepted", "leave", "moved"}),
    evidence="constructed",
    documentation="https://pipedrive.readme.io/docs/guide-for-webhooks-v2",
    routes=(
        Route(
            "/v1/pipedrive",
            "Take a change of Pipedrive's, proven by the webhook's name and password.",
            prove,
            (
                Scheme(
                    "PipedriveLogin",
                    "Authorization",
                    "HTTP Basic with the name and password of the webhook.",
                ),
            ),
            'Basic realm="leadstream"',
            example=_EXAMPLE,
        ),
    ),
    secrets=(Secret("pipedrive_login", "the webhook's `name:password`"),),
    records=("person",),
    deals=("deal",),
    patience=10.0,
    retries="three more attempts within 3 minutes, then the webhook rests",
)
