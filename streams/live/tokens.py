"""Tokens of people and machines: a file of names, roles and hashes; no token stands in it.

A line is `name role hash`, a hash being the SHA-256 of a token in hex. Tokens are random and long
(`leadstream token` makes them), so a quick hash is enough: there is nothing to guess from. The file
is read again when it changes, so a line that is taken out ends its sessions at once.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import structlog

from schemas.errors import LeadstreamError

log = structlog.get_logger()
Role = Literal["viewer", "lead_details"]
ROLES: tuple[Role, ...] = get_args(Role)
_LINE = re.compile(rf"([A-Za-z0-9._@-]{{1,64}}) ({'|'.join(ROLES)}) ([0-9a-f]{{64}})")
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_BYTES = 32


class BadTokens(LeadstreamError, ValueError):  # noqa: N818 - it names the file's state
    """The file of tokens holds what is none; the text has the line's number, never the line."""


class Entry(NamedTuple):
    """A token: whose it is, what it shows, and the SHA-256 of it in hex."""

    name: str
    role: Role
    digest: str

    @property
    def key(self) -> str:
        """Return what a session keeps of it: enough to find it again."""
        return self.digest[:16]


def entry(name: str, role: Role, token: str) -> Entry:
    """Return the entry of a token."""
    return Entry(name, role, hashlib.sha256(token.encode(errors="replace")).hexdigest())


def match(entries: tuple[Entry, ...], token: str) -> Entry | None:
    """Return the entry of a token, or None; the time that it takes says nothing of any entry."""
    given = hashlib.sha256(token.encode(errors="replace")).hexdigest()
    found = None
    for one in entries:
        if hmac.compare_digest(one.digest, given):
            found = one
    return found


def parse(text: str) -> tuple[Entry, ...]:
    """Return the entries of a file. Empty lines and those that begin with # are left out.

    Raises:
        BadTokens: a line is none, or a name stands twice.

    """
    entries: dict[str, Entry] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip())
        if not found or found[1] in entries:
            why = "names somebody twice" if found else f"is no `name role hash` (a role: {ROLES})"
            raise BadTokens(f"line {number} of the tokens' file {why}: use `leadstream token`")
        entries[found[1]] = Entry(found[1], found[2], found[3])  # type: ignore[arg-type]
    return tuple(entries.values())


class Tokens:
    """The entries of a file, read again when it changed."""

    def __init__(self, path: Path) -> None:
        """Take the path; a file that is not there has no entries."""
        self.path = path
        self._seen: tuple[int, int, int] | None = None
        self._entries: tuple[Entry, ...] = ()

    def entries(self) -> tuple[Entry, ...]:
        """Return the entries as they are now; a file that can't be read admits nobody."""
        try:
            return self.read()
        except (OSError, UnicodeDecodeError, BadTokens) as error:
            log.error("live.tokens", error=str(error))  # noqa: TRY400 - the text says what to mend
            return ()

    def read(self) -> tuple[Entry, ...]:
        """Return the entries.

        Raises:
            BadTokens: the file holds what is none.

        """
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._seen, self._entries = None, ()
            return ()
        seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if seen != self._seen:
            self._entries = parse(self.path.read_text(encoding="utf-8"))
            self._seen = seen
        return self._entries

    def add(self, name: str, role: Role) -> str:
        """Add a new token for a name, in place of its present one; return it.

        Raises:
            BadTokens: the name can't stand in the file, or the file holds what is no entry.

        """
        if not _NAME.fullmatch(name):
            raise BadTokens(
                "a token's name is up to 64 of a-z, A-Z, 0-9 and ._@-: write one like ann"
            )
        token = secrets.token_urlsafe(_BYTES)
        others = [one for one in self.read() if one.name != name]
        self._write([*others, entry(name, role, token)])
        return token

    def remove(self, name: str) -> bool:
        """Take a name's token out; return whether it had one.

        Raises:
            BadTokens: the file holds what is no entry.

        """
        entries = self.read()
        kept = [one for one in entries if one.name != name]
        if len(kept) < len(entries):
            self._write(kept)
        return len(kept) < len(entries)

    def _write(self, entries: list[Entry]) -> None:
        """Write the file as a whole: whoever reads meanwhile sees the one before."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.path.with_name(f"{self.path.name}.new")
        text = "".join(f"{one.name} {one.role} {one.digest}\n" for one in entries)
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        draft.replace(self.path)
