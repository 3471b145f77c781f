"""Commands about who is who: list what is unsettled, merge and unmerge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .context import Failed, document, on_home, print_line
from .data import AnyHome
from .run import Json

app = typer.Typer()
Alias = Annotated[
    str, typer.Argument(help="An email, or an alias like hubspot:<portal>:contact:<id>.")
]


@app.command()
def identity(home: AnyHome = None, as_json: Json = False) -> None:
    """List who-is-who questions: conflicts, shared aliases, events of two leads.

    Example: leadstream identity
    """
    from streams.audit.identities import crowded, name, shared, unsettled
    from streams.connections import clickhouse_client

    found = unsettled(clickhouse_client(on_home(home)))
    if as_json:
        document(found)
        return
    if not any(found.values()):
        print_line("nothing is unsettled: no conflict, no shared alias, no event of two leads")
    for one in found["conflicts"]:
        where = " and ".join(map(name, one["identities"]))
        print_line(f"conflict since {one['since']:%Y-%m-%d}: {where}")
    for one in found["shared"]:
        print_line(f"shared: {shared(one)}")
    for one in found["crowded"]:
        print_line(f"crowded: {crowded(one)}")
    for one in found["twins"]:
        print_line(f"event {one['event_id']} counts in {', '.join(one['leads'])}")


@app.command()
def merge(one: Alias, other: Alias, home: AnyHome = None) -> None:
    """Merge two identities into one lead.

    Example: leadstream merge jane@example.com hubspot:1:contact:77
    """
    _request("merge", one, other, home)


@app.command()
def unmerge(one: Alias, other: Alias, home: AnyHome = None) -> None:
    """Undo a merge of two identities.

    Example: leadstream unmerge jane@example.com hubspot:1:contact:77
    """
    _request("unmerge", one, other, home)


def _request(word: str, one: str, other: str, home: Path | None) -> None:
    import uuid
    from datetime import UTC, datetime

    from schemas.events import EventType
    from sinks.clickhouse import generations
    from streams.audit import explain
    from streams.connections import clickhouse_client, python_options
    from streams.intake.client import LeadPublisher

    pair = (as_alias(one), as_alias(other))
    if pair[0] == pair[1]:
        raise Failed(f"{one!r} and {other!r} are the same name: write two")
    settings = on_home(home)
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
    print_line(f"{word} requested; `leadstream explain {one}` shows what follows")


def as_alias(text: str) -> str:
    """Return a name as events carry it: an address, with or without `email:`, or a strong alias.

    Raises:
        Failed: it is no strong alias, or no address; the text says what to write.

    """
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
