"""One write of the sink: rows by table, made of the records of lead.facts, lead.touches and the topics beside them."""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from schemas.facts import FactKind

from .rows import OTHERS, STATE, TABLES, value_of

if TYPE_CHECKING:
    from schemas.deadletters import Letter, Mark
    from schemas.records import Rate, Spend, SurveyAnswer, Target


def hash64(text: str) -> int:
    """Give 8 bytes of a content's hash as an unsigned integer."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


class Batch:
    """Rows by table, as one write of the sink takes them."""

    def __init__(self) -> None:
        """Start empty."""
        self.rows: dict[str, list[list[Any]]] = {}
        self.record: Any = None  # the record whose rows are being added
        self._made: dict[str, list[tuple[list[Any], Any]]] = {}  # each row with the record that it was made of

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
        """Return the record that a row was made of; None for a mark that an earlier batch held back."""
        return next((record for one, record in self._made.get(table, ()) if one is row), None)

    def fact(self, said: dict[str, Any]) -> None:
        """Add one revision: to its own table, and to those that keep every one."""
        content = said["content"]
        deleted = int(content is None)
        head = [said["generation"], said["lead"], said["journey"], said["id"], said["at"], said["revision"], deleted]
        body = orjson.loads(content) if content else {}
        if "rules" in body:
            body["rules"] = orjson.dumps(body["rules"]).decode()
        if said["kind"] == FactKind.JOURNEY:
            body["entered"] = {key.removesuffix("_at"): at for key, at in body.items() if key.endswith("_at")}
        table, columns = TABLES[said["kind"]]
        self._add(table, [*head, *(value_of(body, column) for column in columns)])
        self._add(
            "fact_revisions",
            [
                said["generation"], said["lead"], said["id"], said["kind"], said["journey"], said["at"], said["revision"],
                deleted, content or "", said["partition"], said["offset"],
            ],
        )  # fmt: skip

    def state(self, said: dict[str, Any]) -> None:
        """Add a lead's absolute state; without content the lead is another's now."""
        body = orjson.loads(said["content"]) if said["content"] else {}
        head = [said["generation"], said["lead"], said["revision"], int(not body)]
        self._add("lead_state", [*head, *(value_of(body, column) for column in STATE)])
        place = [said["partition"], said["offset"]]
        content = said["content"] or ""
        self._add(
            "fact_revisions",
            [
                said["generation"],
                said["lead"],
                "state",
                "state",
                0,
                0,
                said["revision"],
                int(not body),
                content,
                *place,
            ],
        )

    def touch(self, partition: int, offset: int, lead: str, said: dict[str, Any]) -> None:
        """Add one record of the archive: an event or an edge, as `advance` read it."""
        kind = said["t"]
        value = said[kind]
        content = orjson.dumps(value).decode()
        name, origin, at = (said.get("name", value[3]), value[4], value[0]) if kind == "event" else (value[2], "", value[0])
        copied, held = int(said.get("copy", False)), int(said.get("held", False))
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
                said["received_at"],
                partition,
                offset,
            ],
        )
        if kind == "event" and not copied:
            self._add("arrivals", [partition, offset, said["received_at"], said["received_at"] - at])

    def letter(self, said: Letter, mark: Mark | None = None) -> None:
        """Add a dead letter, or what became of it; it has no fate while it waits for somebody."""
        fate, version = (mark.what, mark.at) if mark else ("", 0)
        row = [said.id, said.topic, said.worker, said.source, said.kind.value, said.reason, fate, said.stamp, version]
        self._add("dead_letters", row)

    def cut(self, said: dict[str, Any]) -> None:
        """Add a cut: below this offset all facts were folded up to `now`."""
        self._add("cuts", [said["generation"], said["partition"], said["next_offset"], said["now"]])

    def hole(self, said: dict[str, Any]) -> None:
        """Add a hole that a person accepted: records of a topic that nobody has read."""
        self._add("holes", [said[column.name] for column in OTHERS["holes"]])

    def definition(self, said: dict[str, Any]) -> None:
        """Add a version of the funnel, as a partition took it."""
        self._add("definitions", [said[column.name] for column in OTHERS["definitions"]])

    def alias(self, said: dict[str, Any]) -> None:
        """Add what an alias is to an origin."""
        self._add("aliases", [said[column.name] for column in OTHERS["aliases"]])

    def archived(self, partition: int, next_offset: int) -> None:
        """Say how far a partition of the touches is in the archive."""
        self._add("archived", [partition, next_offset])

    def spend(self, said: Spend, stamp: int) -> None:
        """Add a statement of cost; `stamp` (ms) is the record's, where it does not say when it was received."""
        key = [said.day, said.platform, said.account, said.campaign, said.breakdown]
        since = stamp if said.stated_at is None else said.stated_at
        self._add("spend", [*key, Decimal(said.amount), said.currency, said.clicks, said.impressions, since])

    def target(self, said: Target, stamp: int) -> None:
        """Add a target, stated at `stamp` (ms)."""
        row = [said.metric, said.owner, said.start, said.end, said.scope, said.value, int(said.shared), said.strategy, stamp]
        self._add("targets", row)

    def rate(self, said: Rate, stamp: int) -> None:
        """Add a currency's rate, stated at `stamp` (ms)."""
        self._add("rates", [said.currency, said.reporting, said.day, Decimal(said.rate), stamp])

    def answer(self, said: SurveyAnswer, stamp: int) -> None:
        """Add an answer, stated at `stamp` (ms)."""
        self._add("surveys", [said.survey, said.question, said.respondent, said.team, said.answered_at, said.score, stamp])
