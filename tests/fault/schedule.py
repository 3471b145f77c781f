"""What is done to a home, drawn from a seed: each chapter deals a shuffled deck of one theme.

A deck, not a draw: so each fault of a theme comes in each chapter of it, and only the order and the
victims are chance.
"""

from __future__ import annotations

import random
from typing import NamedTuple

from schemas import topics

from .system import ROLES, WORKERS

ROUND = 12  # faults between two looks of the oracle
THEMES = ("processes", "deaths", "network", "data", "supervisor", "servers", "disk")
THREE = "three-brokers"
# What our workers read; people alone read lead.state, lead.alerts, lead.parked and lead.sources.
POISONED = (
    topics.RAW_WEB, topics.RAW_ADS, topics.RAW_CRM, topics.RAW_IMPORT, topics.EVENTS,
    topics.TOUCHES, topics.FACTS, topics.SPEND, topics.TARGETS, topics.RATES, topics.SURVEYS,
)  # fmt: skip


class Fault(NamedTuple):
    """What is done, to whom, and for how long (s) or how often."""

    kind: str
    whom: str = ""
    much: float = 0.0

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.whom, f"{self.much:g}" if self.much else "")))


def deck(rng: random.Random, theme: str, *, long: bool = False) -> list[Fault]:
    """Return the faults of a chapter in the order of this seed."""

    def kills(number: int) -> list[Fault]:
        return [Fault("kill", rng.choice(WORKERS)) for _ in range(number)]

    def together(number: int) -> list[Fault]:
        return [Fault("kill", "+".join(rng.sample(ROLES, 4))) for _ in range(number)]

    def poison(number: int) -> list[Fault]:
        return [Fault("poison", topic) for topic in rng.sample(POISONED, number)]

    match theme:
        case "processes":
            found = [Fault("kill", role) for role in ROLES] + together(4) + kills(6) + poison(3)
            found += [Fault("freeze", role, rng.choice([2, 5, 9])) for role in rng.sample(ROLES, 4)]
            found += [
                Fault("freeze", rng.choice(WORKERS), 20),
                *(Fault("restart", role) for role in rng.sample(ROLES, 2)),
            ]
        case "deaths":  # nothing else, so that there are many
            found = [
                Fault("kill what runs", "+".join(rng.sample(ROLES, 5))) for _ in range(3 * ROUND)
            ]
        case "network":
            found = [
                Fault(f"kafka {mood}", "", much)
                for mood, much in (("slow", 10), ("cut", 5), ("hole", 12))
            ]
            found += [
                Fault(f"clickhouse {mood}", "", much)
                for mood, much in (("slow", 8), ("cut", 5), ("hole", 8), ("refuse", 8), ("mute", 6))
            ]
            found += (
                [Fault("kill in an insert") for _ in range(4)] + kills(10) + together(3) + poison(2)
            )
        case "data":
            found = [
                Fault("flood", "a lead", 3_000),
                Fault("flood", "an alias", 3_000),
                Fault("chain", "", 100 if long else 30),
                Fault("chain", "", 20),
                Fault("ticks"),
                Fault("ticks"),
            ]
            found += poison(len(POISONED)) + kills(10) + together(3)
        case "supervisor":
            found = [
                Fault("kill supervisor"),
                Fault("kill supervisor"),
                Fault("stop supervisor", rng.choice(WORKERS), 6),
            ]
            found += [
                Fault("stop supervisor", rng.choice(ROLES), 12),
                Fault("rolling restart"),
                Fault("storm", "", 2),
            ]
            found += kills(10) + together(3) + poison(3)
        case "servers":
            found = (
                [Fault("kill", "broker")] * 3
                + [Fault("kill", "clickhouse")] * 3
                + kills(10)
                + together(3)
                + poison(2)
            )
            found += [
                Fault("restart", "broker"),
                Fault("restart", "clickhouse"),
                Fault("freeze", "clickhouse", 20),
            ]
            found += [Fault("freeze", "broker", 180 if long else 30)]
        case "three-brokers":
            found = [Fault("kill", f"broker-{number}") for number in (1, 2, 3)] * 2 + [
                Fault("freeze", f"broker-{rng.randint(1, 3)}", 15)
            ]
            found += [
                Fault("kill", "+".join(rng.sample(["broker-1", "broker-2", "broker-3"], 2))),
                Fault("restart", f"broker-{rng.randint(1, 3)}"),
            ]
            found += [*kills(6), *poison(2)]
        case _:
            found = [
                Fault("full disk", "", 10),
                Fault("full disk", "", 20),
                *kills(10),
                *together(3),
                *poison(2),
            ]
    rng.shuffle(found)
    return found


def rounds(faults: list[Fault]) -> list[list[Fault]]:
    """Deal a deck; the last round may be short."""
    return [faults[begin : begin + ROUND] for begin in range(0, len(faults), ROUND)]
