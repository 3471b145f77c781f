"""A digest of the facts of fixed histories, by kind, for each version of the fold.

`python -m tests.support.fold_digest` writes it again for the present version.
"""

import random
from hashlib import blake2b
from pathlib import Path

import orjson

from schemas.events import RANK, Event, EventType, short
from schemas.facts import FOLD_VERSION
from schemas.reading import load, shipped
from streams.agents.versions import digest
from streams.domain.definition import Definitions, prepare
from streams.domain.group import fold_group
from streams.domain.members import Edge, Origin

FILE = Path(__file__).with_name("fold_digests.json")
COMMAND = "python -m tests.support.fold_digest"
HISTORIES = 300
HOUR = 3_600_000
T0 = 1_767_600_000_000  # Monday, 5 January 2026, 09:00 in Paris
TYPES = (
    *[EventType.TOUCH] * 6, *[EventType.STAGE_REPORTED] * 4, *[EventType.ACCEPTED] * 3,
    *[EventType.REJECTED] * 3, *[EventType.OPPORTUNITY_CREATED] * 3, EventType.OPPORTUNITY_WON,
    *[EventType.OPPORTUNITY_LOST] * 2, EventType.OPPORTUNITY_STAGE_CHANGED, EventType.CREATED,
    EventType.SNAPSHOT, EventType.ASSIGNED, EventType.CONSENT, EventType.DELETED, EventType.VOID,
)  # fmt: skip
KINDS = ("page_view", "form", "demo_form", "email_click", "call", "onboarded")
REASONS = ("not-ready", "no-fit", "spam", "no-budget", "")


class Dice:
    """Choices that are the same in every version of Python."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def number(self, below: int) -> int:
        return int(self._random.random() * below)

    def one(self, choices):
        return choices[self.number(len(choices))]


def _body(dice: Dice, kind: EventType, words, number: int) -> dict:
    source = dice.one(("hubspot", "salesforce", "segment"))
    match kind:
        case EventType.TOUCH:
            direction = dice.one(("inbound", "inbound", "human", "automated"))
            return {"source": source, "kind": dice.one(KINDS), "direction": direction}
        case EventType.STAGE_REPORTED | EventType.SNAPSHOT:
            return {"source": "hubspot", "stage": dice.one(words)}
        case EventType.REJECTED:
            return {"source": source, "reason": dice.one(REASONS)}
        case EventType.ASSIGNED:
            return {"source": source, "owner": dice.one(("ann", "bob"))}
        case EventType.CONSENT:
            return {"source": source, "granted": dice.one((True, False))}
        case EventType.VOID:
            return {"source": source, "voids": f"e{dice.number(number + 1)}"}
        case EventType.CREATED:
            marketing = {"utm_source": dice.one(("google", "newsletter")), "utm_medium": "cpc"}
            return {"source": source, "marketing": marketing, "attributes": {"size": "small"}}
        case _ if kind.startswith("opportunity."):
            deal = {"id": dice.one(("d1", "d2")), "amount": dice.one(("10", "20.50"))}
            if kind is EventType.OPPORTUNITY_STAGE_CHANGED:
                deal["stage"] = dice.one(("qualified", "closedwon", "closedlost"))
            return {"source": source, "deal": deal}
        case _:
            return {"source": source}


def _history(dice: Dice, words) -> list[Event]:
    events, at = [], T0
    for number in range(3 + dice.number(20)):
        kind = dice.one(TYPES)
        at += dice.one((0, 1, 5, 24, 24 * 4, 24 * 20)) * HOUR
        body = orjson.dumps(_body(dice, kind, words, number), option=orjson.OPT_SORT_KEYS).decode()
        origin = dice.one(("a", "a", "a", "b"))
        events.append(Event(at, RANK[kind], 0, short(f"e{number}"), origin, kind.value, body))
    return events


def _facts(dice: Dice, definitions: Definitions):
    """Yield the facts of one history, of the lead that speaks for both of its identities."""
    events = _history(dice, _words(definitions))
    ends = Origin(1, "", "a", "hubspot:1:contact"), Origin(2, "", "b", "")
    merged = Edge(T0 + dice.number(60) * 24 * HOUR, 0, "edge", "link", *ends)
    until = events[-1].at + dice.number(400) * 24 * HOUR
    folded = fold_group("a", frozenset(events), frozenset([merged]), definitions, until)
    yield from (
        (fact.kind, orjson.dumps([fact.id, fact.journey, fact.at]) + fact.content.encode())
        for fact in folded.facts.values()
    )
    yield "state", orjson.dumps(folded.state, option=orjson.OPT_SORT_KEYS)


def _words(definitions: Definitions) -> list[str]:
    """Return what a CRM may report: every stage, and whatever the vendors' maps name."""
    funnel = definitions.first.funnel
    return [*funnel.ladder, *funnel.aside, *sorted(funnel.vendors.get("hubspot", {})), "odd"]


def digests() -> dict[str, str]:
    """Fold the histories under each shipped funnel; return a digest of each kind of fact.

    `funnels` is that of the funnels themselves: other ones make other facts of any fold.
    """
    found: dict[str, list[bytes]] = {}
    for place, path in enumerate(shipped().values()):
        definitions = prepare(load(path))
        found.setdefault("funnels", []).append(digest(definitions.first.funnel).encode())
        for number in range(HISTORIES):
            for kind, fact in _facts(Dice(1_000_000 * place + number), definitions):
                found.setdefault(kind, []).append(fact)
    return {
        kind: blake2b(b"\n".join(sorted(found[kind])), digest_size=8).hexdigest()
        for kind in sorted(found)
    }


def known() -> dict[str, dict[str, str]]:
    """Return the digests of every version of the fold, as the file has them."""
    return orjson.loads(FILE.read_bytes()) if FILE.exists() else {}


if __name__ == "__main__":
    written = known() | {str(FOLD_VERSION): digests()}
    FILE.write_bytes(orjson.dumps(written, option=orjson.OPT_INDENT_2) + b"\n")
