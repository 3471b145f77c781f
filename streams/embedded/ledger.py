"""What the simulated firm knows to have done, kept apart from the pipeline: the demo's counters must equal it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ledger:
    """What the simulator knows to have sent and got acknowledged."""

    published: Counter[str] = field(default_factory=Counter)  # bodies by source, repeats included
    accepted: int = 0  # distinct events whose lead is known
    duplicates: int = 0  # events of bodies sent a second time
    held: int = 0  # events of visitors who never said who they are
    dead_letters: int = 0  # parts of bodies that can't be read
    merged: int = 0  # strong aliases joined to another of the same person
    refused: int = 0  # bodies that the gateway did not take

    def document(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {**self.__dict__, "published": dict(sorted(self.published.items()))}
