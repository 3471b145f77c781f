"""The notifier's book: how to reach those whom alerts and the funnel file name by ids.

Names and addresses stand here and nowhere else (docs/notifications.md). The file holds secrets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from schemas import documents
from schemas.errors import LeadstreamError
from schemas.strict import Strict

KINDS = {"owner": "owners", "queue": "queues", "manager": "managers", "team": "teams"}


class BookError(LeadstreamError):
    """A book that can't be used; the text names file, line and what to write. It shows no value."""


def _entry(value: Any) -> Any:
    if isinstance(value, str):
        return {"to": (value,)}
    if isinstance(value, dict) and isinstance(value.get("to"), str):
        return {**value, "to": (value["to"],)}
    return {"to": tuple(value)} if isinstance(value, list) else value


class Entry(Strict):
    """Somebody: `name` is what others read, `to` are addresses of mail or URLs of apprise."""

    name: str = ""
    to: Annotated[tuple[str, ...], Field(min_length=1)]


def _by_text(value: Any) -> Any:
    """CRMs number their owners: 11 is the id "11"."""
    if not isinstance(value, dict):
        return value
    return {str(key) if type(key) is int else key: one for key, one in value.items()}


Entries = Annotated[dict[str, Annotated[Entry, BeforeValidator(_entry)]], BeforeValidator(_by_text)]


class Book(Strict):
    """Who is reached how, by id. `mail` is the server for plain addresses, `crm` the webhook."""

    mail: str = ""
    owners: Entries = Field(default_factory=dict)
    queues: Entries = Field(default_factory=dict)
    managers: Entries = Field(default_factory=dict)
    teams: Entries = Field(default_factory=dict)
    crm: str = ""

    def entry(self, to: str) -> Entry | None:
        """Return the entry of a recipient like `owner:11`; a manager may stand among the owners."""
        kind, _, name = to.partition(":")
        if kind == "crm":
            return Entry(name="the CRM", to=(self.crm,)) if self.crm else None
        found: Entry | None = getattr(self, KINDS[kind]).get(name)
        return self.owners.get(name) if found is None and kind == "manager" else found

    def name(self, kind: str, one: str) -> str:
        """Return what people read for an id: the name in the book, else the id itself."""
        found = self.entry(f"{kind}:{one}")
        return found.name if found and found.name else one


def read(path: Path) -> Book:
    """Read a book.

    Raises:
        BookError: it can't be used.

    """
    try:
        document = documents.read(path)
    except documents.DocumentError as error:
        raise BookError(f"{path}:{error.problem.line}: {error.problem.text}") from error
    try:
        return Book.model_validate(document.value or {})
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        raise BookError("\n".join(_problem(path, document.tree, one) for one in found)) from error


def _problem(path: Path, tree: Any, one: Any) -> str:
    where = [part for part in one["loc"] if isinstance(part, (str, int))]
    text = one["msg"]
    if one["type"] == "extra_forbidden":
        text = f"no such key here; a book has {', '.join(Book.model_fields)}"
    line = documents.line_of(tree, where)
    return f"{path}:{line}: {'.'.join(map(str, where)) or 'the book'}: {text}"
