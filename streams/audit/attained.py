"""Target attainment as a file that can be audited: pay may depend on it.

Each row states what a target asked for, what was reached, of what, by which definition and
generation, and when it was computed. Its digest covers the row and the digest before it, so whoever
changes, drops, adds or moves a row breaks the chain; `broken` says where.
"""

from __future__ import annotations

import csv
import hashlib
import io
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import orjson

from schemas.errors import LeadstreamError
from schemas.funnel import BUILT_IN
from sinks.clickhouse import attainment
from sinks.clickhouse.asking import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from schemas.funnel import Funnel

    Ask = Callable[[Asked], dict[str, Any]]

COLUMNS = (
    "metric", "scope", "owner", "shared", "strategy", "first_day", "last_day", "zone", "target",
    "actual", "numerator", "denominator", "n", "attainment", "pace", "funnel",
    "definition_version", "generation", "as_of", "computed_at", "digest",
)  # fmt: skip


_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class NotAttained(LeadstreamError):  # noqa: N818 - it says what a person can do
    """A file is no export of attainment."""


def rows(
    ask: Ask, funnel: Funnel, asked: Asked, generation: int, computed_at: int
) -> list[dict[str, str]]:
    """Return a row for each target that falls into the period, in the order of the targets.

    `ask` is asking.report; `computed_at` is ms. The numerator and denominator are those of the
    target's own figure, over the target's period.
    """
    report = ask(asked._replace(kpis=(attainment.KPI,), by="", where=(), trend="", compare=False))
    figures = [one for one in report["figures"] if "measure" in one["dimensions"]]
    pace = {_target(one): one["value"] for one in figures if _measure(one) == "pace"}
    made, before = [], ""
    for one in figures:
        if _measure(one) != "attainment":
            continue
        named = one["dimensions"]
        own = _own(ask, funnel, asked, one) or {}
        row = {
            **{name: plain(str(named[name])) for name in ("metric", "scope", "owner", "strategy")},
            "shared": "true" if named["shared"] else "false",
            "first_day": named["start"],
            "last_day": named["end"],
            "zone": report["period"]["zone"],
            "target": _text(one["denominator"]),
            "actual": _text(one["numerator"]),
            "numerator": _text(own.get("numerator", one["numerator"])),
            "denominator": _text(own.get("denominator")),
            "n": _text(one["n"]),
            "attainment": _text(one["value"]),
            "pace": _text(pace.get(_target(one))),
            "funnel": funnel.funnel,
            "definition_version": funnel.version,
            "generation": str(generation),
            "as_of": _utc(report["period"]["as_of"]),
            "computed_at": f"{datetime.fromtimestamp(computed_at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        before = row["digest"] = _digest(row, before)
        made.append(row)
    return made


def plain(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def table(found: Iterable[Mapping[str, str]]) -> str:
    """Return rows as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(found)
    return out.getvalue()


def broken(text: str) -> int | None:
    """Return the first line of a CSV file that is not as it was written; None where all are.

    Rows cut off the end leave a chain that is whole: compare the last digest with the one that was
    printed.

    Raises:
        NotAttained: the file is no export of attainment.

    """
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise NotAttained("this is no export of `leadstream attainment --csv`: its columns differ")
    before = ""
    for number, row in enumerate(reader, 2):
        if None in row or None in row.values() or row["digest"] != _digest(row, before):
            return number
        before = row["digest"]
    return None


def _digest(row: Mapping[str, str], before: str) -> str:
    cells = [before, *(row[name] for name in COLUMNS if name != "digest")]
    return hashlib.sha256(orjson.dumps(cells)).hexdigest()


def _own(
    ask: Ask, funnel: Funnel, asked: Asked, figure: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the one figure that a target is about, asked over the target's period."""
    named = figure["dimensions"]
    wanted = orjson.loads(named["scope"]) if named["scope"] else {}
    by = next((name for name in (*BUILT_IN, *funnel.dimensions) if name in wanted), "")
    until = date.fromisoformat(named["end"]) + timedelta(days=1)
    question = Asked(
        start=named["start"], end=str(until), by=by, kpis=(named["metric"],),
        zone=asked.zone, as_of=asked.as_of,
    )  # fmt: skip
    basis = wanted.pop("basis", "")
    fitting = [
        one
        for one in ask(question)["figures"]
        if basis in ("", one["basis"])
        and all(str(one["dimensions"].get(name)) == value for name, value in wanted.items())
    ]
    exact = [one for one in fitting if one["value"] == figure["numerator"]]
    has_parts = len(exact) == 1 and exact[0]["numerator"] is not None
    return exact[0] if has_parts else None


def _measure(figure: Mapping[str, Any]) -> str:
    return str(figure["dimensions"]["measure"])


def _target(figure: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(value) for name, value in figure["dimensions"].items() if name != "measure")


def _text(value: float | None) -> str:
    return "" if value is None else repr(value)


def _utc(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
