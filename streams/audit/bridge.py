"""The bridge from a saved report to today's figures: each change has one cause, and they add up.

A saved report keeps the members of its figures, the rows that they were counted from, and how far
each partition had been read. Today's members are asked for by the same question, and every row
that differs is a change of one lead. What changed that lead's facts since then is known: each
revision of a fact carries the record that made it. So a change is erased, merged, voided, late, and
so on, the first of `CAUSES` for which there is evidence; one that no record made is of the
definition, the release, or of time (docs/adr/0025).
"""

from __future__ import annotations

import gzip
from collections import defaultdict
from decimal import Decimal
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from schemas.errors import LeadstreamError
from schemas.events import Event, EventType
from sinks.clickhouse import asking, generations, kpis
from sinks.clickhouse.asking import Asked
from sinks.clickhouse.files import statement
from streams.domain import members

from . import archive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from schemas.funnel import Funnel
    from sinks.clickhouse.questions import Question

FORMAT = 1
_BATCH = 2_000  # leads a query: an address has no room for more ids
_EVIDENCE = statement(__file__, "bridge_evidence")

# Why a figure changed, in the order in which evidence counts.
CAUSES = {
    "erased": "a person was forgotten",
    "merged": "two records were found to be one lead",
    "unmerged": "a lead was parted again",
    "voided": "an event was taken back",
    "reopened": "a loss was taken back",
    "excluded": "a lead was found to be a duplicate, spam or a test",
    "moved": "a lead belongs to another value of the dimension",
    "late": "it had happened, and was not known yet",
    "happened": "it happened after the report",
    "restated": "a rate or an amount was stated again",
    "definition": "the funnel file changed",
    "release": "another release of leadstream counts otherwise",
    "matured": "its window passed, or it got there within it",
}


class NotBridged(LeadstreamError):  # noqa: N818 - it says what a person can do
    """A file is no saved report, or one that can't be compared."""


class Row(NamedTuple):
    """A member of a figure, by what tells it apart: `keys` are the figure's dimensions."""

    lead: str
    journey: int
    at: str
    keys: tuple[tuple[str, str], ...]


class Weight(NamedTuple):
    """What a member counts in a figure: in the numerator, in the denominator, or as an amount."""

    numerator: Decimal
    denominator: Decimal


def save(
    path: Path,
    client: Any,
    funnel: Funnel,
    asked: Asked,
    now: int,
    past: Callable[[int], Any] | None = None,
) -> dict[str, Any]:
    """Write a report with what a bridge needs, gzipped if the name ends with .gz; return it.

    `past` is that of `asking.report`.
    """
    generation = generations.active(client)
    cuts = archive.cuts(client, generation)  # before the figures: what comes meanwhile is evidence
    wanted = asking.read(funnel, asked, now)
    found = asking.report(client, funnel, asked, now, past)
    document = {
        "format": FORMAT,
        "saved_at": now,
        "asked": asked._asdict(),
        "start": wanted.start,
        "end": wanted.end,
        "asof": wanted.asof,
        "generation": generation,
        "release": version("leadstream"),
        "definitions": _definitions(client, generation),
        "windows": wanted.windows,
        "cuts": {str(partition): cut.next_offset for partition, cut in cuts.items()},
        **found,
        "members": {
            kpi.name: [
                [*row[:3], dict(row.keys), *map(str, weight)] for row, weight in rows.items()
            ]
            for kpi in _bridged(asked.kpis)
            for rows in [_members(client, wanted, kpi)]
        },
    }
    content = orjson.dumps(document, default=str)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return document


def load(path: Path) -> dict[str, Any]:
    """Read a saved report.

    Raises:
        NotBridged: the file is none.

    """
    try:
        content = path.read_bytes()
        found = orjson.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (OSError, ValueError, EOFError) as error:
        raise NotBridged(f"{path} can't be read as a report: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise NotBridged(
            f"{path} is no saved report: write one with leadstream kpis --save {path.name}"
        )
    return found


