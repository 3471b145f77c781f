"""Panels of figures: their statements, with stages by the titles of the firm.

A panel of a figure is its statement and, around it, a choice of columns. `Shown` says which column
shows which part of a figure, so that a test can hold each number to `kpis.ask`.
"""

from __future__ import annotations

from typing import NamedTuple

from sinks.clickhouse.catalogue import named

from .sql import SETTINGS, figure

NOTHING = "(none)"
NOT_KEPT: dict[str, str] = {}
ENTRY = "(SELECT entry FROM v_funnel_terms)"  # the first stage of the ladder, as SQL
STAGE_ID = "stage_id"  # a column for links, which is not shown
STAGES = ("stage", "next_stage", "destination", "handoff", "per")  # dimensions that name a stage
NUMBERS = ("value", "numerator", "denominator", "n", "mature", "pending", "implied")
# What people read of a figure's dimension.
HEADS = {
    "stage": "Stage",
    "next_stage": "Next stage",
    "destination": "Went to",
    "handoff": "Handed off in",
    "per": "Per",
    "reason": "Reason",
    "measure": "Measure",
    "leg": "Part",
    "basis": "Counted by",
    "clock": "Clock",
    "restarting": "Restarts with activity",
    "measured": "Measured",
    "currency": "Currency",
    "unconverted": "Without a rate",
    "accepted_by": "Said yes",
    "refused_by": "Said no",
    "question": "Question",
    "team": "Team",
    "why": "Why",
    "metric": "Metric",
    "owner": "Owner",
    "scope": "Of",
    "strategy": "Strategy",
    "until": "Until",
    "part": "Part of the sum",
}
TITLES = (
    "(SELECT mapFromArrays(groupArray(stage), groupArray(title)) FROM v_stages) AS stage_titles"
)
PLACES = "(SELECT groupArray(stage) FROM (SELECT stage FROM v_stages ORDER BY place)) AS places"


class Shown(NamedTuple):
    """What a statement shows of a figure: its dimensions and numbers, by the panel's columns.

    `kept` are the dimensions of which it shows one value only, as SQL.
    """

    kpi: str
    sql: str
    by: str
    dimensions: dict[str, str]
    numbers: dict[str, str]
    kept: dict[str, str] = {}  # noqa: RUF012 - read only
    trend: bool = False


def titled(name: str) -> str:
    """Return a stage's title as SQL."""
    return f"if(mapContains(stage_titles, {name}), stage_titles[{name}], {name})"


def _label(name: str, by: str = "") -> str:
    if name == by:
        return f"if(by = '', '{NOTHING}', by)"
    if name in STAGES:
        return titled(name)
    if name == "clock":  # stage.clock
        own = "splitByChar('.', clock)[-1]"
        stage = f"substring(clock, 1, length(clock) - length({own}) - 1)"
        return f"concat({titled(stage)}, '.', {own})"
    return name


def table(
    name: str,
    numbers: dict[str, str],
    *,
    by: str = "",
    rows: tuple[str, ...] | None = None,
    kept: dict[str, str] = NOT_KEPT,
) -> Shown:
    """Return a figure as a table: its dimensions, then `numbers`, the figure's by column.

    `rows` are the figure's dimensions where they are not those of its file, or not all are shown.
    """
    own = named(name).rows if rows is None else rows
    heads = _heads((*filter(None, [by]), *own))
    columns = [f'  {_label(key, by)} AS "{head}"' for head, key in heads.items()]
    columns += [f'  {_number(name, number)} AS "{head}"' for head, number in numbers.items()]
    stages = [key for key in own if key in STAGES]
    if stages:
        columns.append(f'  toString({stages[0]}) AS "{STAGE_ID}"')
    order = [f"indexOf(places, {key})" for key in stages] + [f'"{head}"' for head in heads]
    text = _around(columns, figure(name, by=by), kept, order)
    return Shown(name, text, by, heads, numbers, kept)


def bars(
    name: str, row: str, *, by: str = "", kept: dict[str, str] = NOT_KEPT, number: str = "value"
) -> Shown:
    """Return a figure as one bar for each of a dimension's values: a label and a number."""
    kpi = named(name)
    heads = _heads((row,))
    columns = [
        *(f'  toString({_label(key, by)}) AS "{head}"' for head, key in heads.items()),
        f'  {number} AS "{kpi.title}"',
    ]
    order = [f"indexOf(places, {row})" if row in STAGES else f'"{kpi.title}" DESC']
    text = _around(columns, figure(name, by=by), kept, [*order, *(f'"{head}"' for head in heads)])
    return Shown(name, text, by, heads, {kpi.title: number}, kept)


def one(name: str, numbers: dict[str, str], *, kept: dict[str, str] = NOT_KEPT) -> Shown:
    """Return a figure that has one row as its numbers."""
    columns = [f'  {number} AS "{head}"' for head, number in numbers.items()]
    return Shown(name, _around(columns, figure(name), kept, []), "", {}, numbers, kept)


def trend(
    name: str, row: str, *, by: str = "", kept: dict[str, str] = NOT_KEPT, number: str = "value"
) -> Shown:
    """Return a figure by time: a time, the series' label, a number; the plugin makes columns of it.

    `row` is the dimension that makes the series: one of the figure's rows, or `by`.
    """
    kpi = named(name)
    heads = _heads((row,))
    columns = ["  toDateTime(toDate(bucket), panel_zone) AS time"]
    columns += [f'  toString({_label(key, by)}) AS "{head}"' for head, key in heads.items()]
    columns.append(f'  toFloat64({number}) AS "{kpi.title}"')
    zone = "assumeNotNull((SELECT zone FROM v_funnel_terms)) AS panel_zone"
    order = ["time", *(f'"{head}"' for head in heads)]
    text = _around(columns, figure(name, by=by, trend=True), kept, order, zone)
    return Shown(name, text, by, heads, {kpi.title: number}, kept, trend=True)


def _number(name: str, number: str) -> str:
    """Return a number as SQL: of a figure on two bases, the period's has nobody pending."""
    kpi = named(name)
    of_cohort = kpi.basis == "both" and kpi.form == "cohort" and number in ("mature", "pending")
    return f"if(basis = 'period', NULL, {number})" if of_cohort else number


def _heads(keys: tuple[str, ...]) -> dict[str, str]:
    return {HEADS.get(key, key.capitalize().replace("_", " ")): key for key in keys}


def _around(
    columns: list[str], text: str, kept: dict[str, str], order: list[str], *more: str
) -> str:
    heads = ",\n  ".join((TITLES, PLACES, *more))
    conditions = " AND ".join(f"{name} = {value}" for name, value in kept.items())
    where = f"WHERE {conditions}\n" if kept else ""
    ordered = f"ORDER BY {', '.join(order)}\n" if order else ""
    return (
        f"WITH\n  {heads}\nSELECT\n"
        + ",\n".join(columns)
        + f"\nFROM (\n{text}\n) AS figures\n{where}{ordered}{SETTINGS}"
    )
