"""What people read: a message as subject and text, and as the webhook's document. Pure.

A message says what happened, how late, whose move it is, and where to look. Its texts are a
function of the record and the book, so that one that is sent again reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from schemas import addresses
from schemas.wire.models.webhook import Webhook, WebhookLead
from streams.domain import calendar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemas.notice_book import Book
    from schemas.wire.models.notices import Line, Notification

_UNITS = ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second"))


@dataclass(frozen=True)
class Words:
    """What texts depend on beside the message."""

    book: Book
    zone: str  # of instants in texts: the reporting zone
    live_url: str = ""  # the live page as people reach it; without one there is no link to it


def span(ms: int) -> str:
    """Return a length of time in its largest unit, like `28 days`."""
    for size, unit in _UNITS:
        if ms >= size:
            count = ms // size
            return f"{count} {unit}{'s' if count != 1 else ''}"
    return "a moment"


def whose(line: Line, book: Book) -> str:
    """Return who must act: the owner, else the queue, else the team."""
    for kind in ("owner", "queue", "team"):
        if one := getattr(line, kind):
            return _plain(book.name(kind, one))
    return "nobody"


def _plain(text: str) -> str:
    """Return a name from outside as one line: it must forge none, and no header of a mail."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def how_late(line: Line, now: int) -> str:
    """Return how late a lead is, or when it is due."""
    late = now - line.due_at
    return f"{span(late)} late" if late >= 0 else f"Due in {span(-late)}"


def headline(message: Notification, words: Words) -> str:
    """Return a message's subject."""
    first, count = message.lines[0], len(message.items)
    if message.kind == "retraction":
        if count == 1:
            return f"Taken back: {_ended(first)} ({_plain(first.title)})"
        return f"Taken back: {count} leads need nothing any more"
    if count == 1:
        what = f"{how_late(first, message.at)}: {whose(first, words.book)} must {first.asks}"
        return f"Hot lead, {what[0].lower()}{what[1:]}" if first.hot else what
    late = sum(line.due_at <= message.at for line in message.lines)
    return f"{count} leads are late" if late else f"{count} leads are due soon"


def text(message: Notification, words: Words) -> str:
    """Return a message's text, plain, one blank line between leads."""
    parts = [headline(message, words) + "."]
    parts += ["\n".join(_lead(line, message, words)) for line in message.lines]
    more = len(message.items) - len(message.lines)
    if more:
        parts[0] += f" The {len(message.lines)} longest:"
        where = words.live_url or "`leadstream stalled`"
        parts.append(f"And {more} more: {where}")
    return "\n\n".join(parts) + "\n"


def _lead(line: Line, message: Notification, words: Words) -> Iterator[str]:
    title, hot = _plain(line.title), ", a hot lead" if line.hot else ""
    if len(message.items) > 1 or message.kind == "retraction":
        if message.kind == "retraction":
            yield f"{title}{hot}: {_ended(line)}"
        else:
            must = f"{whose(line, words.book)} must {line.asks}"
            yield f"{title}{hot}, {how_late(line, message.at)}: {must}"
    else:
        yield f"Stage: {title}{hot} (clock {line.clock})"
    yield f"Due: {_instant(line.due_at, words.zone)}"
    if line.team:
        yield f"Team: {_plain(words.book.name('team', line.team))}"
    if record := addresses.web(line.record_url):
        yield f"CRM record: {record}"
    yield f"Lead: {_page(line, words)}"


def _ended(line: Line) -> str:
    """Return why a lead needs nothing any more."""
    if line.ended_at is None:
        return "it no longer applies"
    if line.status == "cancelled":
        return "the lead has moved on"
    late = line.ended_at - line.due_at
    return f"done, {span(late)} late" if late > 0 else "it was done in time"


def _instant(at: int, zone: str) -> str:
    return f"{calendar.local(at, ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


def _page(line: Line, words: Words) -> str:
    lead = str(line.lead)
    return f"{words.live_url.rstrip('/')}/leads/{lead}" if words.live_url else lead


def document(message: Notification, words: Words) -> Webhook:
    """Return a message as the webhook's document: a message to the CRM has one lead."""
    line = message.lines[0]
    return Webhook(
        id=message.id,
        what="retracted" if message.kind == "retraction" else "raised",
        level=line.level,
        at=message.at,
        text=headline(message, words),
        lead=WebhookLead(
            id=line.lead,
            record_url=addresses.web(line.record_url),
            page=_page(line, words) if words.live_url else "",
            stage=line.stage,
            title=line.title,
            clock=line.clock,
            due_at=line.due_at,
            ended_at=line.ended_at,
            hot=line.hot,
            team=line.team,
            owner=line.owner,
            queue=line.queue,
            asks=line.asks,
        ),
    )
