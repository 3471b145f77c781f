"""Which rows of a CRM's report count for a stage, as the asker and the funnel have it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from schemas.events import RANK, Event, EventType
from schemas.funnel import Funnel
from streams.domain.definition import Definition
from streams.domain.intents import intent_of
from streams.domain.reconciliation import Reported
from streams.sources.files import report
from streams.sources.files.language import Refused
from streams.sources.files.problems import Problem, fail, near


@dataclass(frozen=True)
class Counting:
    """How the rows of a report count.

    A row counts for the time in the column `entered`, if there is one, and for the words in the
    column `column`, if there are any; with neither, each row counts.
    """

    spec: report.ReportOf
    funnel: Funnel
    entered: str | None
    column: str | None
    words: frozenset[str]

    @property
    def by_word(self) -> bool:
        """Return whether rows count for their words alone."""
        return self.entered is None and bool(self.words)

    def columns(self) -> dict[str, str]:
        """Return the columns that the report must have, and what for."""
        need = {self.spec.id: "the record's id"}
        if self.entered is not None:
            need[self.entered] = "the time of entry"
        if self.column is not None and self._needed(self.column):
            need[self.column] = "the stage"
        return need

    def _needed(self, column: str) -> bool:
        return bool(self.words) or column not in self.spec.optional

    def rows(self, path: Path) -> Iterator[Reported | Refused]:
        """Yield the rows of a report, judged, and those that can't be read."""
        for one in report.lines(self.spec, path, self.entered, self.column):
            if isinstance(one, Refused):
                yield one
                continue
            listed = not self.words or one.word.casefold() in self.words
            if self.entered is not None:
                listed = listed and one.at is not None
            mapped = not one.word or means(self.funnel, self.spec, one.word) is not None
            yield Reported(
                one.record, one.id, one.line, one.at, one.word, mapped, listed, one.address
            )


def means(funnel: Funnel, spec: report.ReportOf, word: str) -> str | None:
    """Return the stage that an event with this word leads to; None where no mapping knows it."""
    kind = EventType.OPPORTUNITY_STAGE_CHANGED if spec.deals else EventType.STAGE_REPORTED
    stage = {"deal": {"stage": word}} if spec.deals else {"stage": word}
    body = {"source": spec.system, **stage}
    event = Event(0, RANK[kind], 0, "", "", kind.value, orjson.dumps(body).decode())
    current = Definition(funnel)
    meant = intent_of(event, current, current)
    return None if meant.note else meant.to


def counting(
    spec: report.ReportOf,
    funnel: Funnel,
    stage: str,
    *,
    every_row: bool = False,
    words: tuple[str, ...] = (),
) -> Counting:
    """Decide how the rows of a report count for a stage.

    By the words that are given, else those that the report's YAML names, else, without a column
    for the time of entry, those that the funnel maps to the stage. `every_row`: the report was
    filtered where it comes from.

    Raises:
        MappingError: the YAML names a stage that the funnel lacks, or says nothing of this one.

    """
    fail(spec, _strangers(spec, funnel))
    if every_row:
        return Counting(spec, funnel, None, spec.stage, frozenset())
    entered = spec.entered.get(stage)
    named = words or tuple(spec.counts.get(stage, ()))
    if entered is None and not named and spec.stage is not None:
        known = funnel.vendors.get(spec.system) or funnel.stages  # a system of one's own says ours
        named = tuple(word for word in known if means(funnel, spec, word) == stage)
    if entered is None and not (named and spec.stage):
        text = (
            f"does not say how its rows count for {stage}: name the column of the time of entry "
            "(entered, or --entered), or that of the stage (stage, or --stage-column), or write "
            "--every-row if the report lists nothing else"
        )
        fail(spec, [Problem(("entered",), text)])
    labels = {label.casefold(): word.casefold() for label, word in spec.words.items()}
    folded = frozenset(labels.get(word.casefold(), word.casefold()) for word in named)
    return Counting(spec, funnel, entered, spec.stage, folded)


def _strangers(spec: report.ReportOf, funnel: Funnel) -> list[Problem]:
    return [
        Problem((key, stage), f"{stage!r} is no stage of the funnel{near(stage, [*funnel.stages])}")
        for key, named in (("entered", spec.entered), ("counts", spec.counts))
        for stage in named
        if stage not in funnel.stages
    ]
