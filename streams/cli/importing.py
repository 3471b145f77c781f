"""leadstream import: history from CSV or JSON Lines files, by a mapping file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from .context import Failed, console, document, errors, on_home
from .run import Json

app = typer.Typer()


@contextlib.contextmanager
def _stack(home: Path, funnel: str) -> Iterator[None]:
    """Use the stack that runs on the home, or start one for as long as this takes."""
    from streams.embedded.home import choose_funnel, read
    from streams.embedded.stack import Stack

    if read(home):
        choose_funnel(home, funnel)
        yield
        return
    with Stack(home, funnel, say=lambda text: errors.print(f"  {text}")):
        yield


@app.command("import")
def import_(
    mapping: Annotated[Path, typer.Argument(help="The mapping file, like schemas/mappings/olist.yaml.")],
    data: Annotated[Path, typer.Option(help="The folder that holds the files.")],
    home: Annotated[Path, typer.Option(help="The data folder.")] = Path(".leadstream"),
    as_json: Json = False,
) -> None:
    """Import history. Example: leadstream import schemas/mappings/olist.yaml --data folder."""
    from schemas import topics
    from sinks.clickhouse import kpis
    from sinks.clickhouse.writer import connect
    from streams.embedded.home import StackError
    from streams.intake import arrival, importer
    from streams.sources import files

    began = time.monotonic()
    try:
        spec = files.load(mapping)
        with _stack(home, spec.funnel):
            settings = on_home(home)
            with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), console=errors) as bars:
                sent = bars.add_task("published", total=None)
                report = importer.publish(spec, data, settings, lambda n: bars.update(sent, completed=n))
                bars.update(sent, total=report.accepted)
                arrived = bars.add_task("read", total=report.accepted)
                published = arrival.ends(settings, topics.RAW_IMPORT)
                done = lambda n: bars.update(arrived, completed=max(0, report.accepted - n))  # noqa: E731
                importer.wait(settings, lambda: connect(settings), published, done)
            report.seconds = round(time.monotonic() - began, 1)
            figures = kpis.ask(connect(settings), _all_time(settings), ["inflow", "conversion", "cycle_time"])
    except (files.MappingError, StackError, arrival.Stalled) as error:
        raise Failed(str(error)) from error
    if as_json:
        document(report.__dict__)
        return
    console.print(f"read {report.read}, accepted {report.accepted}, rejected {len(report.rejected)}, {report.seconds} s")
    for refused in report.rejected[:50]:
        console.print(f"  {refused['file']}:{refused['line']}: {refused['column']}: {refused['reason']}", highlight=False)
    for figure in figures:
        console.print(f"  {figure['kpi']} {figure['basis']} {figure['dimensions']}: {figure['value']}", highlight=False)


def _all_time(settings: Any) -> Any:
    from schemas import reading
    from sinks.clickhouse import kpis

    now = int(time.time() * 1000)
    return kpis.question(reading.in_force(settings.funnel), 0, now + 1, now)
