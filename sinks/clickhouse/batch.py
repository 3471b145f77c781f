"""One write of the sink: rows by table, made of the records that it reads."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from schemas.facts import FactKind

from . import terms
from .rows import LATE, OTHERS, STATE, TABLES, body_of, values_of

if TYPE_CHECKING:
    from schemas.deadletters import Letter, Mark
    from schemas.records import Rate, Spend, SurveyAnswer, Target


def hash64(text: str) -> int:
    """Return 8 bytes of a content's hash as an unsigned integer."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


# By table, the columns that tell rows apart, and the one that says which is newer.
_NEWEST = {
    **{table: (slice(0, 5), 5) for table, _ in TABLES.values()},  # see rows.HEAD
    "lead_state": (slice(0, 2), 2),
}


class Batch:
    """Rows by table, as one write of the sink takes them."""

    def __init__(self) -> None:
        """Start empty."""
        self.rows: dict[str, list[list[Any]]] = {}
        self.record: Any = None  # the record whose rows are being added
        # by table, each row with the record that it was made of
        self._made: dict[str, list[tuple[list[Any], Any]]] = {}

    def _add(self, table: str, row: list[Any]) -> None:
        self.rows.setdefault(table, []).append(row)
        self._made.setdefault(table, []).append((row, self.record))

    def forget(self, record: Any) -> None:
        """Take back the rows of a record that was added last and could not be read to its end."""
        for table, made in self._made.items():
            while made and made[-1][1] is record:
                made.pop()
                self.rows[table].pop()

    def made_of(self, table: str, row: list[Any]) -> Any:
        """Return the record that a row was made of; None for a mark from an earlier batch."""
        return next((record for one, record in self._made.get(table, ()) if one is row), None)

    def newest(self) -> None:
        """Keep of each fact and state the highest revision that this batch has, time by time.

        Readers see no other, and every one stands in `fact_revisions`.
        """
        for table, (key, revision) in _NEWEST.items():
            kept: dict[tuple[Any, ...], list[Any]] = {}
            for row in self.rows.get(table, ()):
                known = kept.setdefault(tuple(row[key]), row)
                if row[revision] > known[revision]:
                    kept[tuple(row[key])] = row
            if kept:
                self.rows[table] = list(kept.values())

    def fact(self, fact: dict[str, Any]) -> None:
        """Add one revision: to its own table, and to those that keep every one."""
        content = fact["content"]
        deleted = int(content is None)
        head = [
            fact["generation"],
            fact["lead"],
            fact["journey"],
            fact["id"],
            fact["at"],
            fact["revision"],
            deleted,
        ]
        body = fact.get("body") or orjson.loads(content or b"{}")
        table, columns = TABLES[fact["kind"]]
        self._add(table, head + values_of(body_of(fact["kind"], body), columns))
        if fact["kind"] == FactKind.CLOCK and body.get("status") in LATE and not body.get("test"):
            self._breach(fact, body)
        self._add(
            "fact_revisions",
            [
                fact["generation"], fact["lead"], fact["id"], fact["kind"], fact["journey"],
                fact["at"], fact["revision"], deleted, content or "", fact["partition"],
                fact["offset"],
            ],
        )  # fmt: skip

    def _breach(self, fact: dict[str, Any], clock: dict[str, Any]) -> None:
        """Add that a clock of a real lead was late, which no later revision takes out."""
        place = [fact["generation"], fact["lead"], fact["id"]]
        self._add("breaches", [*place, clock["stage"], clock["due_at"], fact["revision"]])

    def state(self, state: dict[str, Any]) -> None:
        """Add a lead's absolute state; without content the lead is another's now."""
        body = state.get("body") or orjson.loads(state["content"] or b"{}")
        head = [state["generation"], state["lead"], state["revision"], int(not body)]
        self._add("lead_state", head + values_of(body, STATE))
        place = [state["partition"], state["offset"]]
        content = state["content"] or ""
        self._add(
            "fact_revisions",
            [
                state["generation"],
                state["lead"],
                "state",
                "state",
                0,
                0,
                state["revision"],
                int(not body),
                content,
                *place,
            ],
        )

    def touch(self, partition: int, offset: int, lead: str, lead_input: dict[str, Any]) -> None:
        """Add one lead input to the archive: an event or an edge, as `advance` read it."""
        kind = "edge" if "edge" in lead_input else "event"
        value = lead_input[kind]
        content = orjson.dumps(value).decode()
        name, origin, at = (
            (lead_input.get("name", value[3]), value[4], value[0])
            if kind == "event"
            else (value[2], "", value[0])
        )
        copied, held = int(lead_input.get("copy", False)), int(lead_input.get("held", False))
        self._add(
            "touches",
            [
                lead,
                name,
                origin,
                hash64(content),
                kind,
                copied,
                held,
                content,
                at,
                lead_input["received_at"],
                partition,
                offset,
            ],
        )
        if kind == "event" and not copied:
            self._add(
                "arrivals",
                [partition, offset, lead_input["received_at"], lead_input["received_at"] - at],
            )

    def letter(self, letter: Letter, mark: Mark | None = None) -> None:
        """Add a dead letter, or what became of it; it has no fate while it waits for somebody."""
        fate, version = (mark.what, mark.at) if mark else ("", 0)
        row = [
            letter.id,
            letter.topic,
            letter.worker,
            letter.source,
            letter.kind.value,
            letter.reason,
            fate,
            letter.stamp,
            version,
        ]
        self._add("dead_letters", row)

    def cut(self, cut: dict[str, Any]) -> None:
        """Add a cut: below this offset all facts were folded up to `now`."""
        self._add("cuts", [cut["generation"], cut["partition"], cut["next_offset"], cut["now"]])

    def hole(self, hole: dict[str, Any]) -> None:
        """Add a hole that a person accepted: records of a topic that nobody has read."""
        self._add("holes", [hole[column.name] for column in OTHERS["holes"]])

    def definition(self, definition: dict[str, Any]) -> None:
        """Add a version of the funnel, as a partition took it."""
        row = {
            **definition,
            "version": definition["funnel_version"],
            "terms": terms.written(definition["content"]),
        }
        self._add("definitions", [row[column.name] for column in OTHERS["definitions"]])

    def alias(self, alias: dict[str, Any]) -> None:
        """Add what an alias is to an origin."""
        self._add("aliases", [alias[column.name] for column in OTHERS["aliases"]])

    def archived(self, partition: int, next_offset: int) -> None:
        """Add how far a partition of the lead inputs is in the archive: the next offset."""
        self._add("archived", [partition, next_offset])

    def spend(self, spend: Spend, stamp: int) -> None:
        """Add a statement of cost.

        `stamp` (ms) is the record's own, for one that does not say when it was received.
        """
        key = [spend.day, spend.platform, spend.account, spend.campaign, spend.breakdown]
        since = stamp if spend.stated_at is None else spend.stated_at
        self._add(
            "spend",
            [*key, Decimal(spend.amount), spend.currency, spend.clicks, spend.impressions, since],
        )

    def target(self, target: Target, stamp: int) -> None:
        """Add a target, stated at `stamp` (ms)."""
        row = [
            target.metric,
            target.owner,
            target.start,
            target.end,
            target.scope,
            target.value,
            int(target.shared),
            target.strategy,
            stamp,
        ]
        self._add("targets", row)

    def rate(self, rate: Rate, stamp: int) -> None:
        """Add a currency's rate, stated at `stamp` (ms)."""
        self._add("rates", [rate.currency, rate.reporting, rate.day, Decimal(rate.rate), stamp])

    def answer(self, answer: SurveyAnswer, stamp: int) -> None:
        """Add an answer, stated at `stamp` (ms)."""
        self._add(
            "surveys",
            [
                answer.survey,
                answer.question,
                answer.respondent,
                answer.team,
                answer.answered_at,
                answer.score,
                stamp,
            ],
        )
