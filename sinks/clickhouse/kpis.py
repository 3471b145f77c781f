"""The figures of docs/design/kpis.md, and the one way to ask for them.

Page, API, command line, report and Grafana's panels show the same figures: those of `ask`, and the
leads behind one, by `behind`. Both count the same rows, the members that a figure's file selects
(catalogue.py). Times are ms since the epoch, UTC. What a file may read is in sql/kpis_prelude.sql.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from schemas.funnel import BUILT_IN

from . import attainment
from .catalogue import ARRIVAL, FILES, NOT_APPLICABLE, Kpi, catalogue, lacking, named
from .files import statement
from .questions import SPEND_BY, STAGE, Question, column, conditions, is_named, question
from .spans import buckets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = (
    "ARRIVAL", "FILES", "NOT_APPLICABLE", "Kpi", "Question", "ask", "behind", "catalogue",
    "lacking", "members", "question", "sql",
)  # fmt: skip

FIGURES = ("value", "numerator", "denominator", "n", "mature", "pending")
_OWNS = statement(__file__, "kpis_owns")
_PRELUDE = statement(__file__, "kpis_prelude")
_SETTINGS = {"joined_subquery_requires_alias": 0}
# A filter by stage keeps rows by the first of these that a figure has.
_STAGES = ("stage", "handoff", "next_stage", "per")
PAST_NEEDS_ARCHIVE = (
    "where leads stood at a past instant is folded from the archive: leadstream kpis --as-of"
)
# How members become a figure, by its form. A median's missing spans are infinite.
_FORMS = {
    "count": "toFloat64(count()) AS value, count() AS n",
    "share": (
        "if(countIf(counted IS NOT NULL) = 0, NULL,"
        " countIf(counted) / countIf(counted IS NOT NULL)) AS value,"
        " countIf(counted) AS numerator, countIf(counted IS NOT NULL) AS denominator, count() AS n"
    ),
    "cohort": (
        "if(countIf(ripe) = 0, NULL, countIf(counted AND ripe) / countIf(ripe)) AS value,"
        " countIf(counted AND ripe) AS numerator, countIf(ripe) AS denominator, count() AS n,"
        " countIf(ripe) AS mature, countIf(waits) AS pending"
    ),
    "sum": (
        "toFloat64(sum(converted)) AS value,"
        " if(unconverted = '', NULL, toFloat64(sum(amount))) AS numerator, count() AS n"
    ),
    "median": (
        "if(countIf(NOT waits AND span IS NULL) * 2 >= countIf(NOT waits), NULL,"
        " quantileExactInclusiveIf(0.5)(ifNull(span, 9e15), NOT waits)) AS value,"
        " countIf(NOT waits) AS n, countIf(waits OR span IS NULL) AS pending"
    ),
}
_BEHIND = (
    "SELECT toString(member.lead_id) AS lead, toUInt32(member.journey) AS journey,"
    " min(member.at) AS at{highest}, count() OVER () AS total"
    " FROM (SELECT lead_id, journey, at{shown} FROM members WHERE {kept}) AS member"
    " GROUP BY member.lead_id, member.journey"
    " ORDER BY at DESC, lead LIMIT {{limit:UInt32}} OFFSET {{offset:UInt64}}"
)
_IMPLIED = ", countIf(implied_entry AND ripe) AS implied"


def sql(kpi: Kpi, asked: Question, select: str = "") -> str:
    """Return the whole statement of a figure, or another `select` from its members."""
    parts = {
        "{owns}": _OWNS if asked.by == "campaign" or "campaign" in dict(asked.where) else "",
        "{by}": column(asked.by),
        "{own_by}": column(asked.by) if is_named(asked.by) else "journey_by",
        "{spend_by}": SPEND_BY.get(asked.by, "''"),
        "{unit_by}": "by" if asked.by in SPEND_BY else "''",
        **conditions(asked),
    }
    text = _PRELUDE
    if kpi.members:
        text += f"  , members AS (SELECT * FROM ({kpi.members}) {_of_stage(kpi, asked)})\n"
    text += select or kpi.written or _counted(kpi, asked)
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def _of_stage(kpi: Kpi, asked: Question) -> str:
    name = _stage_row(kpi)
    return f"WHERE {name} IN {{keep_stage:Array(String)}}" if _keeps_stage(asked) and name else ""


def _keeps_stage(asked: Question) -> bool:
    return STAGE in dict(asked.where)


def _stage_row(kpi: Kpi) -> str:
    return next((name for name in _STAGES if name in kpi.rows), "")


def _counted(kpi: Kpi, asked: Question) -> str:
    """Return how the members are counted, by the rows of the figure, the dimension, the bucket."""
    keys = [*(("bucket",) if asked.trend else ()), *(("by",) if kpi.split else ()), *kpi.rows]
    bucket = f"{_bucket(asked)} AS bucket, " if asked.trend else ""
    form = _FORMS[kpi.form] + (_IMPLIED if "implied_entry" in kpi.members else "")
    named_keys = ", ".join(f"{key} AS {key}" for key in keys if key != "bucket")
    head = f"{bucket}{named_keys}{', ' if named_keys else ''}"
    grouped = f" GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}" if keys else ""
    return f"SELECT {head}{form} FROM members{grouped}"


def _bucket(asked: Question) -> str:
    day = "toDate(assumeNotNull(at), {zone:String})"
    if asked.trend == "day":
        return f"toString({day})"
    if asked.trend == "month":
        return f"toString(toStartOfMonth({day}))"
    return f"toString(toStartOfWeek({day}, {1 if asked.week_start == 'monday' else 0}))"


def ask(client: Any, asked: Question, names: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the figures as documents, of all KPIs or of those named.

    A document is {kpi, title, basis, unit, format, better, dimensions, value, numerator,
    denominator, n, mature, pending, implied, note}. A cohort's value, numerator and denominator are
    of its mature members, `n` of all, `pending` of those that still may get there.
    """
    wanted = set(names)
    figures: list[dict[str, Any]] = []
    for kpi in catalogue():
        if wanted and kpi.name not in wanted:
            continue
        if why := lacking(kpi, asked.shape) or (
            PAST_NEEDS_ARCHIVE if asked.past and kpi.of_states else ""
        ):
            figures.append(_document(kpi, NOT_APPLICABLE, {"why": why}, {}, asked))
        elif asked.trend:
            figures += _trend(client, kpi, asked)
        else:
            figures += _asked(client, kpi, asked)
    return figures


