"""What a home remembers of the market that was played on it: which one it is, and how far it came.

A run that was killed could not say how far it came. Its people are left where they are, and
another market begins: sent again, their bodies would be duplicates that no ledger knows of.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .home import write
from .market.faults import Faults
from .market.hours import DAY
from .market.schedule import HISTORY_DAYS, Market, Window

# Seconds: runs whose number was lost are numbered by the minute since then.
_FIRST_RUN = 1_700_000_000
_BEFORE = 1_000  # numbers of runs of earlier releases, whose ids must not come again


@dataclass
class Played:
    """A market and how far it was played: all due by `until` (ms), and what was made beyond.

    `short` has the deliveries that were taken less often than they were made, by person and place.
    `playing` is true while a run is on.
    """

    market: Market
    until: int
    made: dict[int, int] = field(default_factory=dict)
    short: dict[int, dict[int, int]] = field(default_factory=dict)
    playing: bool = False

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        market = {
            **asdict(self.market),
            "faults": str(self.market.faults),
            "denser": [list(one) for one in self.market.denser],
        }
        return {**self.__dict__, "market": market}


def fresh(seed: int, run: int, faults: Faults, now: int, days: int = HISTORY_DAYS) -> Played:
    """Begin a market some days ago."""
    began = now - days * DAY
    return Played(Market(seed, run, began, faults), began - 1)


def read(path: Path, seed: int, faults: Faults, now: int) -> tuple[Played, str]:
    """Go on with what a home remembers, or begin; the text says why another market begins."""
    try:
        raw = json.loads(path.read_text())
        known = _known(raw) if isinstance(raw, dict) else None
    except FileNotFoundError:
        return fresh(seed, _BEFORE, faults, now), ""
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        known = None
    if known is None:
        run = _BEFORE + 1 + (int(time.time()) - _FIRST_RUN) // 60
        return fresh(
            seed, run, faults, now, 0
        ), f"{path} can't be read: another market begins, with no history"
    market = known.market
    if known.playing:
        why = "the last run was killed: another market begins"
        days = 0 if known.until >= market.began else HISTORY_DAYS
    elif (market.seed, market.faults) != (seed, faults):
        why, days = (
            f"other than the last run ({market.seed=}, {market.faults}): another market begins",
            0,
        )
    else:
        return known, ""
    return fresh(seed, market.run + 1, faults, now, days), why


def _known(raw: dict[str, Any]) -> Played:
    market = raw["market"]
    denser = tuple(Window(*one) for one in market["denser"])
    made = Market(**{**market, "faults": Faults.parse(market["faults"]), "denser": denser})
    short = {
        int(index): {int(place): times for place, times in one.items()}
        for index, one in raw["short"].items()
    }
    return Played(
        made,
        raw["until"],
        {int(index): count for index, count in raw["made"].items()},
        short,
        raw["playing"],
    )


def keep(path: Path, played: Played, *, playing: bool) -> None:
    """Write it down."""
    write(path, json.dumps(replace(played, playing=playing).document()))
