"""Who holds which bearer token, and for which sources it may speak.

An event's authority is that of the channel it came through, never that of a name in its body: a
funnel's `authority` would otherwise be anybody's. See `ingest_tokens` in streams/settings.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.sources.proof import bearer_token, equal
from streams.sources.vendors.cloudevents import system_of

if TYPE_CHECKING:
    from streams.settings import Settings


class Speakers:
    """The bearer tokens of an installation."""

    def __init__(self, settings: Settings) -> None:
        """Read the tokens.

        Raises:
            ValueError: the setting can't be read; the text says where.

        """
        self._any = settings.ingest_token.get_secret_value()
        self._named = settings.speakers()

    def named(self, authorization: str) -> str | None:
        """Return the name that a token speaks for, "" for the unbound token, None for no token."""
        token = bearer_token(authorization)
        found = None
        for one, name in self._named.items():  # all of them: the time must not reveal which
            if equal(one, token):
                found = name
        if found is None and self._any and equal(self._any, token):
            return ""
        return found

    def may_relay(self, authorization: str, vendor: str) -> bool:
        """Return whether a token opens a vendor's relay."""
        name = self.named(authorization)
        return name == vendor or (name == "" and vendor not in self._named.values())

    def foreign(self, body: Any, name: str) -> list[str]:
        """Return the sources in CloudEvents that a token named `name` may not speak for.

        A token that is bound to no name speaks for every source that has no token of its own.
        """
        parts = body if isinstance(body, list) else [body]
        sources = [part.get("source") for part in parts if isinstance(part, dict)]
        named = [one for one in sources if isinstance(one, str)]
        if name:
            return [one for one in named if system_of(one) != name]
        return [one for one in named if system_of(one) in self._named.values()]