def _trend(client: Any, kpi: Kpi, asked: Question) -> list[dict[str, Any]]:
    """Return a figure by buckets of its period: one query where members can be told apart by `at`.

    A figure of now has no trend; one that is written out, or that counts an end, is asked for each.
    """
    if kpi.basis in ("now", ARRIVAL) or kpi.name == attainment.KPI:
        found = _asked(client, kpi, asked._replace(trend=""))
        return [_ignoring(figure, "trend") for figure in found]
    if kpi.form != "written" and "{end:" not in kpi.members.split("FROM")[0]:
        return _asked(client, kpi, asked)
    return [
        {**figure, "dimensions": {"bucket": first, **figure["dimensions"]}}
        for first, start, end in buckets(asked)
        for figure in _asked(client, kpi, asked._replace(trend="", start=start, end=end))
    ]


def _asked(client: Any, kpi: Kpi, asked: Question) -> list[dict[str, Any]]:
    asked, ignored = _applicable(kpi, asked)
    figures = []
    for values in _rows(client, asked, sql(kpi, asked)):
        if kpi.name == attainment.KPI:
            target = attainment.Target(**values)
            reached = attainment.figures(
                target, asked.zone, asked.asof, lambda *of: _actual(client, asked, *of)
            )
            figures += [{**_read(kpi), **one} for one in reached]
        else:
            figures.append(figure_of(kpi, values, asked, ignored))
    return figures


