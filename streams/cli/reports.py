"""The report of an import, for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from schemas.events import LeadEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.intake.importer import Report, Row
    from streams.sources.files import Made

MOST_NAMED = 20  # refused rows; all of them are counted by reason, and --json names more
_MOVED_NOTHING = {
    "ignored": "nothing to apply it to where the lead stood",
    "echo": "the lead was already in this stage or a later one",
    "unmapped": "the funnel knows no stage of this name",
    "no authority": "the funnel gives this source no authority over the stage",
    "not the owner": "reported by a team that does not own the stage",
    "no hand-off waits": "an acceptance where the funnel has none ahead",
    "no such hand-off": "names a hand-off that the funnel lacks",
    "nowhere to go": "no stage of the funnel takes it, so the lead stays",
}
_WEAK = (
    "events are known by weak aliases only: "
    "they are held until one is seen beside an alias that makes a lead"
)


def rows(found: list[Row]) -> list[dict[str, Any]]:
    """Return the rows of a dry run as a document."""
    return [
        {
            "file": row.file,
            "line": row.line,
            "makes": [one.model_dump(mode="json", exclude_defaults=True) for one in row.made],
        }
        for row in found
    ]


def lines(report: Report, found: list[Row], *, dry_run: bool) -> Iterator[str]:
    """Yield what was read, what became of it, and what did not, by reason."""
    for row in found if dry_run else ():
        for made in row.made:
            yield f"{row.file}:{row.line}: {_shown(made)}"
    for file in report.files:
        yield from _file(file)
    fates = f"accepted {report.accepted}, refused {report.refused}"
    yield f"read {report.read} rows, {fates}, {report.seconds} s"
    events = ", ".join(f"{count} {name}" for name, count in report.events.items()) or "nothing"
    yield f"  {'would publish' if dry_run else 'published'}: {events}"
    if report.named:
        yield f"  {report.named} different leads are named, before identities are joined"
    for count, text in (
        (report.left_out, "rows made nothing, by their conditions and empty times"),
        (report.repeated, "events are exact duplicates and count once"),
        (report.nobody, "events have no alias but those that the installation ignores"),
        (report.weak, _WEAK),
        (report.held, "of these are held now"),
    ):
        if count:
            yield f"  {count} {text}"
    yield from map(_note, report.ignored or ())
    for one in report.reasons:
        column = one["column"] or "the row"
        fault = f"{one['file']}: {column}: {one['reason']}"
        yield f"refused {one['rows']}: {fault} (first on line {one['line']})"
    for one in report.rejected[:MOST_NAMED]:
        yield f"  {one['file']}:{one['line']}: {one['column']}: {one['reason']}"


def _file(file: dict[str, Any]) -> Iterator[str]:
    how = [f"{what} {file[what]!r}" for what in ("encoding", "delimiter") if what in file]
    guessed = f" (found out: {', '.join(file['found_out'])})" if file.get("found_out") else ""
    yield f"{file['file']}: {file['rows']} rows, {', '.join(how) or 'Parquet'}{guessed}"
    if file["not_used"]:
        yield f"  columns that are not used: {', '.join(file['not_used'])}"
    if file["without"]:
        yield f"  columns that it lacks, read as empty: {', '.join(file['without'])}"


def _note(note: dict[str, Any]) -> str:
    stage = f" {note['stage']!r}" if note["stage"] else ""
    reason = f", reason {note['reason']!r}" if note["reason"] else ""
    why = _MOVED_NOTHING.get(note["what"], note["what"])
    return (
        f"moved nothing {note['n']}: {note['event']}{stage} in {note['current']!r}{reason}: {why}"
    )


def _shown(made: Made) -> str:
    fields = made.model_dump(mode="json", exclude_defaults=True)
    if not isinstance(made, LeadEvent):
        return f"{type(made).__name__.lower()} {fields}"
    at = datetime.fromtimestamp(fields.pop("occurred_at") / 1000, UTC)
    written = at.isoformat(timespec="milliseconds")
    known = ", ".join(fields.pop("aliases"))
    return f"{written} {fields.pop('type')} {fields.pop('id')} [{known}] {fields}"
