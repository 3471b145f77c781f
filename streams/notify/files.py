"""The notifier's files: its book and the funnel file."""

from __future__ import annotations

import contextlib
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from schemas import notice_book, reading
from schemas.errors import LeadstreamError
from schemas.notice_book import Book, BookError
from schemas.notify import LEVELS

from . import channels
from .timing import Rules

if TYPE_CHECKING:
    from schemas.funnel import Funnel
    from streams.settings import Settings

LOOK_SECONDS = 5.0
AGAIN_SECONDS = 60.0  # a version comes into force at midnight without any file's change

log = logging.getLogger("leadstream.notifier")


def problems(book: Book, funnel: Funnel, secret: str) -> list[str]:
    """Return what is wrong with a book: what can't be reached, and whom the funnel asks for."""
    found = []
    for kind in notice_book.KINDS.values():
        for name, entry in getattr(book, kind).items():
            for place, address in enumerate(entry.to):
                if wrong := channels.problem(address, book.mail):
                    found.append(f"{kind}.{name}.to[{place}]: {wrong}")
    if book.crm:
        if wrong := channels.web_problem(book.crm):
            found.append(f"crm: {wrong}")
        if not secret:
            found.append("crm: set LEADSTREAM_NOTIFY_SECRET, by which its requests are signed")
    found += [
        f"teams.{name}: the funnel has no such team"
        for name in book.teams
        if name not in funnel.teams
    ]
    return found


def unknown(book: Book, funnel: Funnel) -> list[str]:
    """Return whom the funnel's `notify` names or may fall back to, and the book does not have."""
    teams = [f"teams.{name}" for name in funnel.teams if not book.entry(f"team:{name}")]
    levels = (funnel.notify, *funnel.notify.teams.values())
    specs = [getattr(one, level) for one in levels for level in LEVELS]
    asked = {one for spec in specs if spec for one in spec.to}
    return [*teams, *(["crm"] if "crm" in asked and not book.crm else [])]


def folder_of(settings: Settings, generation: int) -> Path:
    """Return where a generation's definitions are."""
    folder = settings.home / "generations" / str(generation)
    return folder if folder.is_dir() else settings.funnel


def rules_of(settings: Settings, generation: int) -> Funnel:
    """Return the funnel in force of a generation, by its file: who is notified stands there.

    Raises:
        reading.FunnelError: it can't be used.

    """
    return reading.in_force(folder_of(settings, generation))


class Files:
    """The book and the rules, read again when they change; what can't be read leaves the last."""

    def __init__(self, settings: Settings, generation: int) -> None:
        """Read both.

        Raises:
            LeadstreamError: one can't be used; the text says what to do.

        """
        self._settings = settings
        if not settings.notify_book.name:
            raise BookError(
                "LEADSTREAM_NOTIFY_BOOK is not set, so nobody can be notified: name a file as "
                "docs/notifications.md has it"
            )
        self.wrong = ""
        self.book = notice_book.read(settings.notify_book)
        self.rules = Rules(rules_of(settings, generation))
        self._generation, self._stamp = generation, self._stamps(generation)
        self._looked = time.monotonic()
        self._again = self._looked + AGAIN_SECONDS

    def refresh(self, generation: int) -> None:
        """Read again what has changed, every few seconds; at once for another generation."""
        now = time.monotonic()
        if generation == self._generation and now - self._looked < LOOK_SECONDS:
            return
        self._looked, stamp = now, self._stamps(generation)
        if stamp == self._stamp and generation == self._generation and now < self._again:
            return
        self._again = now + AGAIN_SECONDS
        try:
            self.book = notice_book.read(self._settings.notify_book)
            funnel = rules_of(self._settings, generation)
            if funnel != self.rules.funnel:
                self.rules = Rules(funnel)
        except (LeadstreamError, OSError) as error:
            if str(error) != self.wrong:
                log.error("the last book and rules hold: %s", error)  # noqa: TRY400 - it says all
            self.wrong = str(error)
        else:
            self.wrong, self._stamp, self._generation = "", stamp, generation

    def _stamps(self, generation: int) -> tuple[tuple[str, int, int], ...]:
        """Return what changes with the book and the funnel's files."""
        source = folder_of(self._settings, generation)
        paths = [self._settings.notify_book, *([source] if source.is_file() else [])]
        paths += sorted(source.glob("*.yaml")) if source.is_dir() else []
        found = []
        for path in paths:
            with contextlib.suppress(OSError):
                known = path.stat()
                found.append((str(path), known.st_mtime_ns, known.st_size))
        return tuple(found)
