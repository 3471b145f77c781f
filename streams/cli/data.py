"""Commands about the data: topics, migrations, KPIs, verify, explain, stalled leads, dead letters, checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .context import Failed, console, document, on_home
from .run import Json

app = typer.Typer()
topics_app = typer.Typer(help="Topics of the broker.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
AnyHome = Annotated[Path | None, typer.Option("--home", help="The data folder of a running stack.")]


@topics_app.command("apply")
def topics_apply(
    home: AnyHome = None, dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False
) -> None:
    """Make the broker's topics agree with the registry. Example: leadstream topics apply --dry-run."""
    from streams.intake import admin

    settings = on_home(home)
    try:
        found = admin.apply(settings, dry=dry_run)
    except admin.Refused as error:
        raise Failed(f"the broker refused: {error}") from error
    for difference in found:
        note = "note: " if difference.kind == admin.NOTE else ""
        console.print(f"{note}{difference.topic}: {difference.what}", highlight=False, soft_wrap=True)
    if all(difference.kind == admin.NOTE for difference in found):
        console.print("no difference" if dry_run else "nothing to do")
    if any(difference.kind == admin.STANDS for difference in found):
        raise Failed("what stands above is not changed by this command: each line says whose move it is")


@app.command()
def migrate(home: AnyHome = None) -> None:
    """Bring ClickHouse's tables up to date. Example: leadstream migrate."""
    from schemas import reading
    from sinks.clickhouse import migrate as migrations
    from sinks.clickhouse.writer import connect

    settings = on_home(home)
    name = reading.in_force(settings.funnel).funnel
    try:
        for ran in migrations.apply(connect(settings), settings.clickhouse_database, name, settings.generation):
            console.print("applied", ran)
    except migrations.SchemaDrift as error:
        raise Failed(str(error)) from error


@app.command()
def kpis(
    home: AnyHome = None,
    start: Annotated[str, typer.Option("--from", help="First day, in the reporting zone.")] = "",
    end: Annotated[str, typer.Option("--to", help="Day after the last, in the reporting zone.")] = "",
    by: Annotated[str, typer.Option(help="source, channel, campaign, origin or segment.")] = "",
    cohort_days: Annotated[int | None, typer.Option(help="One window for all cohorts, in days.")] = None,
    as_of: Annotated[str, typer.Option(help="The instant that maturity and ages are counted to (ISO 8601).")] = "",
    as_json: Json = False,
) -> None:
    """Print the KPIs. Example: leadstream kpis --from 2026-01-01 --by source."""
    from rich.table import Table

    from sinks.clickhouse import generations
    from sinks.clickhouse import kpis as figures
    from sinks.clickhouse.writer import connect

    settings = on_home(home)
    client = connect(settings)
    definition = generations.in_force(client, settings.funnel)
    try:
        asked = _question(definition, start, end, as_of, by, cohort_days)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    found = figures.ask(client, asked)
    if as_json:
        document(found)
        return
    table = Table("kpi", "basis", "dimensions", "value", "numerator", "denominator", "n", "mature", "pending")
    for figure in found:
        value = "" if figure["value"] is None else f"{figure['value']:.4g}"
        dimensions = " ".join(f"{name}={text}" for name, text in figure["dimensions"].items())
        rest = ("" if figure[name] is None else str(figure[name]) for name in ("numerator", "denominator", "n", "mature", "pending"))
        table.add_row(figure["kpi"], figure["basis"], dimensions, value, *rest)
    console.print(table)


def _question(definition: Any, start: str, end: str, as_of: str, by: str, cohort_days: int | None) -> Any:
    import time
    from datetime import date, datetime
    from datetime import time as clock
    from zoneinfo import ZoneInfo

    from sinks.clickhouse import kpis as figures
    from streams.domain.calendar import wall_ms

    zone, now = ZoneInfo(definition.reporting.zone), int(time.time() * 1000)
    asof = int(datetime.fromisoformat(as_of).astimezone(zone).timestamp() * 1000) if as_of else now
    first = wall_ms(date.fromisoformat(start), clock(), zone) if start else 0
    last = wall_ms(date.fromisoformat(end), clock(), zone) if end else asof + 1
    return figures.question(definition, first, last, asof, by, cohort_days)


@app.command()
def verify(
    home: AnyHome = None,
    as_json: Json = False,
    generation: Annotated[int | None, typer.Option(help="Another generation than the one that is shown.")] = None,
) -> None:
    """Fold the archive again and compare with the facts. Example: leadstream verify --json."""
    from sinks.clickhouse.writer import connect
    from streams.audit import verify as audit

    settings = on_home(home)
    report = audit.verify(connect(settings), settings.partitions, generation)
    if as_json:
        document(report.document())
    else:
        console.print(f"{report.leads} leads, {report.events} events, {report.facts} facts, {report.in_flight} in flight")
        for kind in ("missing", "extra", "different"):
            for difference in getattr(report, kind)[:50]:
                console.print(f"  {kind}: {difference}", highlight=False)
    if not report.clean:
        found = len(report.missing), len(report.extra), len(report.different)
        msg = "ClickHouse differs from the archive: {} missing, {} extra, {} different".format(*found)
        raise Failed(msg)
