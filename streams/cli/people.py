"""Commands for people: explain a lead, list the stalled, accept holes."""

from __future__ import annotations

from typing import Annotated

import typer

from .context import Failed, console, document, figures, on_home
from .data import AnyHome
from .run import Json

app = typer.Typer()
holes_app = typer.Typer(help="What a topic lost before it was read.", no_args_is_help=True)
app.add_typer(holes_app, name="holes")


@app.command()
def explain(
    lead: Annotated[str, typer.Argument(help="A lead's id, an email, or any alias.")],
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Explain one lead: its events, facts and corrections. Example: leadstream explain jane@example.com."""
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
        console.print(line, highlight=False, soft_wrap=True)


@app.command()
def stalled(home: AnyHome = None, as_json: Json = False, limit: int = 100) -> None:
    """List the leads past a service level, the longest due first. Example: leadstream stalled."""
    rows = figures(on_home(home)).stalled(limit)
    if as_json:
        document(rows)
        return
    for row in rows:
        who = row["owner"] or "nobody"
        console.print(
            f"{row['due_at']:%Y-%m-%d %H:%M} {row['stage']}.{row['clock']} {row['status']} {who} {row['record_url'] or row['lead']}",
            soft_wrap=True,
        )


@holes_app.command("list")
def holes_list(home: AnyHome = None, as_json: Json = False) -> None:
    """Show which records a worker can never read, because its topic lost them. Example: leadstream holes list."""
    from streams.operate import holes
    from streams.settings import roles

    settings = on_home(home)
    found = [hole for role in roles(settings.home) for hole in holes.find(settings, role)]
    if as_json:
        document([hole._asdict() for hole in found])
        return
    for hole in found:
        console.print(
            f"{hole.worker}: {hole.topic}[{hole.partition}] {hole.first} to {hole.following - 1}",
            highlight=False,
        )


@holes_app.command("accept")
def holes_accept(
    worker: Annotated[
        str, typer.Argument(help="The worker that stopped, by its role: advance, advance@2, …")
    ],
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Move a stopped worker over what its topic lost; the hole is stated in the facts. Example: leadstream holes accept advance."""
    from streams.embedded.home import start_again
    from streams.operate import holes
    from streams.settings import roles

    settings = on_home(home)
    known = roles(settings.home)
    if worker not in known:
        raise typer.BadParameter(f"{worker!r} is none of {', '.join(known)}")
    try:
        found = holes.accept(settings, worker)
    except holes.Busy as error:
        raise Failed(str(error)) from error
    begun = start_again(settings.home, worker)
    if as_json:
        document([hole._asdict() for hole in found])
    else:
        console.print(
            f"accepted {len(found)}; "
            + ("the stack starts the worker again" if begun else "start the worker again")
        )