def _applicable(kpi: Kpi, asked: Question) -> tuple[Question, str]:
    """Return the question as a figure can answer it, and what of it the figure ignores."""
    filters = {name for name, _ in asked.where}
    if kpi.filters == "none":
        dropped = filters
    elif kpi.filters == "spend":
        dropped = filters - set(SPEND_BY)
    else:
        dropped = filters & ({STAGE} if not _stage_row(kpi) else set())
    unsplit = {asked.by} if asked.by and (not kpi.split or _spends_otherwise(kpi, asked)) else set()
    return asked.without(dropped), ", ".join(sorted(dropped | unsplit))


def _spends_otherwise(kpi: Kpi, asked: Question) -> bool:
    return kpi.filters == "spend" and asked.by not in SPEND_BY


def _actual(
    client: Any, asked: Question, metric: str, start: int, end: int, wanted: dict[str, str]
) -> list[dict[str, Any]]:
    """Ask a target's metric over the target's own period, by the dimension that the target has."""
    # A target of itself: only a record that no file brought can be one.
    if metric == attainment.KPI:
        return []
    by = next((name for name in (*BUILT_IN, *asked.dimensions) if name in wanted), "")
    until = min(end, asked.asof + 1)
    own = asked._replace(start=start, end=until, by=by, where=(), trend="")
    return ask(client, own, [metric])


def figure_of(
    kpi: Kpi, values: dict[str, Any], asked: Question, ignored: str = ""
) -> dict[str, Any]:
    """Return a row of a figure's query as a document."""
    values = dict(values)
    basis = values.pop("basis", kpi.basis)
    group = values.pop("by", None)
    figure = {name: values.pop(name, None) for name in (*FIGURES, "implied")}
    if basis == "period" and kpi.form == "cohort":  # a period has nobody who still may come
        figure |= {"mature": None, "pending": None}
    shown_by = asked.by and group is not None and asked.by not in ignored.split(", ")
    bucket = {"bucket": values.pop("bucket")} if "bucket" in values else {}
    dimensions = {**bucket, **({asked.by: group} if shown_by else {}), **values}
    if ignored:  # the figure is of all: it has no such dimension
        dimensions["ignores"] = ignored
    return _document(kpi, basis, dimensions, figure, asked)


def _document(
    kpi: Kpi, basis: str, dimensions: dict[str, Any], figure: dict[str, Any], asked: Question
) -> dict[str, Any]:
    numbers = {name: figure.get(name) for name in (*FIGURES, "implied")}
    # JSON has no NaN.
    if numbers["value"] is not None:
        finite = math.isfinite(numbers["value"])
        numbers["value"] = float(numbers["value"]) if finite else None
    note = _note(kpi, dimensions, asked)
    return {**_read(kpi), "basis": basis, "dimensions": dimensions, **numbers, "note": note}


def _read(kpi: Kpi) -> dict[str, Any]:
    return {
        "kpi": kpi.name,
        "title": kpi.title,
        "unit": kpi.unit,
        "format": kpi.format,
        "better": kpi.better,
        "meaning": kpi.meaning,
        "implied": None,
        "note": "",
    }


def _note(kpi: Kpi, dimensions: Mapping[str, Any], asked: Question) -> str:
    """Say where a conversion leads to a stage that nothing reports: each entry there is implied."""
    if kpi.name not in ("step_conversion", "conversion", "throughput"):
        return ""
    stage = dimensions.get("next_stage") or dimensions.get("stage")
    silent = stage in asked.unreported
    return f"no enabled source reports {stage}: every entry is implied" if silent else ""


def _ignoring(figure: dict[str, Any], what: str) -> dict[str, Any]:
    known = figure["dimensions"].get("ignores", "")
    ignores = f"{known}, {what}" if known else what
    return {**figure, "dimensions": {**figure["dimensions"], "ignores": ignores}}


