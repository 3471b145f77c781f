"""leadstream kpis: the figures of a period, as a report that fits a terminal of 80 columns."""

from __future__ import annotations

import csv
import io
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from sinks.clickhouse.catalogue import NOT_APPLICABLE

from .context import document, on_home, print_line
from .data import AnyHome
from .run import Json

if TYPE_CHECKING:
    from schemas.funnel import Funnel
    from sinks.clickhouse.asking import Asked

app = typer.Typer()
WIDTH = 80
_LABEL, _VALUE = 30, 14
_LISTED = 5  # leads of a part of a bridge
_COUNTS = ("numerator", "denominator", "n", "mature", "pending")
_COLUMNS = ("kpi", "basis", "dimensions", "value", "previous", "unit", *_COUNTS, "implied", "note")


@app.command()
def kpis(
    home: AnyHome = None,
    start: Annotated[str, typer.Option("--from", help="First day, in the reporting zone.")] = "",
    end: Annotated[
        str, typer.Option("--to", help="Day after the last, in the reporting zone.")
    ] = "",
    period: Annotated[
        str, typer.Option(help="A period by name, like last-week, this-month or last-30-days.")
    ] = "",
    by: Annotated[
        str,
        typer.Option(
            help="source, channel, campaign, lead_origin, segment, or one the funnel file names."
        ),
    ] = "",
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Keep only this, like channel=paid_social; more of one dimension: any of them. "
            "Beside dimensions: stage, version (of the funnel)."
        ),
    ] = None,
    kpi: Annotated[list[str] | None, typer.Option(help="Only this KPI; may be repeated.")] = None,
    trend: Annotated[str, typer.Option(help="By day, week or month.")] = "",
    compare: Annotated[
        bool, typer.Option("--compare", help="Beside each figure that of the period before.")
    ] = False,
    zone: Annotated[str, typer.Option(help="Another zone than the reporting one.")] = "",
    cohort_days: Annotated[
        int | None, typer.Option(help="One window for all cohorts, in days.", min=1, max=3_660)
    ] = None,
    as_of: Annotated[
        str,
        typer.Option(
            help="Figures as of this instant (ISO 8601; without a zone, in the reporting zone)."
        ),
    ] = "",
    leads: Annotated[
        bool, typer.Option("--leads", help="The leads behind the one figure that is asked for.")
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(help="Write the report to a file, for --since; .gz makes it small."),
    ] = None,
    since: Annotated[
        Path | None, typer.Option(help="What changed since a saved report, and why.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Print the figures (KPIs) of a period.

    Example: leadstream kpis --period last-week --compare --by source
    """
    from sinks.clickhouse import generations
    from sinks.clickhouse.asking import Asked, Unreadable
    from streams.connections import clickhouse_client

    settings = on_home(home)
    client = clickhouse_client(settings)
    funnel = generations.in_force(client, settings.funnel)
    asked = Asked(
        start, end, period, as_of, zone, by, _filters(where or []), trend, compare, cohort_days,
        tuple(kpi or ()),
    )  # fmt: skip
    if since is not None:
        _print_bridge(client, funnel, since, as_json=as_json)
        return
    try:
        if save is not None or not leads:
            found = _report(settings, client, funnel, asked, save)
        if leads:
            found = _leads(client, funnel, asked)
    except Unreadable as error:
        raise typer.BadParameter(error.marked("--")) from error
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if leads:
        _print_leads(found, as_csv=as_csv, as_json=as_json)
    elif as_json:
        document(found["figures"])
    elif as_csv:
        sys.stdout.write(table(found["figures"]))
    else:
        for line in readable(found, funnel):
            print_line(line)


def _report(
    settings: Any, client: Any, funnel: Funnel, asked: Asked, save: Path | None
) -> dict[str, Any]:
    """Return the report that is asked for; write it to a file too, if one is named."""
    from sinks.clickhouse import asking
    from streams.audit import bridge, past

    now = int(time.time() * 1000)
    with past.Worlds(settings, client) as worlds:
        if save is not None:
            return bridge.save(save, client, funnel, asked, now, worlds.at)
        return asking.report(client, funnel, asked, now, worlds.at)


def _leads(client: Any, funnel: Funnel, asked: Asked) -> dict[str, Any]:
    from sinks.clickhouse import asking

    if len(asked.kpis) != 1:
        raise typer.BadParameter(
            "--leads lists those behind one figure: name it, like --kpi stalled"
        )
    return asking.behind(client, funnel, asked, asked.kpis[0], {}, limit=100_000)


def _print_bridge(client: Any, funnel: Funnel, since: Path, *, as_json: bool) -> None:
    from streams.audit import bridge

    saved = bridge.load(since)
    found = bridge.bridge(client, funnel, saved, int(time.time() * 1000))
    if as_json:
        document(found)
        return
    lines = [line for one in found["figures"] if one["parts"] for line in changed(one, funnel)]
    for line in lines or ["no figure of this report has changed"]:
        print_line(line)


def changed(figure: dict[str, Any], funnel: Funnel) -> list[str]:
    """Return a figure of a bridge as lines: from the saved one to today's, by cause."""
    dimensions = funnel.shown(figure["dimensions"])
    label = ", ".join(_label(name, value) for name, value in dimensions.items() if value)
    what = f" ({figure['measure']})" if figure["measure"] != "value" else ""
    lines = [f"{figure['title']}{what}{': ' if label else ''}{label}"]
    lines.append(f"  {figure['saved']} then, {figure['now']} now")
    for part in figure["parts"]:
        sign = "" if str(part["change"]).startswith("-") else "+"
        lines.append(f"  {sign}{part['change']:<10} {part['cause']}: {part['why']}")
        shown = [lead["lead"] for lead in part["leads"][:_LISTED]]
        lines += [f"             {lead}" for lead in shown]
        if part["count"] > len(shown):
            lines.append(f"             and {part['count'] - len(shown)} more (--json lists them)")
    return lines


def _filters(where: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = tuple(
        (name, value) for name, mark, value in (one.partition("=") for one in where) if mark
    )
    if len(pairs) < len(where):
        wrong = next(one for one in where if "=" not in one)
        raise typer.BadParameter(
            f"--where {wrong!r}: write a dimension and a value, like source=meta"
        )
    return pairs


def _print_leads(found: dict[str, Any], *, as_csv: bool, as_json: bool) -> None:
    if as_json:
        document(found)
        return
    names = [*found["leads"][0]] if found["leads"] else ["lead", "journey", "at"]
    if as_csv:
        sys.stdout.write(_csv(names, found["leads"]))
        return
    for lead in found["leads"]:
        rest = "".join(f"  {name}" for name in ("counted", "ripe") if lead.get(name))
        print_line(f"{lead['lead']}  {lead['journey']:>3}  {lead['at']:%Y-%m-%d %H:%M} UTC{rest}")
    print_line(f"{found['total']} leads" if found["total"] else "no lead is behind this figure")


def table(figures: list[dict[str, Any]]) -> str:
    """Return figures as CSV, their dimensions as JSON in one column."""
    rows = [
        {**one, "dimensions": orjson.dumps(one["dimensions"], default=str).decode()}
        for one in figures
    ]
    return _csv([*_COLUMNS], rows)


def _csv(names: list[str], rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, names, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def readable(found: dict[str, Any], funnel: Funnel) -> list[str]:
    """Return a report as lines of at most 80 columns, but for names that are longer themselves."""
    period = found["period"]
    begins = period["from"][:10] or "the beginning"
    lines = _wrapped(
        f"{begins} to {period['to'][:16]}, {period['zone']}; as of {period['as_of'][:16]}", 0
    )
    if found["before"]:
        before = found["before"]
        lines.append(f"compared with {before['from'][:10]} to {before['to'][:16]}")
    shown = ""
    for figure in found["figures"]:
        if figure["kpi"] != shown:
            shown = figure["kpi"]
            lines += ["", *_wrapped(f"{figure['title']} ({shown})", 0)]
        lines += _figure(figure, funnel)
    return lines


def _figure(figure: dict[str, Any], funnel: Funnel) -> list[str]:
    dimensions = funnel.shown(figure["dimensions"])
    if figure["basis"] == NOT_APPLICABLE:
        return _wrapped(f"not applicable: {dimensions['why']}", 2)
    label = ", ".join(_label(name, value) for name, value in dimensions.items() if value != "")
    if figure["basis"] in ("period", "cohort") and figure["kpi"] in (
        "win_rate",
        "cycle_time",
        "lost_cycle",
    ):
        label = ", ".join(filter(None, (label, figure["basis"])))
    value = written(figure["value"], figure["format"], dimensions.get("currency", ""))
    details = _details(figure, dimensions.get("currency", ""))
    lines, line = [], f"  {label:<{_LABEL}}{value:>{_VALUE}}  "
    if len(label) > _LABEL - 1:
        lines, line = _wrapped(label, 2), f"  {'':<{_LABEL}}{value:>{_VALUE}}  "
    if len(line) + len(details) <= WIDTH:
        return [*lines, (line + details).rstrip()]
    return [*lines, line.rstrip(), *_wrapped(details, 6)]


def _wrapped(text: str, indent: int) -> list[str]:
    """Return a text as lines that fit; a name that is longer than a line stays whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _label(name: str, value: Any) -> str:
    if name == "next_stage":
        return f"to {value}"
    if name in ("stage", "handoff", "measure", "bucket", "clock", "per", "leg", "reason", "part"):
        return str(value)
    return f"{name} {value}"


def _details(figure: dict[str, Any], currency: str) -> str:
    parts = []
    numbers = figure["numerator"], figure["denominator"]
    if figure["format"] == "percent" and None not in numbers:
        parts.append(f"{numbers[0]:,.6g} of {numbers[1]:,.6g}")
    elif figure["n"] is not None and figure["format"] != "integer":
        parts.append(f"n {figure['n']:,}")
    if figure["pending"]:
        parts.append(f"{figure['pending']:,} pending")
    if figure["implied"]:
        parts.append(f"{figure['implied']:,} implied")
    if "previous" in figure:
        parts.append(f"before {written(figure['previous'], figure['format'], currency)}")
    if figure["note"]:
        parts.append(figure["note"])
    return "; ".join(parts)


def written(value: float | None, form: str, currency: str = "") -> str:
    """Return a value as people read it, in its format (catalogue.FORMATS)."""
    if value is None:
        return "-"
    if form == "percent":
        return f"{value:.1%}"
    if form == "currency":
        return f"{value:,.2f} {currency}".rstrip()
    if form == "integer":
        return f"{value:,.0f}"
    units = {"hours": "h", "days": "d", "minutes": "min"}
    return f"{value:,.1f} {units.get(form, '')}".rstrip()
