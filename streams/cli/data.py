"""Commands about the data: topics, migrations, KPIs, verify, explain, stalled leads, dead letters, checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    for difference in admin.apply(settings.brokers, settings.partitions, settings.replication, dry=dry_run):
        console.print(f"{difference.topic}: {difference.what}", highlight=False)


@app.command()
def migrate(home: AnyHome = None) -> None:
    """Bring ClickHouse's tables up to date. Example: leadstream migrate."""
    from schemas import funnel
    from sinks.clickhouse import migrate as migrations
    from sinks.clickhouse.writer import connect

    settings = on_home(home)
    name = funnel.load(settings.funnel).funnel
    try:
        for ran in migrations.apply(connect(settings), settings.clickhouse_database, name, settings.generation):
            console.print("applied", ran)
    except migrations.SchemaDrift as error:
        raise Failed(str(error)) from error
