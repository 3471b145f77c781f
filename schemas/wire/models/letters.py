"""`lead.deadletters` and `lead.parked`: the headers, and the first line of a letter's value."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas.deadletters import Letter, Mark

from .base import Wire
from .raw import RawHeaders

Base64 = Annotated[str, Field(description="base64")]


class Envelope(Wire):
    """The first line of a letter's value; the record's own bytes follow it, unchanged."""

    key: Base64 | None
    headers: list[tuple[str, Base64 | None]]
    tombstone: Annotated[bool, Field(description="the record had no value")]


class LetterHeaders(Wire):
    """Headers of a piece of a letter."""

    letter: Annotated[Letter, Field(alias="leadstream-letter")]


class MarkHeaders(Wire):
    """Headers of the record that says what became of a letter."""

    mark: Annotated[Mark, Field(alias="leadstream-mark")]


class ParkedHeaders(RawHeaders):
    """Headers of a raw record beside where it stood."""

    parked_from: Annotated[
        str, Field(alias="leadstream-parked-from", description="topic:partition:offset")
    ]
