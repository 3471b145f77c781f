"""What a retriever asks HubSpot for, and what an answer becomes."""

from __future__ import annotations

from typing import Any

import orjson

from streams.sources.adapter import Connection, written
from streams.sources.retrieval import Answer, Ask, each_once, listed
from streams.sources.values import number, record, text

from .words import DEAL_FIELDS, PERSONAL, PORTAL, URL, kind_of, record_of

_PLURAL = {"contact": "contacts", "deal": "deals"}


def wanted(body: Any, connection: Connection) -> tuple[Ask, ...]:
    """Ask for new contacts, and for deals whose event does not name their contacts.

    Another portal's record of the same number is another record: a token reads those of its own.
    """
    own = connection.get(PORTAL.name)
    return each_once(
        (part for part in listed(body) if not own or text(record(part).get("portalId")) == own),
        _ask,
    )


def _ask(part: Any) -> list[Ask]:
    named, _, action = str(part.get("subscriptionType") or part["eventType"]).partition(".")
    kind = kind_of(part.get("objectTypeId"), named)
    if kind == "deal":
        fits = action in ("creation", "restore") or (
            action == "propertyChange" and part["propertyName"] in DEAL_FIELDS
        )
    else:
        fits = kind == "contact" and action == "creation"
    if not fits:
        return []
    portal, key = number(part["portalId"]), record_of(part, action)
    if not (key.isascii() and key.isdigit()):
        return []
    params = (
        (("associations", "contacts"),) if kind == "deal" else (("properties", ",".join(PERSONAL)),)
    )
    carried = written({"portalId": portal, "objectTypeId": URL[kind]})
    return [
        Ask(
            f"{portal}:{kind}:{key}",
            f"/crm/v3/objects/{_PLURAL[kind]}/{key}",
            params,
            carried=carried,
        )
    ]


def answers(ask: Ask, answer: Any) -> Answer:
    """Return the record with the portal and the type asked for; a deal's contacts come in pages."""
    around = orjson.loads(ask.carried)
    known = around.get("object")
    if known:  # a page of a deal's contacts
        found = {
            **known,
            "associations": {"contacts": {"results": list(listed(record(answer)["results"]))}},
        }
        paging = answer.get("paging")
    else:
        found = record(answer)
        if not (found.get("id") and found.get("updatedAt")):
            raise ValueError("the answer is no record (id, updatedAt)")
        paging = record(record(found.get("associations")).get("contacts")).get("paging")
    body = written([{**around, "object": found}])
    after = text(record(record(paging).get("next")).get("after"), 200)
    if not after:
        return Answer((body,))
    carried = written({**around, "object": {"id": found["id"], "updatedAt": found["updatedAt"]}})
    path = ask.path if known else f"{ask.path}/associations/contacts"
    return Answer(
        (body,), Ask(ask.key, path, (("after", after), ("limit", "500")), carried=carried)
    )
