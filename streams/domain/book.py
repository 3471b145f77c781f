"""A map that may grow without end beside a row that may not: it stands in the row, then in pages.

The newest entries stand in the row itself. When they are too many they go to pages by the hash of
their name (linear hashing: one page is split at a time, so that no write grows with the map). What
an entry costs to find or to add is a page, however many there are.

Pages are written before the row that counts them: a crash may leave new pages under an old count.
A split therefore copies: the old page keeps what moved until it is written under the new count, and
whoever reads by the old count still finds all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HEAD, PAGE = 200, 1_000  # entries in the row, and in a page on average


def no_page(_name: bytes) -> None:
    """Read a page of a row that has none."""
    return


@dataclass(frozen=True)
class Book:
    """The map as a value. `fresh` are the pages that changed; `read` finds the others by number."""

    head: Mapping[str, Any] = field(default_factory=dict)
    pages: int = 0
    size: int = 0  # entries in pages
    fresh: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    read: Callable[[bytes], bytes | None] = field(default=no_page, compare=False, repr=False)

    def get(self, name: str) -> Any | None:
        """Return an entry; None when there is none."""
        if name in self.head or not self.pages:
            return self.head.get(name)
        return self._page(_bucket(name, self.pages)).get(name)

    def put(self, name: str, value: Any) -> Book:
        """Return the map with an entry."""
        head = {**self.head, name: value}
        if len(head) <= HEAD:
            return Book(head, self.pages, self.size, self.fresh, self.read)
        return self._stored(head)

    def names(self) -> Iterator[str]:
        """Return each name once."""
        yield from self.head
        for number in range(self.pages):
            yield from (
                name
                for name in self._page(number)
                if name not in self.head and _bucket(name, self.pages) == number
            )

    def emptied(self) -> Book:
        """Return a map with nothing in it, whose old pages are written empty."""
        return Book(fresh={number: {} for number in range(self.pages)})

    def changed(self) -> dict[bytes, bytes]:
        """Return the pages that changed, as they are stored, by name."""
        return {b"%d" % number: orjson.dumps(page) for number, page in self.fresh.items()}

    def _page(self, number: int) -> Mapping[str, Any]:
        if number in self.fresh:
            return self.fresh[number]
        body = self.read(b"%d" % number)
        page: dict[str, Any] = orjson.loads(body) if body else {}
        return page

    def _without_moved(self, number: int) -> Mapping[str, Any]:
        """Read a page without what an earlier split, which is committed by now, moved away."""
        pages = max(1, self.pages)
        page = self._page(number).items()
        return {name: value for name, value in page if _bucket(name, pages) == number}

    def _stored(self, entries: Mapping[str, Any]) -> Book:
        """Move entries to their pages, and split pages until they are small enough."""
        pages, size, fresh = max(1, self.pages), self.size, dict(self.fresh)

        def page(number: int) -> dict[str, Any]:
            if number not in fresh:
                fresh[number] = self._without_moved(number)
            held = fresh[number] = dict(fresh[number])
            return held

        for name, value in entries.items():
            held = page(_bucket(name, pages))
            size += name not in held
            held[name] = value
        while size > PAGE * pages:
            old, new = page(pages - (1 << pages.bit_length() - 1)), page(pages)
            pages += 1
            for name in [name for name in old if _bucket(name, pages) == pages - 1]:
                new[name] = old[name]
        return Book({}, pages, size, fresh, self.read)


def _bucket(name: str, pages: int) -> int:
    """Return an entry's page: by as many bits of its hash as there are pages for."""
    number = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
    bits = pages.bit_length()
    high = number & (1 << bits) - 1
    return high if high < pages else number & (1 << bits - 1) - 1
