"""Commands about the data: topics, migrations, figures, and whether figures are right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .context import Failed, console, document, on_home, patiently, print_line, seconds
from .run import Json

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

app = typer.Typer()
topics_app = typer.Typer(help="Topics of the broker.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
AnyHome = Annotated[Path | None, typer.Option("--home", help="The data folder of a running stack.")]
Wait = Annotated[str, typer.Option(help="How long to wait for a server that is away, like 120s.")]


@topics_app.command("apply")
def topics_apply(
    home: AnyHome = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    wait: Wait = "0s",
) -> None:
    """Create missing topics and correct the settings of those that differ.

    Example: leadstream topics apply --wait 120s
    """
    from streams.operate import admin

    limit, settings = seconds(wait), on_home(home)
    found = patiently(limit, lambda: admin.apply(settings, dry=dry_run))
    for difference in found:
        note = "note: " if difference.kind == admin.NOTE else ""
        print_line(f"{note}{difference.topic}: {difference.what}")
    if all(difference.kind == admin.NOTE for difference in found):
        print_line("no difference" if dry_run else "nothing to do")
    if any(difference.kind == admin.STANDS for difference in found):
        raise Failed("this command changes nothing of the above: each line says what you can do")


@app.command()
def migrate(home: AnyHome = None, wait: Wait = "0s") -> None:
    """Bring ClickHouse's tables and users up to date.

    Example: leadstream migrate --wait 120s
    """
    from schemas import reading
    from sinks.clickhouse import access
    from sinks.clickhouse import migrate as migrations
    from streams.connections import clickhouse_client

    limit, settings = seconds(wait), on_home(home)
    name = reading.in_force(settings.funnel).funnel

    def ask() -> list[str]:
        client = clickhouse_client(settings)
        ran = migrations.apply(client, settings.clickhouse_database, name, settings.generation)
        return [*(f"applied {file}" for file in ran), *access.apply(client, settings)]

    for line in patiently(limit, ask):
        print_line(line)


@app.command()
def kpis(
    home: AnyHome = None,
    start: Annotated[str, typer.Option("--from", help="First day, in the reporting zone.")] = "",
    end: Annotated[
        str, typer.Option("--to", help="Day after the last, in the reporting zone.")
    ] = "",
    by: Annotated[
        str,
        typer.Option(
            help="source, channel, campaign, lead_origin, segment, or one the funnel file names."
        ),
    ] = "",
    cohort_days: Annotated[
        int | None, typer.Option(help="One window for all cohorts, in days.", min=1, max=3_660)
    ] = None,
    as_of: Annotated[
        str,
        typer.Option(
            help="Figures as of this instant (ISO 8601; without a zone, in the reporting zone)."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Print the figures (KPIs) of a period.

    Example: leadstream kpis --from 2026-01-01 --by source
    """
    from rich.table import Table

    from sinks.clickhouse import generations
    from sinks.clickhouse import kpis as figures
    from streams.connections import clickhouse_client

    settings = on_home(home)
    client = clickhouse_client(settings)
    definition = generations.in_force(client, settings.funnel)
    try:
        asked = _question(definition, start, end, as_of, by, cohort_days)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    found = figures.ask(client, asked)
    if as_json:
        document(found)
        return
    counts = ("numerator", "denominator", "n", "mature", "pending")
    table = Table("kpi", "basis", "dimensions", "value", *counts)
    for figure in found:
        value = "" if figure["value"] is None else f"{figure['value']:.4g}"
        named = definition.shown(figure["dimensions"])
        dimensions = " ".join(f"{name}={text}" for name, text in named.items())
        rest = (figure[name] for name in counts)
        written = ("" if one is None else str(one) for one in rest)
        table.add_row(figure["kpi"], figure["basis"], dimensions, value, *written)
    console.print(table)


def _question(
    definition: Any, start: str, end: str, as_of: str, by: str, cohort_days: int | None
) -> Any:
    import time
    from zoneinfo import ZoneInfo

    from sinks.clickhouse import kpis as figures

    zone, now = ZoneInfo(definition.reporting.zone), int(time.time() * 1000)
    asof = _instant(as_of, zone) if as_of else now
    first = _day(start, "--from", zone) if start else 0
    last = _day(end, "--to", zone) if end else asof + 1
    if end and last <= first:
        raise ValueError(f"--to {end} is not after --from {start}: it names the day after the last")
    return figures.question(definition, first, last, asof, by, cohort_days)


def _instant(text: str, zone: ZoneInfo) -> int:
    """Return a time (ms); one without a zone is in the reporting zone, not in the machine's.

    Raises:
        ValueError: the text is not a time; the message shows one.

    """
    from datetime import datetime

    from streams.domain import calendar

    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return _bounded(calendar.wall_ms(moment.date(), moment.time(), zone))
        return _bounded(calendar.to_ms(moment))
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"--as-of {text!r} is not a time: write one like 2026-01-31T09:00 (in {zone.key}) "
            "or 2026-01-31T08:00:00Z, from 1970 to 2099"
        ) from error


def _day(text: str, option: str, zone: ZoneInfo) -> int:
    """Return when a day begins in the reporting zone (ms).

    Raises:
        ValueError: the text is not a date; the message shows one.

    """
    from datetime import date, time

    from streams.domain import calendar

    try:
        return _bounded(calendar.wall_ms(date.fromisoformat(text), time(), zone))
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"{option} {text!r} is not a date: write one like 2026-01-31, from 1970 to 2099"
        ) from error


def _bounded(moment: int) -> int:
    from schemas.events import EARLIEST, LATEST

    if not EARLIEST <= moment <= LATEST:
        raise ValueError("outside of the years that events may have")
    return moment


@app.command()
def verify(
    home: AnyHome = None,
    as_json: Json = False,
    generation: Annotated[
        int | None, typer.Option(help="Check this generation; without it, the one that is shown.")
    ] = None,
) -> None:
    """Check ClickHouse's figures: compute all facts anew from the events, and compare.

    Example: leadstream verify --json
    """
    from streams.audit import verify as audit
    from streams.connections import clickhouse_client

    settings = on_home(home)
    report = audit.verify(clickhouse_client(settings), settings.partitions, generation)
    if as_json:
        document(report.document())
    else:
        counts = f"{report.leads} leads, {report.events} events, {report.facts} facts"
        print_line(f"{counts}, {report.in_flight} in flight")
        for kind in ("missing", "extra", "different"):
            for difference in getattr(report, kind)[:50]:
                print_line(f"  {kind}: {difference}")
    if not report.clean:
        raise Failed(
            f"ClickHouse differs from the archive: {len(report.missing)} missing, "
            f"{len(report.extra)} extra, {len(report.different)} different"
        )
