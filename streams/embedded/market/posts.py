"""A body on its way, and what it means in the simulator's own terms."""

from __future__ import annotations

from typing import Any, NamedTuple

LADDER = ("inquiry", "mql", "sal", "sql", "opportunity", "customer")


class Meaning(NamedTuple):
    """One thing that a body tells of its person.

    `names` and `marks` are the person's own, each once in a way: a name (an address, a record)
    says who it is, a mark (a browser, a booking) only once it was seen beside a name. `key` names
    the thing, whichever body tells it. `stage` is how far it brings the person; `kind` what it is
    worth to the gate.
    """

    key: str
    names: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    stage: str = ""
    kind: str = ""
    at: int = 0  # ms
    deal: str = ""
    amount: int = 0  # whole units of the firm's currency
    won: bool = False
    links: bool = False  # it only says which names are one
    test: bool = False


class Post(NamedTuple):
    """A body: whose route it takes, its content (JSON or text), its date (ms), and what it means.

    `dead` counts its parts that nobody can read; `about` names it on the screen.
    """

    source: str
    body: Any
    at: int
    about: str
    meanings: tuple[Meaning, ...] = ()
    dead: int = 0

    @property
    def anonymous(self) -> bool:
        """Return whether it names nobody, and says so of somebody: a visitor's page."""
        return bool(self.meanings) and not any(one.names for one in self.meanings)


class Identity(NamedTuple):
    """Who somebody is, unique in all runs: `name` for texts, `number` for systems that count."""

    run: int
    place: int

    @property
    def name(self) -> str:
        return f"{self.run}p{self.place}"

    @property
    def number(self) -> int:
        return (self.run + 1) * 1_000_000_000 + self.place

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"
