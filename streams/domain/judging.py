"""A CRM's report against our own count: which records differ, and the one reason of each.

Both sides count a stage in a period of whole days, the report in its zone, we in the reporting
zone. The report counts records. We count leads that entered the stage, tests, duplicates, spam and
opening balances left out. A lead that both count is matched with one of its records; every other
record that the report counts lowers our figure by one, and every other lead that we count raises it
by one. So the reasons sum to the difference, whatever they are: each record and each lead is judged
once, and gets the first reason of `Reason` that fits.

Entries are matched by journey, not by distance in days. The report's time lies in one journey: the
newest that had begun by the end of that day, or the next one, where that had ended before it. An
entry of the same journey is the same one on another day, and an entry of another journey is
something else that happened to the same lead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property

from .reconciliation import (
    Difference,
    Entry,
    Journey,
    Lead,
    Ours,
    Question,
    Reason,
    Reconciliation,
    Reported,
    day_of,
)


def reconcile(asked: Question, report: Iterable[Reported], ours: Ours) -> Reconciliation:
    """Compare a report with our leads. The order of rows and leads changes nothing."""
    given = list(report)
    rows = _one_each(asked, given)
    of_nobody = set(rows)
    found: list[Difference] = []
    matched = counted = entries = 0
    for lead in sorted(ours.leads, key=lambda one: one.id):
        side = _Side(asked, lead)
        records = sorted((rows[one] for one in lead.records & rows.keys()), key=_order)
        of_nobody -= lead.records
        there = [row for row in records if _counts(asked, row)]
        entries += len(side.inflow)
        counted += side.counted is not None
        matched += bool(there) and side.counted is not None
        if there:
            found += _theirs(side, there, ours.erased)
        elif side.counted is not None:
            found.append(_only_ours(side, records))
    for row in (rows[one] for one in sorted(of_nobody)):
        if _counts(asked, row):
            found.append(_without_lead(asked, row, ours))
    order = list(Reason)
    found.sort(key=lambda one: (order.index(one.reason), one.line, one.id, one.lead))
    reported = sum(_counts(asked, row) for row in rows.values())
    listed = sum(_counts(asked, row) for row in given)
    return Reconciliation(
        asked, len(given), reported, counted, matched, listed - reported, entries, tuple(found)
    )


def _counts(asked: Question, row: Reported) -> bool:
    """Return whether the report counts a row."""
    day = asked.theirs(row.at)
    return row.listed and (day is None or asked.first <= day < asked.last)


def _order(row: Reported) -> tuple[bool, int, Reported]:
    """Order rows by time; those without one come last."""
    return row.at is None, row.at or 0, row._replace(at=0)


def _one_each(asked: Question, report: Iterable[Reported]) -> dict[str, Reported]:
    """Keep one row a record: the earliest that is counted."""
    rows: dict[str, Reported] = {}
    for row in sorted(report, key=lambda one: (not _counts(asked, one), *_order(one))):
        rows.setdefault(row.record, row)
    return rows


class _Side:
    """A lead, seen by a question."""

    def __init__(self, asked: Question, lead: Lead) -> None:
        self.asked, self.lead = asked, lead
        self.journeys: Mapping[int, Journey] = {one.number: one for one in lead.journeys}
        self.entries = sorted(one for one in lead.entries if not one.opening)

    def within(self, entry: Entry) -> bool:
        return self.asked.first <= self.asked.ours(entry.at) < self.asked.last

    def left_out(self, entry: Entry) -> str:
        journey = self.journeys.get(entry.journey)
        return journey.left_out if journey else ""

    @cached_property
    def inflow(self) -> list[Entry]:
        """The entries that the KPI `inflow` counts: duplicates and spam too, each entry once."""
        return [one for one in self.entries if self.within(one) and self.left_out(one) != "a test"]

    @cached_property
    def counted(self) -> Entry | None:
        """The entry for which we count the lead."""
        found = [one for one in self.inflow if not self.left_out(one)]
        return min(found, key=lambda one: one.at, default=None)

    def meant(self, row: Reported) -> Journey | None:
        """Return the journey that a row's day lies in; without a day, that of the period's end."""
        day = self.asked.theirs(row.at)
        begun = [
            one
            for one in self.lead.journeys
            if (
                self.asked.ours(one.began) < self.asked.last
                if day is None
                else self.asked.theirs(one.began) <= day  # type: ignore[operator]
            )
        ]
        if begun:
            return max(begun, key=lambda one: one.number)
        return min(self.lead.journeys, key=lambda one: one.number, default=None)

    def nearest(self, row: Reported) -> Entry | None:
        """Return the entry that lies nearest to a row's time; without one, the newest."""
        if row.at is None:
            return max(self.entries, key=lambda one: (self.within(one), one.at), default=None)
        at = row.at
        return min(self.entries, key=lambda one: (abs(one.at - at), one), default=None)

    def same(self, row: Reported, entry: Entry) -> bool:
        """Return whether a row and an entry are one event of the lead's life on two days."""
        meant = self.meant(row)
        if entry != self.nearest(row) or meant is None:
            return False
        day = self.asked.theirs(row.at) or self.asked.first
        over = meant.ended is not None and day_of(meant.ended, self.asked.report_zone) < day
        return entry.journey == meant.number + over


def _theirs(side: _Side, rows: list[Reported], erased: frozenset[str]) -> list[Difference]:
    """Judge the records of one lead that the report counts; one of them may be matched."""
    first, *others = rows
    found = []
    if side.counted is None:
        found.append(_judged(side, first, erased))
    for row in others:
        if side.counted is None and (word := _unmapped(side, row)):
            found.append(_less(side, row, Reason.UNMAPPED, word))
            continue
        detail = f"one lead with {first.id}"
        found.append(_less(side, row, Reason.MERGED, detail, side.counted))
    return found


