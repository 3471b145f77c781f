"""What a reconciliation is made of: the question, a report's rows, our leads, and what differs.

How they are judged is in judging.py.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .calendar import local


def day_of(at: int, zone: str) -> date:
    """Return the day of an instant (ms) in a zone."""
    return local(at, ZoneInfo(zone)).date()


class Reason(StrEnum):
    """Why a record or a lead differs; the first that fits holds."""

    NEVER_RECEIVED = "never received"  # no event of this record ever made a lead
    UNMAPPED = "unmapped value"  # it stands in a stage that the funnel does not know
    MERGED = "merged"  # another record there is the same lead here
    EXCLUDED = "excluded"  # a test, a duplicate, spam, or erased
    OPENING = "opening balance"  # it stood there when leadstream began, which is no entry
    OTHER_JOURNEY = "other journey"  # the entry that the period lacks belongs to another journey
    OTHER_DAY = "other day"  # the same entry, and one of the two days lies outside of the period
    NOT_REACHED = "not reached"  # we have the record, and it never entered the stage
    NOT_COUNTED = "not counted there"  # the report has the record, and does not count it
    ONLY_HERE = "only here"  # the report has no record of this lead


class Question(NamedTuple):
    """What both sides count: a stage from `first` until before `last`.

    Days are those of `zone` here and of `report_zone` there. `by_word`: the report counts a row for
    the stage's name that stands in it, not for a time of entry.
    """

    system: str
    stage: str
    first: date
    last: date
    zone: str
    report_zone: str
    by_word: bool = False

    def ours(self, at: int) -> date:
        """Return the day of an instant (ms) as we count it."""
        return day_of(at, self.zone)

    def theirs(self, at: int | None) -> date | None:
        """Return the day of an instant (ms) as the report counts it."""
        return None if at is None else day_of(at, self.report_zone)


class Reported(NamedTuple):
    """A row of the report.

    `record` is its alias in canonical form, `id` the text of its id column, `at` (ms) when it
    entered the stage, `word` the stage that it says. `mapped`: the funnel knows that word.
    `listed`: the report counts it where its day lies in the period, or where it has none.
    """

    record: str
    id: str
    line: int
    at: int | None = None
    word: str = ""
    mapped: bool = True
    listed: bool = True
    address: str = ""


class Entry(NamedTuple):
    """An entry into the stage that is asked for. `system` is whose word moved the lead."""

    journey: int
    at: int
    system: str = ""
    implied: bool = False
    opening: bool = False


class Journey(NamedTuple):
    """A journey: when it began and ended (ms), and why it counts nowhere, if it does not.

    It ended when the lead left the ladder: recycled, lost or disqualified. What qualifies the lead
    again begins the next.
    """

    number: int
    began: int
    opening: bool = False
    test: bool = False
    excluded: str = ""
    ended: int | None = None

    @property
    def left_out(self) -> str:
        """Name why it is left out; empty where it counts."""
        return "a test" if self.test else self.excluded


class Lead(NamedTuple):
    """A lead of ours. `records` are the report's records that it is known by, as aliases.

    `unmapped` are stages that the report's system stated and the funnel does not know; `systems`
    are those that any event of the lead came from.
    """

    id: str
    stage: str
    journeys: tuple[Journey, ...]
    entries: tuple[Entry, ...] = ()
    records: frozenset[str] = frozenset()
    unmapped: tuple[str, ...] = ()
    systems: frozenset[str] = frozenset()
    deleted: bool = False
    address: str = ""


class Ours(NamedTuple):
    """Our side: the leads of the report's records, and all that entered the stage in the period.

    `erased` are records that somebody asked us to forget; `linked` those of which nothing but
    links to others came.
    """

    leads: tuple[Lead, ...]
    erased: frozenset[str] = frozenset()
    linked: frozenset[str] = frozenset()


class Difference(NamedTuple):
    """A record or lead that one side counts and the other does not. `delta` is ours less theirs."""

    delta: int
    reason: Reason
    id: str  # as the report writes it; empty where it has none
    lead: str  # empty where we have none
    theirs: date | None
    ours: date | None
    detail: str
    stage: str = ""  # where the lead stands now
    address: str = ""
    line: int = 0


class Sum(NamedTuple):
    """How many differ for one reason: those that only the report counts, those that only we do."""

    reason: Reason
    minus: int
    plus: int

    @property
    def delta(self) -> int:
        """By how much our figure is higher for it."""
        return self.plus - self.minus


class Reconciliation(NamedTuple):
    """Both counts, and each difference once. `entries` is what the KPI `inflow` shows."""

    asked: Question
    rows: int  # of the report, whether they count or not
    reported: int
    ours: int
    matched: int
    repeated: int  # rows of the report that name a record again
    entries: int
    differences: tuple[Difference, ...]

    @property
    def difference(self) -> int:
        """Ours less theirs."""
        return self.ours - self.reported

    @property
    def sums(self) -> tuple[Sum, ...]:
        """The differences by reason, in the order of `Reason`."""
        found = Counter((one.reason, one.delta) for one in self.differences)
        sums = (Sum(reason, found[reason, -1], found[reason, 1]) for reason in Reason)
        return tuple(one for one in sums if one.minus or one.plus)
