"""A reconciliation for people, for programs, and as a file for a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import groupby
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

    from streams.domain.reconciliation import Difference, Reconciliation
    from streams.sources.files import Refused

MOST_NAMED = 20  # records and leads; all of them are in --json and --csv
MOST_REFUSED = 10
_WIDTH = 78
COLUMNS = ("id", "reason", "change", "there", "here", "stage", "detail", "lead", "address", "line")


def document(found: Reconciliation, refused: list[Refused]) -> dict[str, Any]:
    """Return a document: both figures, the sum of each reason, each record or lead."""
    asked = found.asked
    return {
        "stage": asked.stage,
        "from": asked.first,
        "to": asked.last,
        "zone": asked.zone,
        "report_zone": asked.report_zone,
        "rows": found.rows,
        "reported": found.reported,
        "leadstream": found.ours,
        "difference": found.difference,
        "matched": found.matched,
        "repeated": found.repeated,
        "inflow": found.entries,
        "reasons": [
            {"reason": one.reason, "only_there": one.minus, "only_here": one.plus, "sum": one.delta}
            for one in found.sums
        ],
        "leads": [dict(zip(COLUMNS, _cells(one), strict=True)) for one in found.differences],
        "refused": [one._asdict() for one in refused],
    }


def _cells(one: Difference) -> tuple[Any, ...]:
    return (
        one.id,
        one.reason.value,
        one.delta,
        one.theirs,
        one.ours,
        one.stage,
        one.detail,
        one.lead,
        one.address,
        one.line or None,
    )


def write(file: IO[str], found: Reconciliation) -> None:
    """Write a CSV row for each record or lead that differs; no cell is a formula."""
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    for one in found.differences:
        rows.writerow(_tame(cell) if isinstance(cell, str) else cell for cell in _cells(one))


def _tame(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def readable(found: Reconciliation, report: str, refused: list[Refused]) -> Iterator[str]:
    """Yield the lines of a reconciliation, within 80 columns."""
    asked = found.asked
    yield f"{asked.stage} from {asked.first} until before {asked.last}"
    here, there = f"days of {asked.zone}", f"days of {asked.report_zone}"
    yield here if here == there else f"{there} in the report, {here} here"
    yield ""
    yield f"  {_cut(report, 25)} counts, of {found.rows} rows".ljust(50) + f"{found.reported:>8}"
    yield "  leadstream counts".ljust(50) + f"{found.ours:>8}"
    yield "  difference".ljust(50) + f"{_signed(found.difference):>8}"
    if found.differences:
        yield ""
        yield "  reason".ljust(24) + f"{'only there':>12}{'only here':>12}{'sum':>10}"
        for one in found.sums:
            minus, plus = f"-{one.minus}" if one.minus else "", f"+{one.plus}" if one.plus else ""
            yield f"  {one.reason}".ljust(24) + f"{minus:>12}{plus:>12}{_signed(one.delta):>10}"
        yield ""
        yield from _named(found)
    if notes := list(_notes(found, refused)):
        yield ""
        yield from notes


def _named(found: Reconciliation) -> Iterator[str]:
    shown = found.differences[:MOST_NAMED]
    wide = min(20, max(6, *(len(one.id) for one in shown)))
    yield f"  {'record':<{wide + 2}} {'there':<10} {'here':<10} why"
    for reason, ones in groupby(shown, key=lambda one: one.reason):
        yield f"  {reason}"
        for one in ones:
            days = f"{_shown(one.theirs):<10} {_shown(one.ours):<10} "
            head = f"    {_cut(one.id or '-', wide):<{wide}} {days}"
            yield (head + _cut(_why(one), _WIDTH - len(head))).rstrip()
    left = len(found.differences) - len(shown)
    more = f"and {left} more: " if left else ""
    yield f"  {more}--csv FILE has all, with leads' ids and records' addresses"


def _why(one: Difference) -> str:
    """Return more than the reason says; for a lead without a record, its id."""
    return one.detail or (one.lead if not one.id else "")


def _notes(found: Reconciliation, refused: list[Refused]) -> Iterator[str]:
    if found.repeated:
        yield f"  {found.repeated} rows name a record again, and count once"
    if found.entries != found.ours:
        yield (
            f"  the KPI inflow shows {found.entries}: each entry of a lead, duplicates and spam too"
        )
    if found.reported and not found.matched and _unknown(found) == found.reported:
        yield "  no record of the report is known here: is --account right, and its system's?"
    for one in refused[:MOST_REFUSED]:
        yield f"  refused {one.file}:{one.line}: {one.column or 'the row'}: {one.reason}"
    if len(refused) > MOST_REFUSED:
        yield f"  and {len(refused) - MOST_REFUSED} more rows are refused: --json has all"


def _unknown(found: Reconciliation) -> int:
    from streams.domain.reconciliation import Reason

    return sum(one.reason is Reason.NEVER_RECEIVED for one in found.differences)


def _signed(number: int) -> str:
    return f"{number:+}" if number else "0"


def _shown(day: date | None) -> str:
    return str(day) if day else "-"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
