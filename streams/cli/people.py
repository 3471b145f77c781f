"""Commands about leads: explain one, list the stalled; and about what a topic lost."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from .context import Failed, document, figures, on_home, print_line
from .data import AnyHome
from .run import Json

if TYPE_CHECKING:
    from streams.settings import Settings

app = typer.Typer()
holes_app = typer.Typer(help="What a topic lost before a worker read it.", no_args_is_help=True)
app.add_typer(holes_app, name="holes")


@app.command()
def explain(
    lead: Annotated[
        str,
        typer.Argument(
            help="An email, a CRM record's address or id, an alias, or a lead's id or its first "
            "four digits or more."
        ),
    ],
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Explain one lead: whose move it is, its events, facts and corrections.

    Example: leadstream explain jane@example.com
    """
    from sinks.clickhouse import generations
    from streams.audit.telling import readable
    from streams.connections import clickhouse_client

    settings = on_home(home)
    client, watch = clickhouse_client(settings), figures(settings)
    story = watch.story(_lead(client, settings, lead))
    if as_json:
        document(story)
        return
    for line in readable(story, generations.in_force(client, settings.funnel).reporting.zone):
        print_line(line)


def _lead(client: Any, settings: Settings, text: str) -> str:
    """Return the one lead that a text names.

    Raises:
        Failed: no lead has it, or several do; the text says which.

    """
    from sinks.clickhouse import generations
    from streams.audit import explain as audit

    try:
        return audit.lead_of(client, text, settings.identity(), generations.active(client))
    except audit.Unknown as error:
        raise Failed(str(error)) from error


@app.command()
def stalled(
    lead: Annotated[
        str | None, typer.Argument(help="Only this lead: what `leadstream explain` takes.")
    ] = None,
    home: AnyHome = None,
    team: Annotated[str, typer.Option(help="Only what this team must move.")] = "",
    owner: Annotated[str, typer.Option(help="Only leads of this owner.")] = "",
    stage: Annotated[str, typer.Option(help="Only leads in this stage.")] = "",
    source: Annotated[str, typer.Option(help="Only leads of this source.")] = "",
    sort: Annotated[
        str, typer.Option(help="late, owner, stage or source; a minus before it turns it.")
    ] = "late",
    limit: Annotated[int, typer.Option(help="How many to list.", min=1, max=100_000)] = 100,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Json = False,
) -> None:
    """List the leads that are past a service level: how late, and who must do what.

    Example: leadstream stalled --team sales
    """
    from sinks.clickhouse.asking import Unreadable
    from streams.connections import clickhouse_client
    from streams.live import lists

    settings = on_home(home)
    watch = figures(settings)
    only = (_lead(clickhouse_client(settings), settings, lead),) if lead else ()
    wanted = lists.Wanted(team, owner, stage, source, sort, limit, leads=only)
    try:
        found = lists.stalled(watch, wanted)
    except Unreadable as error:
        raise typer.BadParameter(error.marked("--")) from error
    if as_json:
        document(found["rows"])
    elif as_csv:
        sys.stdout.write(table(found["rows"]))
    else:
        for line in late_lines(found, watch.funnel.reporting.zone, lead or ""):
            print_line(line)


_STALLED = (
    "lead", "move", "team", "owner", "late", "late_seconds", "due_at", "stage", "clock", "status",
    "hot", "source", "record_url",
)  # fmt: skip


def table(rows: list[dict[str, Any]]) -> str:
    """Return stalled leads as CSV; instants are UTC."""
    from streams.audit.attained import plain

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_STALLED)
    for row in rows:
        shown = {**row, "due_at": f"{row['due_at']:%Y-%m-%dT%H:%M:%SZ}"}
        cells = (shown[name] for name in _STALLED)
        writer.writerow([plain(cell) if isinstance(cell, str) else cell for cell in cells])
    return out.getvalue()


def late_lines(found: dict[str, Any], zone: str, lead: str = "") -> list[str]:
    """Return the stalled leads as lines: two each, the totals by team above."""
    if not found["rows"]:
        return [f"{lead} is not stalled: nothing of it is late" if lead else "no lead is stalled"]
    teams = ", ".join(f"{team or 'nobody'} {n}" for team, n in found["teams"].items())
    lines = [f"{found['total']} stalled: {teams}"]
    for row in found["rows"]:
        due = row["due_at"].astimezone(ZoneInfo(zone))
        hot = ", hot" if row["hot"] else ""
        lines.append(f"{row['late']}: {row['move']}")
        lines.append(
            f"    {row['title']}.{row['clock']}{hot}, due {due:%Y-%m-%d %H:%M}; "
            f"{row['record_url'] or row['lead']}"
        )
    if missing := found["total"] - len(found["rows"]):
        lines.append(f"and {missing} more: --limit {found['total']} lists all")
    return lines


@holes_app.command("list")
def holes_list(home: AnyHome = None, as_json: Json = False) -> None:
    """Show which records a worker can never read, because its topic lost them.

    Example: leadstream holes list
    """
    from streams.operate import holes
    from streams.settings import roles

    settings = on_home(home)
    found = [hole for role in roles(settings.home) for hole in holes.find(settings, role)]
    if as_json:
        document([hole._asdict() for hole in found])
        return
    if not found:
        print_line("no topic lost a record that a worker needs")
    for hole in found:
        print_line(
            f"{hole.worker}: {hole.topic}[{hole.partition}] {hole.first} to {hole.following - 1}"
        )


@holes_app.command("accept")
def holes_accept(
    worker: Annotated[
        str, typer.Argument(help="The worker that stopped, by its role: advance, advance@2, …")
    ],
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Let a stopped worker go on after what its topic lost; the facts keep what is missing.

    Example: leadstream holes accept advance
    """
    from streams.embedded.home import start_again
    from streams.operate import holes
    from streams.settings import roles

    settings = on_home(home)
    known = roles(settings.home)
    if worker not in known:
        raise typer.BadParameter(f"{worker!r} is none of {', '.join(known)}")
    found = holes.accept(settings, worker)
    begun = start_again(settings.home, worker)
    if as_json:
        document([hole._asdict() for hole in found])
        return
    following = "the stack starts the worker again" if begun else "start the worker again"
    print_line(f"accepted {len(found)}; {following}")
