"""Commands about leads: explain one, list the stalled; and about what a topic lost."""

from __future__ import annotations

from typing import Annotated

import typer

from .context import Failed, document, figures, on_home, print_line
from .data import AnyHome
from .run import Json

app = typer.Typer()
holes_app = typer.Typer(help="What a topic lost before a worker read it.", no_args_is_help=True)
app.add_typer(holes_app, name="holes")


@app.command()
def explain(
    lead: Annotated[str, typer.Argument(help="A lead's id, an email, or any alias.")],
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Explain one lead: its events, facts and corrections.

    Example: leadstream explain jane@example.com
    """
    from sinks.clickhouse import generations
    from streams.audit import explain as audit
    from streams.audit.telling import readable
    from streams.connections import clickhouse_client

    settings = on_home(home)
    client, watch = clickhouse_client(settings), figures(settings)
    try:
        found = audit.lead_of(client, lead, settings.identity(), generations.active(client))
    except audit.Unknown as error:
        raise Failed(str(error)) from error
    story = watch.story(found)
    if as_json:
        document(story)
        return
    for line in readable(story, generations.in_force(client, settings.funnel).reporting.zone):
        print_line(line)


@app.command()
def stalled(home: AnyHome = None, as_json: Json = False, limit: int = 100) -> None:
    """List the leads that are past a service level, the longest overdue first.

    Example: leadstream stalled
    """
    found = figures(on_home(home))
    rows = found.stalled(limit)
    if as_json:
        document(rows)
        return
    for row in rows:
        clock = found.funnel.shown_clock(f"{row['stage']}.{row['clock']}")
        due = f"{row['due_at']:%Y-%m-%d %H:%M}"
        owner, record = row["owner"] or "nobody", row["record_url"] or row["lead"]
        print_line(f"{due} {clock} {row['status']} {owner} {record}")


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
