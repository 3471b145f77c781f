"""Commands about who is who: list what is unsettled, and say a word."""

from __future__ import annotations

from typing import Annotated

import typer

from .context import Failed, console, document, on_home
from .data import AnyHome
from .run import Json

app = typer.Typer()
Alias = Annotated[
    str, typer.Argument(help="An email, or an alias like hubspot:<portal>:contact:<id>.")
]


@app.command()
def identity(home: AnyHome = None, as_json: Json = False) -> None:
    """List conflicts, aliases that many leads share, and events that count in two leads. Example: leadstream identity."""
    from streams.audit.identities import crowded, name, shared, unsettled
    from streams.connections import clickhouse_client

    found = unsettled(clickhouse_client(on_home(home)))
    if as_json:
        document(found)
        return
    for one in found["conflicts"]:
        where = " and ".join(map(name, one["halves"]))
        console.print(
            f"conflict since {one['since']:%Y-%m-%d}: {where}", highlight=False, soft_wrap=True
        )
    for one in found["shared"]:
        console.print(f"shared: {shared(one)}", highlight=False, soft_wrap=True)
    for one in found["crowded"]:
        console.print(f"crowded: {crowded(one)}", highlight=False, soft_wrap=True)
    for one in found["twins"]:
        console.print(
            f"event {one['event_id']} counts in {', '.join(one['leads'])}",
            highlight=False,
            soft_wrap=True,
        )


@app.command()
def merge(one: Alias, other: Alias, home: AnyHome = None) -> None:
    """Merge two identities into one lead. Example: leadstream merge jane@example.com hubspot:1:contact:77."""
    _say("merge", one, other, home)


@app.command()
def unmerge(one: Alias, other: Alias, home: AnyHome = None) -> None:
    """Undo a merge of two identities. Example: leadstream unmerge jane@example.com hubspot:1:contact:77."""
    _say("unmerge", one, other, home)


def _say(word: str, one: str, other: str, home: object) -> None:
    import uuid
    from datetime import UTC, datetime

    from schemas.events import EventType
    from sinks.clickhouse import generations
    from streams.audit import explain
    from streams.connections import clickhouse_client, python_options
    from streams.intake.client import LeadPublisher

    pair = (_alias(one), _alias(other))
    if pair[0] == pair[1]:
        raise Failed(f"{one!r} and {other!r} are one name: give two")
    settings = on_home(home)  # type: ignore[arg-type]
    client = clickhouse_client(settings)
    try:
        for name in pair:
            explain.known(client, name, settings.identity(), generations.active(client))
    except explain.Unknown as error:
        raise Failed(f"nothing was changed: {error}") from error
    with LeadPublisher(
        settings.brokers, source="leadstream", **python_options(settings)
    ) as publisher:
        publisher.publish(
            f"{word}:{uuid.uuid4()}", EventType(word), datetime.now(UTC), aliases=pair
        )
    console.print(
        f"{word} requested; `leadstream explain {one}` shows what follows", soft_wrap=True
    )


def _alias(text: str) -> str:
    """Write a name as events carry it: an address with or without `email:` before it, or another strong alias."""
    from streams.domain.aliases import Strength, strength
    from streams.sources.values import email_alias

    kind, _, rest = text.strip().partition(":")
    address = email_alias(text) if ":" not in text else None
    if kind.lower() == "email":
        address = None if ":" in rest else email_alias(rest)
    name = address or text.strip()
    if ":" not in name or strength(name) is Strength.WEAK:
        raise Failed(
            f"{text!r} is not a strong alias: give an email, a CRM id, a user id or an ad lead id"
        )
    if kind.lower() == "email" and not address:
        raise Failed(f"{rest!r} is no email address: write one like jane@example.com")
    return name
