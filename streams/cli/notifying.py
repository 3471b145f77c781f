"""Commands about notices: run the notifier, check its book, snooze a lead."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from schemas.errors import LeadstreamError

from .context import Failed, document, errors, on_home, print_line
from .data import AnyHome
from .run import Json

app = typer.Typer()


@app.command()
def notifier(
    check: Annotated[
        bool, typer.Option("--check", help="Only check the book, and say whom it lacks.")
    ] = False,
) -> None:
    """Notify people of stalled leads, as the funnel file says, by the addresses of the book.

    Example: LEADSTREAM_NOTIFY_BOOK=notify.yaml leadstream notifier --check
    """
    import asyncio

    from streams.notify.service import Notifier
    from streams.probe import Probe
    from streams.settings import Settings, write_stopped

    from .run import _log

    settings = Settings()
    if check:
        _check(settings)
        return
    _log()
    try:
        service = Notifier(settings)
        probe = Probe(service.waits_for)
        probe.serve(settings.metrics_port, settings.host)
        asyncio.run(service.run(probe.beat))
    except LeadstreamError as error:  # a start would not help: somebody must act
        write_stopped(settings.home, "notifier", str(error))
        errors.print(str(error), style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(os.EX_CONFIG) from error


def _check(settings: Any) -> None:
    from schemas import notice_book
    from streams.notify import files

    if not settings.notify_book.name:
        raise Failed("LEADSTREAM_NOTIFY_BOOK names no book: see docs/notifications.md")
    book = notice_book.read(settings.notify_book)
    funnel = files.rules_of(settings, settings.generation)
    wrong = files.problems(book, funnel, settings.notify_secret.get_secret_value())
    counts = ", ".join(f"{len(getattr(book, kind))} {kind}" for kind in notice_book.KINDS.values())
    print_line(f"{settings.notify_book}: {counts}, {'a' if book.crm else 'no'} CRM")
    for one in files.unknown(book, funnel):
        print_line(f"nobody for {one}: its notices wait until the book has somebody")
    for one in wrong:
        print_line(f"BAD  {one}")
    if wrong:
        raise Failed(f"{len(wrong)} entries can't be used; each line above says why")


@app.command()
def snooze(
    lead: Annotated[
        str,
        typer.Argument(help="A lead's id, an email, any alias, or a clock's id of 16 hex digits."),
    ],
    until: Annotated[
        str,
        typer.Option(help="Until when: ISO 8601 (without a zone, in the reporting zone)."),
    ],
    why: Annotated[str, typer.Option(help="Why; it stays on record.")],
    who: Annotated[str, typer.Option(help="Who asks for it; else whoever runs this.")] = "",
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Notify nobody of a lead, or of one clock of it, until an instant. What was sent stays sent.

    Example: leadstream snooze jane@example.com --until 2026-12-01T09:00 --why "on holiday"
    """
    import getpass
    import time
    from zoneinfo import ZoneInfo

    from schemas import reading
    from sinks.clickhouse.asking import Unreadable, instant
    from streams.operate import snoozing

    settings = on_home(home)
    zone = ZoneInfo(reading.in_force(settings.funnel).reporting.zone)
    now = int(time.time() * 1000)
    try:
        moment = instant(until, zone, "until")
    except Unreadable as error:
        raise typer.BadParameter(error.marked("--")) from error
    if moment <= now:
        raise typer.BadParameter(f"{until!r} has passed: write a later instant")
    if not why.strip():
        raise typer.BadParameter("say why: it stays on record")
    subject = lead if snoozing.is_id(lead) else _lead_of(settings, lead)
    written = snoozing.snooze(settings, subject, moment, who or getpass.getuser(), why, now)
    if as_json:
        document(written.model_dump())
        return
    print_line(f"nobody is notified of {subject} until {until}")


def _lead_of(settings: Any, name: str) -> str:
    from sinks.clickhouse import generations
    from streams.audit import explain
    from streams.connections import clickhouse_client

    client = clickhouse_client(settings)
    try:
        return explain.lead_of(client, name, settings.identity(), generations.active(client))
    except explain.Unknown as error:
        raise Failed(str(error)) from error