def bridge(client: Any, funnel: Funnel, saved: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Return each figure of a saved report that changed, and by what.

    {saved_at, now, figures: [{kpi, title, dimensions, measure, saved, now, parts: [{cause, why,
    change, leads}]}]}: the changes of the parts add up to the difference, exactly. `measure` is
    value (a count or a sum), numerator or denominator. A part's leads are {lead, journey, change};
    of erased ones only their number is given.
    """
    asked = Asked(**{**saved["asked"], "where": _pairs(saved["asked"]["where"])})
    names = tuple(saved["asked"]["kpis"])
    wanted = asking.read(funnel, asked._replace(kpis=names, as_of=""), now)
    end = max(saved["end"], saved["start"])
    wanted = wanted._replace(start=saved["start"], end=end, past=False)
    same = _Same(
        definition=saved["definitions"] == _definitions(client, generations.active(client)),
        release=saved["release"] == version("leadstream"),
        windows=saved["windows"] == wanted.windows,
    )
    figures = []
    for kpi in _bridged(names):
        before = _saved(saved["members"].get(kpi.name, []))
        after = _members(client, wanted, kpi)
        changed = {row.lead for row in before.keys() ^ after.keys()} | {
            row.lead for row in before.keys() & after.keys() if before[row] != after[row]
        }
        evidence = dict(_evidence(client, saved, funnel, sorted(changed)))
        causes = _causes(before, after, evidence, same, kpi)
        figures += _figures(kpi, before, after, causes)
    return {"saved_at": saved["saved_at"], "now": now, "figures": figures}


class _Same(NamedTuple):
    definition: bool
    release: bool
    windows: bool


def _definitions(client: Any, generation: int) -> list[str]:
    asked = "SELECT DISTINCT digest FROM definitions FINAL WHERE generation = {g:UInt16} ORDER BY 1"
    return [digest for (digest,) in client.query(asked, parameters={"g": generation}).result_rows]


def _pairs(where: Iterable[Iterable[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in where)


def _bridged(names: tuple[str, ...]) -> Iterator[kpis.Kpi]:
    """Yield the figures that add up: counts, shares' parts and sums, of what time keeps."""
    for kpi in kpis.catalogue():
        adds = kpi.form in ("count", "share", "cohort", "sum") and not kpi.of_states
        if adds and kpi.basis != "now" and (not names or kpi.name in names):
            yield kpi


def _members(client: Any, wanted: Question, kpi: kpis.Kpi) -> dict[Row, Weight]:
    found: dict[Row, Weight] = {}
    for one in kpis.members(client, wanted, kpi.name):
        row = Row(one["lead"], one["journey"], str(one["at"]), tuple(sorted(one["keys"].items())))
        weight = _weight(kpi, one)
        known = found.get(row, _NOTHING)
        found[row] = Weight(*(a + b for a, b in zip(known, weight, strict=True)))
    return found


_NOTHING = Weight(Decimal(0), Decimal(0))


def _weight(kpi: kpis.Kpi, one: Mapping[str, Any]) -> Weight:
    if kpi.form == "count":
        return Weight(Decimal(1), Decimal(0))
    if kpi.form == "sum":
        return Weight(Decimal(one["converted"] or 0), Decimal(0))
    if kpi.form == "share":
        known = one["counted"] is not None
        return Weight(Decimal(int(one["counted"] or 0)), Decimal(int(known)))
    ripe = bool(one["ripe"])
    return Weight(Decimal(int(ripe and bool(one["counted"]))), Decimal(int(ripe)))


def _saved(rows: list[list[Any]]) -> dict[Row, Weight]:
    return {
        Row(lead, journey, at, tuple(sorted(keys.items()))): Weight(Decimal(top), Decimal(below))
        for lead, journey, at, keys, top, below in rows
    }


def _evidence(
    client: Any, saved: Mapping[str, Any], funnel: Funnel, leads: list[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield leads with the causes that records since the report are evidence of."""
    cuts = {int(partition): offset for partition, offset in saved["cuts"].items()}
    shape = funnel.shape()
    for start in range(0, len(leads), _BATCH):
        parameters = {
            "generation": generations.active(client),
            "partitions": [*cuts],
            "offsets": [*cuts.values()],
            "leads": leads[start : start + _BATCH],
        }
        found: dict[str, set[str]] = defaultdict(set)
        for lead, kind, was, is_now, causes in client.query(
            _EVIDENCE, parameters=parameters
        ).result_rows:
            found[lead] |= {_cause(what, text, saved["asof"]) for what, text in causes}
            old, new = (orjson.loads(text) if text else {} for text in (was, is_now))
            if kind == "journey" and new and new.get("excluded") and not old.get("excluded"):
                found[lead].add("excluded")
            if kind == "transition" and not new and shape.lost and old.get("to") == shape.lost:
                found[lead].add("reopened")
        for lead, names in found.items():
            yield lead, frozenset(names - {""})


def _cause(what: str, text: str, asof: int) -> str:
    """Return what a record is evidence of; nothing where time alone changed a fact."""
    if not text:
        return ""
    value = orjson.loads(text)
    if what == "edge":
        return "unmerged" if value[3] == members.UNMERGE else "merged"
    event = Event(*value)
    if event.type == EventType.ERASE:
        return "erased"
    if event.type == EventType.VOID:
        return "voided"
    return "late" if event.at <= asof else "happened"


def _causes(
    before: Mapping[Row, Weight],
    after: Mapping[Row, Weight],
    evidence: Mapping[str, frozenset[str]],
    same: _Same,
    kpi: kpis.Kpi,
) -> dict[Row, str]:
    """Return the cause of each row that differs."""
    differ = [row for row in {**before, **after} if before.get(row) != after.get(row)]
    elsewhere = defaultdict(set)
    for rows in (before, after):
        for row in rows:
            elsewhere[row.lead, row.journey, row.at, _without_by(row)].add(row.keys)
    found = {}
    for row in differ:
        changed_place = len(elsewhere[row.lead, row.journey, row.at, _without_by(row)]) > 1
        stayed = row in before and row in after
        possible = evidence.get(row.lead, frozenset()) | ({"moved"} if changed_place else set())
        if kpi.form == "cohort" and stayed and same.windows and possible <= {"happened"}:
            possible = frozenset({"matured"})
        if not possible:
            possible = frozenset({_of_no_record(kpi, same, stayed=stayed)})
        found[row] = next(cause for cause in CAUSES if cause in possible)
    return found


def _of_no_record(kpi: kpis.Kpi, same: _Same, *, stayed: bool) -> str:
    if kpi.form == "sum" and stayed:
        return "restated"
    if not same.definition:
        return "definition"
    if not same.release:
        return "release"
    # a row that time alone brings or takes is of a timer or a window
    return "matured"


def _without_by(row: Row) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in row.keys if name != "by")


def _figures(
    kpi: kpis.Kpi,
    before: Mapping[Row, Weight],
    after: Mapping[Row, Weight],
    causes: Mapping[Row, str],
) -> list[dict[str, Any]]:
    groups: dict[tuple[tuple[str, str], ...], list[Row]] = defaultdict(list)
    for row in {**before, **after}:
        groups[row.keys].append(row)
    measures = ("value",) if kpi.form in ("count", "sum") else ("numerator", "denominator")
    out = []
    for keys, rows in sorted(groups.items()):
        for place, measure in enumerate(measures):
            saved, now = (sum((side.get(row, _NOTHING)[place] for row in rows), Decimal(0))
                          for side in (before, after))  # fmt: skip
            parts: dict[str, dict[str, Any]] = {}
            for row in rows:
                change = after.get(row, _NOTHING)[place] - before.get(row, _NOTHING)[place]
                if change:
                    part = parts.setdefault(causes[row], {"change": Decimal(0), "leads": []})
                    part["change"] += change
                    part["leads"].append((row.lead, row.journey, change))
            out.append(
                {
                    "kpi": kpi.name,
                    "title": kpi.title,
                    "unit": kpi.unit,
                    "dimensions": dict(keys),
                    "measure": measure,
                    "saved": _number(saved),
                    "now": _number(now),
                    "parts": [_part(cause, parts[cause]) for cause in CAUSES if cause in parts],
                }
            )
    return out


def _part(cause: str, part: Mapping[str, Any]) -> dict[str, Any]:
    listed = [
        {"lead": lead, "journey": journey, "change": _number(change)}
        for lead, journey, change in sorted(part["leads"])
    ]
    return {
        "cause": cause,
        "why": CAUSES[cause],
        "change": _number(part["change"]),
        "count": len(listed),
        "leads": [] if cause == "erased" else listed,
    }


def _number(value: Decimal) -> int | str:
    """Return a count as a number, and an amount as decimal text: a float would not add up."""
    whole = value.to_integral_value()
    return int(whole) if whole == value else format(value.normalize(), "f")