def behind(
    client: Any,
    asked: Question,
    name: str,
    dimensions: Mapping[str, Any],
    limit: int = 50,
    offset: int = 0,
) -> dict[str, Any]:
    """Return the leads behind a figure: {total, leads: [{lead, journey, at, counted, ...}]}.

    `dimensions` are those of the figure's document, a trend's `bucket` too; of a figure that has
    two bases, `basis` may stand with them. Of a share, `counted` says who is in its numerator; of a
    cohort, `ripe` who is mature.

    Raises:
        ValueError: there is no such figure, it counts no leads, or not as of that instant.

    """
    kpi = named(name)
    if not kpi.members:
        raise ValueError(f"{name} counts no leads")
    if asked.past and kpi.of_states:
        raise ValueError(f"who is behind {name} is known as of now only: ask without an instant")
    asked, ignored = _applicable(
        kpi, _in_bucket(asked, dimensions.get("bucket"))._replace(trend="")
    )
    kept, values = ["1"], {}
    for place, (key, value) in enumerate(dimensions.items()):
        split = key == asked.by and key not in ignored.split(", ")
        if split or (key in kpi.rows and key in kpi.columns):
            kept.append(f"toString({'by' if split else key}) = {{is_{place}:String}}")
            values[f"is_{place}"] = str(value)
    of_share = [one for one in ("counted", "ripe") if one in kpi.columns]
    shown = "".join(f", {one}" for one in of_share)
    highest = "".join(f", max(member.{one}) AS {one}" for one in of_share)
    select = _BEHIND.format(shown=shown, highest=highest, kept=" AND ".join(kept))
    page = {"limit": limit, "offset": offset}
    rows = _rows(client, asked, sql(kpi, asked, select), **values, **page)
    total = rows[0]["total"] if rows else 0
    return {"total": total, "leads": [_without(row, "total") for row in rows]}


def members(client: Any, asked: Question, name: str) -> list[dict[str, Any]]:
    """Return the rows that a figure is counted from: {lead, journey, at, keys, ...}.

    `keys` are the figure's dimensions, `by` among them; beside them what its form counts: counted,
    ripe, converted.

    Raises:
        ValueError: there is no such figure.

    """
    kpi = named(name)
    asked, _ = _applicable(kpi, asked._replace(trend=""))
    keys = (*(("by",) if kpi.split else ()), *kpi.rows)
    keys = tuple(key for key in keys if key in kpi.columns)
    counts = [one for one in ("counted", "ripe", "converted") if one in kpi.columns]
    listed = ", ".join(f"toString({key}) AS key_{key}" for key in keys)
    select = (
        "SELECT toString(lead_id) AS lead, toUInt32(journey) AS journey,"
        " toUnixTimestamp64Milli(assumeNotNull(at)) AS at"
        + "".join(f", {one}" for one in (listed, *counts) if one)
        + " FROM members"
    )
    rows = _rows(client, asked, sql(kpi, asked, select))
    return [
        {name: value for name, value in row.items() if not name.startswith("key_")}
        | {"keys": {key: row[f"key_{key}"] for key in keys}}
        for row in rows
    ]


def _rows(client: Any, asked: Question, text: str, **more: Any) -> list[dict[str, Any]]:
    """Ask a statement of a question, with parameters beside the question's; give rows by column."""
    parameters = {**asked.parameters(), **more}
    result = client.query(text, parameters=parameters, settings=_SETTINGS)
    return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]


def _in_bucket(asked: Question, bucket: str | None) -> Question:
    """Return the question of one bucket of a trend; without one, the question as it is.

    Raises:
        ValueError: the trend has no such bucket.

    """
    if bucket is None:
        return asked
    for first, start, end in buckets(asked):
        if first == bucket:
            return asked._replace(start=start, end=end)
    raise ValueError(f"the trend has no bucket {bucket!r}: name its first day, like 2026-01-31")


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
