"""How long: `5 minutes`, `14 days`, `3 business days`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

ELAPSED = {"minute": 60_000, "hour": 3_600_000}
_DURATION = re.compile(r"^(\d+) (business )?(minute|hour|day|week|month)s?$")
_MOST = {"minute": 5_270_400, "hour": 87_840, "day": 3_660, "week": 520, "month": 120}


class Duration(NamedTuple):
    """`14 days`, `5 minutes`, `3 business days`, at most 10 years. Units as in history h10."""

    amount: int
    unit: Literal["minute", "hour", "day", "week", "month"]
    business: bool

    @classmethod
    def read(cls, text: object) -> Duration:
        """Read `3 business days`.

        Raises:
            ValueError: the text is no duration, or a longer one than any clock needs. The error
                says how one is written.

        """
        if isinstance(text, Duration):
            return text
        found = _DURATION.match(str(text))
        if not found or (found[2] and found[3] in ("week", "month")) or not int(found[1]):
            raise ValueError(
                f"{text!r} is no duration: write '5 minutes', '14 days' or '3 business days'"
            )
        # The end of a longer one may lie beyond the years of a calendar, in the midst of a fold.
        if int(found[1]) > _MOST[found[3]]:
            raise ValueError(
                f"{text!r} is more than 10 years: write at most {_MOST[found[3]]} {found[3]}s"
            )
        return cls(int(found[1]), found[3], bool(found[2]))  # type: ignore[arg-type]

    def elapsed_ms(self) -> int | None:
        """Return minutes and hours in ms of elapsed time; None for units that need a calendar."""
        return (
            None if self.business or self.unit not in ELAPSED else self.amount * ELAPSED[self.unit]
        )

    def __str__(self) -> str:
        """Write it as it is read."""
        unit = self.unit if self.amount == 1 else f"{self.unit}s"
        return f"{self.amount} business {unit}" if self.business else f"{self.amount} {unit}"


Span = Annotated[  # read and written alike
    Duration,
    BeforeValidator(Duration.read),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": _DURATION.pattern}),
]
