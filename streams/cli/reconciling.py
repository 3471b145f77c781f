"""leadstream reconcile: a CRM's own export against what leadstream counts."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn
from zoneinfo import ZoneInfo

import typer

from . import differences
from .context import Failed, document, errors, on_home, print_line
from .data import AnyHome
from .run import Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.funnel import Funnel
    from schemas.shape import Shape
    from streams.audit.counting import Counting
    from streams.domain.reconciliation import Question, Reconciliation, Reported
    from streams.settings import Settings
    from streams.sources.files import Refused
    from streams.sources.files.report import ReportOf

app = typer.Typer()


@app.command()
def reconcile(
    mapping: Annotated[
        str,
        typer.Argument(
            help="How the report is read: a YAML file, or hubspot, hubspot-deals, salesforce, "
            "salesforce-opportunities or pipedrive-deals."
        ),
    ],
    report: Annotated[Path, typer.Argument(help="The CRM's export: CSV, JSON Lines or Parquet.")],
    stage: Annotated[str, typer.Option(help="The stage of the funnel that both count, like mql.")],
    start: Annotated[str, typer.Option("--from", help="First day of the period.")] = "",
    end: Annotated[str, typer.Option("--to", help="Day after the last.")] = "",
    zone: Annotated[
        str, typer.Option(help="The zone of the report's days; without it, the reporting zone.")
    ] = "",
    account: Annotated[
        str, typer.Option(help="The account that exported it: a HubSpot portal, like 62515.")
    ] = "",
    id_column: Annotated[str, typer.Option("--id", help="The column of the record's id.")] = "",
    stage_column: Annotated[str, typer.Option(help="The column of the record's stage.")] = "",
    entered: Annotated[
        str, typer.Option(help="The column of the time at which the stage was entered.")
    ] = "",
    counts: Annotated[
        list[str] | None,
        typer.Option(help="The value of the stage column in rows that count; may be repeated."),
    ] = None,
    every_row: Annotated[
        bool,
        typer.Option("--every-row", help="Count each row: the report lists nothing else."),
    ] = False,
    times: Annotated[
        list[str] | None,
        typer.Option("--format", help="How times are written, like %d/%m/%Y; may be repeated."),
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write each record or lead that differs here.")
    ] = None,
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Explain why a CRM's own figure differs, record by record.

    Example: leadstream reconcile hubspot contacts.csv --account 62515 --stage mql
    """
    from sinks.clickhouse import generations
    from streams.connections import clickhouse_client

    if every_row and (entered or counts):
        raise typer.BadParameter("--every-row counts each row: leave out --entered and --counts")
    given = {
        "id": id_column,
        "stage": stage_column,
        "account": account,
        "format": times,
        "zone": zone,
    }
    spec = _spec(mapping, {name: text for name, text in given.items() if text}, entered, stage)
    settings = on_home(home)
    client = clickhouse_client(settings)
    funnel = generations.in_force(client, settings.funnel)
    how = _counting(spec, settings, funnel, stage, every_row=every_row, words=tuple(counts or ()))
    asked = _question(how, stage, start, end)
    rows, refused = _read(how, report)
    found = compare(client, asked, funnel.shape(), rows, settings.identity())
    if csv_file is not None:
        _written(csv_file, found)
    if as_json:
        document(differences.document(found, refused))
    else:
        for line in differences.readable(found, report.name, refused):
            print_line(line)
    if refused:
        raise Failed(
            f"{len(refused)} rows of {report} can't be read, and are not in its figure: "
            "mend them, and ask again"
        )


def compare(
    client: Any, asked: Question, shape: Shape, rows: list[Reported], key: bytes
) -> Reconciliation:
    """Return how our leads compare with a report's rows; `key` is the identity key."""
    from streams.audit.reconcile import ours
    from streams.domain.judging import reconcile as judge

    return judge(asked, rows, ours(client, asked, shape, {row.record for row in rows}, key))


def _spec(name: str, given: dict[str, Any], entered: str, stage: str) -> ReportOf:
    """Return a ready report or a YAML file's, changed by what the command line names."""
    import schemas
    from streams.sources.files import report

    ready = Path(schemas.__file__).parent / "reports"
    path = Path(name)
    if not path.suffix:
        path = ready / f"{name}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(one.stem for one in ready.glob("*.yaml")))
            raise typer.BadParameter(
                f"{name!r} is no ready report: there is {known}; or name a YAML file"
            )
    spec = _checked(lambda: report.load(path))
    if entered:
        given = {**given, "entered": {**spec.entered, stage: entered}}
    return _checked(lambda: spec.changed(given))


def _counting(
    spec: ReportOf, settings: Settings, funnel: Funnel, stage: str, **how: Any
) -> Counting:
    from streams.audit.counting import counting
    from streams.sources.files.problems import near

    if stage not in funnel.stages:
        raise typer.BadParameter(
            f"--stage {stage!r} is no stage of the funnel{near(stage, [*funnel.stages])}"
        )
    account = spec.account or _account(settings, spec.system)
    if not account:
        raise typer.BadParameter(
            f"name the account of {spec.system}, by --account or in {spec.report}.yaml: "
            "records are known by it, like hubspot:62515:contact:7"
        )
    changed = {"account": account, "zone": spec.zone or funnel.reporting.zone}
    return _checked(lambda: counting(spec.changed(changed), funnel, stage, **how))


def _account(settings: Settings, system: str) -> str:
    """Return the account in the settings, for a system whose bodies name none; "" without one."""
    from streams.sources.registry import SOURCES

    vendor = SOURCES.get(system)
    options = {one.name: one.default for one in vendor.options} if vendor else {}
    name = f"{system}_org"
    return settings.option(name) or options.get(name, "")


def _question(how: Counting, stage: str, start: str, end: str) -> Question:
    from streams.domain.reconciliation import Question

    zone = how.funnel.reporting.zone
    first = _day(start, "--from") if start else date(1970, 1, 1)
    last = _day(end, "--to") if end else datetime.now(ZoneInfo(zone)).date() + timedelta(days=1)
    if last <= first:
        raise typer.BadParameter(
            f"--to {last} is not after --from {first}: it names the day after the last"
        )
    return Question(how.spec.system, stage, first, last, zone, how.spec.zone or zone, how.by_word)


def _day(text: str, option: str) -> date:
    with contextlib.suppress(ValueError):
        found = date.fromisoformat(text)
        if 1970 <= found.year < 2100:
            return found
    raise typer.BadParameter(
        f"{option} {text!r} is not a date: write one like 2026-01-31, from 1970 to 2099"
    )


def _read(how: Counting, path: Path) -> tuple[list[Reported], list[Refused]]:
    """Return a report's rows, and those that can't be read; its columns are checked first."""
    from streams.sources.files import Refused, report

    _checked(lambda: report.check(how.spec, path, how.columns()))
    rows: list[Reported] = []
    refused: list[Refused] = []
    for one in how.rows(path):
        if isinstance(one, Refused):
            refused.append(one)
        else:
            rows.append(one)
    return rows, refused


def _checked(make: Callable[[], Any]) -> Any:
    """Return what `make` returns; end as after wrong use where it finds a file to be wrong."""
    from streams.sources.files import MappingError

    try:
        return make()
    except MappingError as error:
        _wrong(str(error))


def _wrong(text: str) -> NoReturn:
    errors.print(text, style="red", highlight=False, soft_wrap=True)
    raise typer.Exit(2)


def _written(path: Path, found: Reconciliation) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            differences.write(file, found)
    except OSError as error:
        raise Failed(f"{path} can't be written: {error.strerror}") from error
