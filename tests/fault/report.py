"""What a run did and found, as JSON. Reports add up, so a long run may be made in parts."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

# What must be zero. Each name says what was counted; the suite's text says what is held.
HELD = (
    "missing",
    "twice",
    "wrong",
    "letters_wrong",
    "alerts_twice",
    "time_ahead",
    "time_fell",
    "behind",
    "unmerged",
    "unparked",
    "left",
)


@dataclass
class Report:
    """Counts and lists; all of them add up."""

    seeds: list[str] = field(default_factory=list)
    seconds: float = 0.0
    chapters: int = 0
    rounds: int = 0
    # Accepted by the gateway, or acknowledged by Kafka where the suite sent them there itself.
    records: int = 0
    kafka_records: int = 0  # over all topics of ours
    posts_refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)  # by role, killed by the suite
    fell: int = 0  # children that the kernel ended with a supervisor
    poison: int = 0
    garbage: int = 0
    parked: int = 0  # records that waited in lead.parked, and came back
    alerts: int = 0
    skipped: list[str] = field(default_factory=list)
    takeover_seconds: list[float] = field(default_factory=list)
    up_again_seconds: list[float] = field(default_factory=list)
    settle_seconds: list[float] = field(default_factory=list)
    # Of other sources' time, at most, while one is parked.
    behind_seconds: list[float] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)  # what must be zero
    failures: list[str] = field(default_factory=list)  # what did not come back, and ended the run

    @property
    def clean(self) -> bool:
        """Return whether nothing was found."""
        return not (+self.found or self.failures)

    def add(self, other: Report) -> None:
        """Add another run."""
        for name, value in other.__dict__.items():
            setattr(self, name, getattr(self, name) + value)

    def write(self, path: Path) -> None:
        """Leave it in a folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**self.__dict__, "clean": self.clean}, indent=1))

    def line(self) -> str:
        """Return it as one paragraph."""
        most = ", ".join(f"{role} {count}" for role, count in self.deaths.most_common())
        faults = ", ".join(f"{name} {count}" for name, count in self.faults.most_common())
        return (
            f"{self.records} records accepted ({self.kafka_records} in Kafka's topics), "
            f"{sum(self.deaths.values())} deaths (and {self.fell} children with their "
            f"supervisors), {sum(self.faults.values())} faults in {self.rounds} rounds of "
            f"{self.chapters} homes, {self.seconds / 60:.0f} minutes\n"
            f"{self.poison} poison records, {self.garbage} of garbage, "
            f"{self.parked} parked and read again, {self.alerts} alerts\n"
            f"held: {', '.join(f'{name} {self.found[name]}' for name in HELD)}\n"
            f"ready again: {_spread(self.takeover_seconds)}; "
            f"the whole stack: {_spread(self.up_again_seconds)}; "
            f"settled: {_spread(self.settle_seconds)}; "
            f"other sources' time behind: {_spread(self.behind_seconds)}\n"
            f"deaths: {most}\nfaults: {faults}\n"
            + "".join(f"skipped: {text}\n" for text in sorted(set(self.skipped)))
            + "".join(f"FAILED: {text}\n" for text in self.failures)
        )


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return "never asked"
    sorted_ = sorted(seconds)
    median, late = sorted_[len(sorted_) // 2], sorted_[int(len(sorted_) * 0.95)]
    return f"{median:.1f} s median, {late:.1f} s p95, {sorted_[-1]:.1f} s most of {len(sorted_)}"


def read(path: Path) -> Report:
    """Read a report."""
    values: dict[str, Any] = json.loads(path.read_text())
    values.pop("clean")
    for name in ("faults", "deaths", "found"):
        values[name] = Counter(values[name])
    return Report(**values)


def total(folder: Path) -> Report:
    """Add up the reports of a folder."""
    summed = Report()
    for path in sorted(folder.glob("*.json")):
        summed.add(read(path))
    return summed
