"""leadstream import: history from CSV, JSON Lines or Parquet files, by a mapping file."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn

from . import reports
from .context import Failed, document, errors, on_home, print_line
from .run import Json

if TYPE_CHECKING:
    from schemas.funnel import Funnel
    from streams.intake.importer import Passage, Report
    from streams.sources.files import Mapping

app = typer.Typer()
HOME = Path(".leadstream")


@contextlib.contextmanager
def _stack(home: Path | None, funnel: str) -> Iterator[None]:
    """Run the block on the environment's installation, else on a home's stack, started if need be.

    Raises:
        Failed: the installation runs another funnel than the mapping's.

    """
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
        raise Failed(
            f"the mapping is for the funnel {wanted!r}, and this installation runs {runs!r}: "
            "nothing was imported"
        )


def _share(text: str) -> float:
    """Return the share that a text like 0.01 or 1% names.

    Raises:
        typer.BadParameter: the text names none.

    """
    number = text.strip().removesuffix("%")
    try:
        share = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not a share: write one like 0.01 or 1%") from error
    if not 0 <= share <= 1:
        raise typer.BadParameter(f"{text!r} is not a share from 0 to 1")
    return share


def _constants(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    if wrong := [name for name, mark, _ in pairs if not (name and mark)]:
        raise typer.BadParameter(f"{wrong[0]!r} sets nothing: write --set name=value")
    return {name: value for name, _, value in pairs}


@app.command("import")
def import_(
    mapping: Annotated[
        Path, typer.Argument(help="The mapping file, like schemas/mappings/olist.yaml.")
    ],
    data: Annotated[Path, typer.Option(help="The folder that holds the files.")],
    home: Annotated[
        Path | None,
        typer.Option(
            help="The data folder; without one, .leadstream or what the environment names."
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Read all, show ten rows as events and all errors; import nothing."
        ),
    ] = False,
    tolerate: Annotated[
        str,
        typer.Option(
            help="The share of rows that may be refused, like 0.01 or 1%; above it, exit code 1."
        ),
    ] = "0",
    constants: Annotated[
        list[str] | None,
        typer.Option("--set", help="A constant of the mapping, like portal=62515."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Import history from files, by a mapping of their columns.

    Example: leadstream import my-mapping.yaml --data folder --dry-run
    """
    from streams.intake import importer

    most, began = _share(tolerate), time.monotonic()
    figures: list[dict[str, Any]] = []
    spec = importer.load(mapping, data, _constants(constants or []))
    if dry_run:
        passage = importer.Passage(spec, data, funnel=_shipped(spec))
        for _ in passage:
            pass
    else:
        with _stack(home, spec.funnel):
            passage, figures = _imported(spec, data, home)
    report = passage.report
    report.seconds = round(time.monotonic() - began, 1)
    if as_json:
        shown = {"dry_run": True, "rows": reports.rows(passage.rows)} if dry_run else {}
        document({**report.__dict__, **shown})
    else:
        for line in reports.lines(report, passage.rows, dry_run=dry_run):
            print_line(line)
        for figure in figures:
            print_line(
                f"  {figure['kpi']} {figure['basis']} {figure['dimensions']}: {figure['value']}"
            )
    _judge(report, most, dry_run)


def _shipped(spec: Mapping) -> Funnel | None:
    """Return the funnel that a mapping names, where it can be read without an installation."""
    from schemas import reading

    named = Path(spec.funnel)
    path = named if named.exists() else reading.shipped().get(spec.funnel, named)
    try:
        return reading.in_force(path)
    except reading.FunnelError:
        return None


def _imported(spec: Mapping, data: Path, home: Path | None) -> tuple[Passage, list[dict[str, Any]]]:
    from schemas import reading
    from sinks.clickhouse import kpis
    from streams.connections import clickhouse_client
    from streams.intake import importer

    settings = on_home(home)
    passage = importer.Passage(spec, data, settings.ignored(), reading.in_force(settings.funnel))
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}"),
        console=errors,
    ) as bars:
        sent = bars.add_task("published", total=None)
        report = importer.publish(
            passage, importer.producer(settings), lambda n: bars.update(sent, completed=n)
        )
        bars.update(sent, total=report.published)
        arrived = bars.add_task("read", total=report.published)
        done = lambda n: bars.update(arrived, completed=max(0, report.published - n))  # noqa: E731
        importer.wait(settings, lambda: clickhouse_client(settings), report, done)
    client = clickhouse_client(settings)
    importer.look(passage, spec, client)
    return passage, kpis.ask(client, _all_time(settings), ["inflow", "conversion", "cycle_time"])


def _judge(report: Report, most: float, dry_run: bool) -> None:
    """Judge a report.

    Raises:
        Failed: more was refused than is tolerated, or nothing came of all the rows.

    """
    if report.share > most:
        what = "would be refused" if dry_run else "were refused, the rest was imported"
        hint = f"mend them or the mapping, or allow it by --tolerate {report.share + 0.00005:.4f}"
        raise Failed(f"{report.refused} of {report.read} rows {what}: {hint}")
    if report.void:
        raise Failed(
            f"{report.read} rows were read and none made anything: "
            "see `when` and `optional` in the mapping"
        )


def _all_time(settings: Any) -> Any:
    from schemas import reading
    from sinks.clickhouse import kpis

    now = int(time.time() * 1000)
    return kpis.question(reading.in_force(settings.funnel), 0, now + 1, now)