def _judged(side: _Side, row: Reported, erased: frozenset[str]) -> Difference:
    """Return why a record that the report counts is no lead that we count."""
    if word := _unmapped(side, row):
        return _less(side, row, Reason.UNMAPPED, word)
    if row.record in erased:
        return _less(side, row, Reason.EXCLUDED, "erased")
    meant, nearest = side.meant(row), side.nearest(row)
    entered = next((one for one in side.entries if side.within(one)), None)
    why = side.left_out(entered) if entered else meant.left_out if meant else ""
    if why:
        return _less(side, row, Reason.EXCLUDED, why, entered)
    opening = _opening(side, row, meant)
    if opening and not (nearest and side.same(row, nearest)):
        return _less(side, row, Reason.OPENING, opening)
    if nearest is None:
        return _less(side, row, Reason.NOT_REACHED, f"stands in {side.lead.stage}")
    if side.same(row, nearest):
        return _less(side, row, Reason.OTHER_DAY, _apart(side.asked, row, nearest), nearest)
    return _less(side, row, Reason.OTHER_JOURNEY, _journey(nearest), nearest)


def _unmapped(side: _Side, row: Reported) -> str:
    """Name the stage of a record that the funnel does not know, where that is what keeps it out."""
    if not row.mapped and (side.asked.by_word or not side.entries):
        return shown(row.word)
    return "" if side.entries else ", ".join(map(shown, sorted(side.lead.unmapped)))


def _opening(side: _Side, row: Reported, meant: Journey | None) -> str:
    """Return why a lead's stage is part of its opening balance, or nothing."""
    day = side.asked.theirs(row.at)
    stood = [
        one.at for one in side.lead.entries if one.opening and meant and one.journey == meant.number
    ]
    if stood:
        return f"stood there on {side.asked.ours(min(stood))}"
    first = min(side.lead.journeys, default=None)
    if first and first.opening and day and day < side.asked.ours(first.began):
        return f"entered before {side.asked.ours(first.began)}, when its history began here"
    return ""


def _only_ours(side: _Side, rows: list[Reported]) -> Difference:
    """Return why the report does not count a lead that we count."""
    entry, asked = side.counted, side.asked
    assert entry is not None, "only a lead that we count is judged here"
    dated = [row for row in rows if row.listed]  # on a day outside of the period, or it would count
    if dated:
        row = min(dated, key=lambda one: (abs((one.at or 0) - entry.at), _order(one)))
        if side.same(row, entry):
            return _more(side, row, Reason.OTHER_DAY, _apart(asked, row, entry))
        nearest = side.nearest(row)
        if nearest and nearest.journey == entry.journey:
            return _more(side, row, Reason.OTHER_DAY, "entered twice in one journey")
        return _more(side, row, Reason.OTHER_JOURNEY, _journey(entry))
    if rows:
        row = rows[0]
        detail = f"stands in {shown(row.word)} there" if row.word else "has no time of entry there"
        return _more(side, row, Reason.NOT_COUNTED, detail)
    return _more(side, None, Reason.ONLY_HERE, _from_where(side.lead, entry, asked.system))


def _from_where(lead: Lead, entry: Entry, system: str) -> str:
    """Return what we know of the record there of a lead that the report lacks."""
    if lead.deleted:
        return f"deleted in {system}"
    if system in lead.systems:
        return f"known from {system}: another pipeline, or not exported"
    others = ", ".join(sorted(lead.systems)) or entry.system or "elsewhere"
    return f"came from {others}"


def _without_lead(asked: Question, row: Reported, ours: Ours) -> Difference:
    """Judge a record of which we have no lead."""
    reason, detail = Reason.NEVER_RECEIVED, ""
    if row.record in ours.erased:
        reason, detail = Reason.EXCLUDED, "erased"
    elif row.record in ours.linked:
        detail = "only links to other records came"
    day = asked.theirs(row.at)
    return Difference(-1, reason, row.id, "", day, None, detail, address=row.address, line=row.line)


def _journey(entry: Entry) -> str:
    return f"entered in journey {entry.journey}"


def _apart(asked: Question, row: Reported, entry: Entry) -> str:
    """Return how the two days of one entry come apart."""
    there, here = asked.theirs(row.at), asked.ours(entry.at)
    if there is None:
        return "entered outside of the period"
    if there == asked.theirs(entry.at):
        return "the same moment, by zone"
    days = abs((here - there).days)
    return f"{days} day{'s' * (days != 1)} {'later' if here > there else 'earlier'} here"


def shown(word: str) -> str:
    """Return a cell's text as a report may repeat it: short, and no address of a person."""
    if "@" in word:
        return "'…' (no stage: is it the right column?)"
    return repr(word if len(word) <= 40 else f"{word[:39]}…")


def _less(
    side: _Side, row: Reported, reason: Reason, detail: str, entry: Entry | None = None
) -> Difference:
    return _difference(side, row, reason, detail, entry)._replace(delta=-1)


def _more(side: _Side, row: Reported | None, reason: Reason, detail: str) -> Difference:
    return _difference(side, row, reason, detail, side.counted)


def _difference(
    side: _Side, row: Reported | None, reason: Reason, detail: str, entry: Entry | None
) -> Difference:
    lead, asked = side.lead, side.asked
    return Difference(
        1,
        reason,
        row.id if row else "",
        lead.id,
        asked.theirs(row.at) if row else None,
        asked.ours(entry.at) if entry else None,
        detail,
        lead.stage,
        (row.address if row else "") or lead.address,
        row.line if row else 0,
    )
