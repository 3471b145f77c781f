"""leadstream import: history from CSV or JSON Lines files, by a mapping file."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from .context import Failed, console, document, errors, on_home
from .run import Json

app = typer.Typer()
HOME = Path(".leadstream")


@contextlib.contextmanager
def _stack(home: Path | None, funnel: str) -> Iterator[None]:
    """Use the installation that the environment names, else the stack of a home; start one if none runs."""
    from streams.embedded.home import choose_funnel, read
    from streams.embedded.stack import Stack

    if home is None and "LEADSTREAM_BROKERS" in os.environ:
        _same_funnel(funnel)
        yield
        return
    folder = home or HOME
    if read(folder):
        choose_funnel(folder, funnel)
        yield
        return
    with Stack(folder, funnel, say=lambda text: errors.print(f"  {text}")):
        yield


def _same_funnel(wanted: str) -> None:
    from schemas import reading

    runs = reading.in_force(on_home(None).funnel).funnel
    if runs != wanted:
        raise Failed(f"the mapping is for the funnel {wanted!r}, and this installation runs {runs!r}: nothing was imported")


@app.command("import")
def import_(
    mapping: Annotated[Path, typer.Argument(help="The mapping file, like schemas/mappings/olist.yaml.")],
    data: Annotated[Path, typer.Option(help="The folder that holds the files.")],
    home: Annotated[Path | None, typer.Option(help="The data folder; without one, .leadstream or what the environment names.")] = None,
    as_json: Json = False,
) -> None:
    """Import history. Example: leadstream import schemas/mappings/olist.yaml --data folder."""
    from schemas import topics
    from sinks.clickhouse import kpis
    from streams.connections import clickhouse_client
    from streams.embedded.home import StackError
    from streams.intake import arrival, importer
    from streams.sources import files

    began = time.monotonic()
    try:
        spec = files.load(mapping, data)
        with _stack(home, spec.funnel):
            settings = on_home(home)
            with Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"), console=errors) as bars:
                sent = bars.add_task("published", total=None)
                report = importer.publish(spec, data, settings, lambda n: bars.update(sent, completed=n))
                bars.update(sent, total=report.accepted)
                arrived = bars.add_task("read", total=report.accepted)
                published = arrival.ends(settings, topics.RAW_IMPORT)
                done = lambda n: bars.update(arrived, completed=max(0, report.accepted - n))  # noqa: E731
                importer.wait(settings, lambda: clickhouse_client(settings), published, done)
            report.seconds = round(time.monotonic() - began, 1)
            figures = kpis.ask(clickhouse_client(settings), _all_time(settings), ["inflow", "conversion", "cycle_time"])
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
