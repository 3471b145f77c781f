"""Commands about the data: topics, migrations, and whether figures are right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .context import Failed, document, on_home, patiently, print_line, seconds
from .run import Json

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
