"""Commands for the meeting of marketing and sales: the weekly report, and attainment of targets."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .context import Failed, document, figures, on_home, print_line
from .data import AnyHome
from .figures import written
from .run import Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from schemas.funnel import Funnel
    from sinks.clickhouse.asking import Asked

app = typer.Typer()
Period = Annotated[str, typer.Option(help="A period by name, like last-week or this-month.")]
Start = Annotated[str, typer.Option("--from", help="First day, in the reporting zone.")]
End = Annotated[str, typer.Option("--to", help="Day after the last, in the reporting zone.")]


@app.command()
def report(
    file: Annotated[Path, typer.Argument(help="The file to write, like week.html.")],
    home: AnyHome = None,
    period: Period = "",
    start: Start = "",
    end: End = "",
    since: Annotated[
        Path | None,
        typer.Option(help="What changed since a report of `leadstream kpis --save`, and why."),
    ] = None,
) -> None:
    """Write the weekly report as one file of HTML that needs nothing else: to mail, or to print.

    Example: leadstream report week.html --period last-week
    """
    from sinks.clickhouse import asking, generations
    from streams.audit import past
    from streams.audit.report import gathering, page
    from streams.connections import clickhouse_client
    from streams.live import lists

    settings, now = on_home(home), int(time.time() * 1000)
    client, watch = clickhouse_client(settings), figures(settings)
    funnel = generations.in_force(client, settings.funnel)
    asked = asking.Asked(start, end, period if period or start or end else "last-week")
    bridge = _bridge(client, funnel, since, now)
    with past.Worlds(settings, client) as worlds:

        def ask(question: Asked) -> dict[str, Any]:
            return asking.report(client, funnel, question, now, worlds.at)

        try:
            stalled = lists.stalled(watch, lists.Wanted(limit=page.MOST_LEADS))
            week = gathering.gather(ask, funnel, asked, now, stalled, bridge)
        except asking.Unreadable as error:
            raise typer.BadParameter(error.marked("--")) from error
    file.write_text(page.render(week, written), encoding="utf-8")
    print_line(f"wrote {file}: {week.week['period']['from'][:10]} to {week.week['period']['to']}")


def _bridge(
    client: Any, funnel: Funnel, since: Path | None, now: int
) -> tuple[dict[str, Any], ...]:
    """Return what changed in the figures of a saved report, each {title, saved, now, parts}.

    Raises:
        NotBridged: the file is no saved report.

    """
    from streams.audit import bridge

    if since is None:
        return ()
    return tuple(bridge.bridge(client, funnel, bridge.load(since), now)["figures"])


@app.command()
def attainment(
    home: AnyHome = None,
    period: Period = "",
    start: Start = "",
    end: End = "",
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV that can be audited: see --check.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option(help="Check that a CSV file is as it was written.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print what targets came to: target, actual, of what, by which definition, computed when.

    Example: leadstream attainment --period this-quarter --csv
    """
    from sinks.clickhouse import asking, generations
    from streams.audit import attained
    from streams.connections import clickhouse_client

    if check is not None:
        _check(check)
        return
    settings, now = on_home(home), int(time.time() * 1000)
    client = clickhouse_client(settings)
    funnel = generations.in_force(client, settings.funnel)
    instant = datetime.fromtimestamp(now / 1000, UTC).isoformat()
    asked = asking.Asked(start, end, period, instant)
    ask = _asker(client, funnel, now)
    try:
        found = attained.rows(ask, funnel, asked, generations.active(client), now)
    except asking.Unreadable as error:
        raise typer.BadParameter(error.marked("--")) from error
    if as_json:
        document(found)
    elif as_csv:
        sys.stdout.write(attained.table(found))
    else:
        for row in found:
            reached = written(float(row["attainment"]) if row["attainment"] else None, "percent")
            named = " ".join(filter(None, (row["metric"], row["scope"])))
            of = f"{row['actual'] or '-'} of {row['target']}"
            print_line(f"{reached:>8}  {named}, {row['owner']}: {of} until {row['last_day']}")
        if not found:
            print_line("no target falls into this period: `leadstream records` publishes them")


def _asker(client: Any, funnel: Funnel, now: int) -> Callable[[Asked], dict[str, Any]]:
    from sinks.clickhouse import asking

    return lambda question: asking.report(client, funnel, question, now)


def _check(file: Path) -> None:
    from streams.audit import attained

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"{file} cannot be read: {error}") from error
    number = attained.broken(text)
    if number is not None:
        raise Failed(f"{file} was changed: line {number} is not as it was written")
    last = text.rstrip("\n").rpartition(",")[2] if text.count("\n") > 1 else "none"
    print_line(f"{file} is as it was written; its last digest is {last}")
