"""The versions of the funnel as a partition's shared row.

They travel as records, in order with the events (history h21). A generation begins with the
versions of its folder. A later one comes as a record, and must start beyond all that was folded
before it came; so every worker folds an event under the same version, whenever it reads it.

With them stands the version of the fold that began the generation: a release that makes other facts
of the same events does not carry it on (history h28).
"""

from __future__ import annotations

import logging
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from schemas import topics
from schemas.facts import FOLD_VERSION
from schemas.funnel import Funnel
from schemas.reading import incompatible
from schemas.wire import facts, touches
from schemas.wire.versions import UnknownRecord
from streams.domain.definition import Definitions, prepare
from streams.engine.commit import Out
from streams.engine.logic import Effects, MustAct, PayloadRejected

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("leadstream.versions")

# No event is dated more than 5 minutes after its receipt, nor received after its record's stamp.
BEYOND_MS = 600_000


def plain(funnel: Funnel) -> dict[str, Any]:
    """Return a definition as JSON: equal definitions give equal documents, however written."""
    return funnel.model_dump(mode="json")


def digest(funnel: Funnel) -> str:
    """Return 16 hex digits of a definition's content.

    Stages' titles, thresholds of alerts and who is notified decide nothing of a lead, so they may
    change in place.
    """
    body = plain(funnel)
    del body["alerts"], body["notify"]
    for stage in (*body["ladder"].values(), *body["aside"].values()):
        del stage["title"], stage["titles"]
    return blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=8).hexdigest()


def record(funnel: Funnel, generation: int) -> bytes:
    """Write the record by which a later version reaches every worker."""
    return touches.definition(plain(funnel), generation)


def _read(record: Any) -> dict[str, Any]:
    """Read a record that brings a version of the funnel.

    Raises:
        PayloadRejected: it is none; whoever wrote it there must act.

    """
    try:
        body = touches.load(record.value)
    except UnknownRecord as error:
        raise PayloadRejected(str(error)) from error
    if body["record"] != "definition" or not {"generation", "funnel"} <= body.keys():
        raise PayloadRejected("a record for a whole partition is a generation's definition")
    return body


class Versions:
    """What one application knows of the versions, partition by partition."""

    def __init__(self, folder: Sequence[Funnel], generation: int) -> None:
        """`folder` is what the installation's own files say."""
        self.folder, self.generation = list(folder), generation
        self._known: dict[int, Definitions] = {}

    def of(self, partition: int) -> Definitions:
        """Return the versions that a partition folds under."""
        return self._known[partition]

    def init_shared(self, partition: int) -> Effects:
        """Begin a generation with the folder's versions."""
        self._known[partition] = prepare(*self.folder)
        outs = tuple(self._state(partition, funnel) for funnel in self.folder)
        return Effects(outs, dump(self.folder))

    def restore_shared(self, partition: int, row: bytes | None) -> None:
        """Take the versions from the log; a folder that says otherwise stops the worker.

        Raises:
            MustAct: the folder and the log disagree, or another fold began this generation.

        """
        if row is None:
            self._known.pop(partition, None)
            return
        self._refuse_other_fold(fold_of(row))
        log, mine = load(row), {funnel.version: funnel for funnel in self.folder}
        for funnel in log:
            if funnel.version not in mine:
                raise MustAct(
                    f"the log has version {funnel.version} of the funnel and this folder lacks it: "
                    "put its file there"
                )
            if digest(mine[funnel.version]) != digest(funnel):
                raise MustAct(
                    f"version {funnel.version} of the funnel was changed in its file after it came "
                    "into the log: put the file back, and write what is new as a later version "
                    "(`leadstream definitions add`) or adopt it (`leadstream adopt`)"
                )
        waiting = [version for version in mine if version not in {funnel.version for funnel in log}]
        if waiting:
            logger.warning(
                "the folder has version %s, which no record has brought: "
                "`leadstream definitions add`",
                ", ".join(waiting),
            )
        self._known[partition] = prepare(*log)

    def _refuse_other_fold(self, fold: int) -> None:
        """Stop before two folds' facts are mixed in one generation."""
        began = f"generation {self.generation} was begun by fold version {fold}"
        if fold > FOLD_VERSION:
            raise MustAct(f"{began}, this release has {FOLD_VERSION}: run the later release again")
        if fold < FOLD_VERSION:
            raise MustAct(
                f"{began}, and this release makes other facts (fold version {FOLD_VERSION}): "
                "compute all history again by `leadstream adopt HOME/generations/"
                f"{self.generation}`; what is shown stays as it is until that is done"
            )

    def apply_shared(self, record: Any, row: bytes | None) -> Effects:
        """Take a later version.

        Raises:
            PayloadRejected: it is none of this funnel, or comes too late for what was folded
                already.

        """
        body = _read(record)
        if body["generation"] != self.generation:
            return Effects()
        fresh, known = Funnel.model_validate(body["funnel"]), load(row) if row else []
        if any(
            funnel.version == fresh.version and digest(funnel) == digest(fresh) for funnel in known
        ):
            return Effects()
        wrong = incompatible([*known, fresh])
        if wrong:
            raise PayloadRejected("; ".join(clash.text for clash in wrong))
        start = prepare(fresh).first.start
        if start < record.timestamp + BEYOND_MS:
            raise PayloadRejected(
                f"version {fresh.version} starts on {fresh.effective_from}, and events of that day "
                "may be folded already"
            )
        known.append(fresh)
        if fresh.version not in {funnel.version for funnel in self.folder}:
            self.folder.append(fresh)
        self._known[record.partition] = prepare(*known)
        return Effects(
            (self._state(record.partition, fresh),),
            dump(known),
        )

    def _state(self, partition: int, funnel: Funnel) -> Out:
        fields = {
            "generation": self.generation,
            "funnel_version": funnel.version,
            "effective_from": prepare(funnel).first.start,
            "digest": digest(funnel),
            "content": orjson.dumps(plain(funnel)),
        }
        return Out(topics.FACTS, None, facts.dump("definition", fields), partition)


def dump(funnels: Sequence[Funnel]) -> bytes:
    """Write the shared row: the versions, and the fold that began the generation."""
    return orjson.dumps({"fold": FOLD_VERSION, "versions": [plain(funnel) for funnel in funnels]})


def load(row: bytes) -> list[Funnel]:
    """Read the versions that a shared row holds; before folds had versions it was a bare list."""
    body = orjson.loads(row)
    versions = body if isinstance(body, list) else body["versions"]
    return [Funnel.model_validate(one) for one in versions]


def fold_of(row: bytes) -> int:
    """Return the version of the fold that began a shared row's generation."""
    body = orjson.loads(row)
    return 0 if isinstance(body, list) else int(body["fold"])
