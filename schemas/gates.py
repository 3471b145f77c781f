"""What a lead's touches are worth, and when a gate lets it pass."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from schemas.durations import ELAPSED, Duration, Span
from schemas.strict import Strict


class Points(Strict):
    """What one touch is worth; `daily` is the most that one day may bring."""

    points: int
    daily: int | None = None


FIELDS = (
    "score",
    "hot",
    "suppressed",
    "opted_out",
    "owner",
    "account",
    "segment",
    "origin",
    "source",
    "channel",
    "campaign",
)
OPERATORS = (">=", ">", "<=", "<", "==", "!=", "in", "not in", "known")


class Rule(Strict):
    """One named rule of a gate: no code, so that everybody can read it.

    `field` is one of FIELDS or `attributes.<name>`.
    """

    name: str
    field: str
    op: Literal[">=", ">", "<=", "<", "==", "!=", "in", "not in", "known"]
    value: int | float | str | bool | tuple[str, ...] = True

    @field_validator("field")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in FIELDS and not re.fullmatch(r"attributes\.\w+", value):
            raise ValueError(
                f"{value!r} is no field that a gate reads: "
                f"write one of {', '.join(FIELDS)} or attributes.<name>"
            )
        return value

    @model_validator(mode="after")
    def _fits(self) -> Rule:
        if self.op in ("in", "not in") and not isinstance(self.value, tuple):
            raise ValueError(f"{self.name}: {self.op!r} takes a list, like [a, b]")
        if self.op in (">=", ">", "<=", "<") and (
            isinstance(self.value, bool) or not isinstance(self.value, (int, float))
        ):
            raise ValueError(f"{self.name}: {self.op!r} takes a number")
        return self

    @property
    def need(self) -> str:
        """What the rule asks for, in words."""
        if self.op == "known":
            return "known" if self.value else "not known"
        return f"{self.op} {', '.join(self.value) if isinstance(self.value, tuple) else self.value}"


class Gate(Strict):
    """When a lead may pass: all of `all`, one at least of `any`, and none of `none`."""

    all: tuple[Rule, ...] = ()
    any: tuple[Rule, ...] = ()
    none: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _says_something(self) -> Gate:
        names = [rule.name for rule in (*self.all, *self.any, *self.none)]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not names:
            raise ValueError("a gate without a rule lets everybody pass: write all, any or none")
        if twice:
            raise ValueError(
                f"{', '.join(twice)}: two rules of one name; `explain` could not tell them apart"
            )
        return self


class Scoring(Strict):
    """What touches are worth, how fast that halves, which of them make a lead hot.

    `suppressed` are personas, and reasons of rejection, that a gate may keep out.
    """

    half_life: Span = Field(default="90 days", validate_default=True)
    points: dict[str, Points] = Field(default_factory=dict)
    hot: tuple[str, ...] = ()
    suppressed: tuple[str, ...] = ()

    @field_validator("half_life")
    @classmethod
    def _days(cls, value: Duration) -> Duration:
        if value.business or value.unit in ELAPSED:
            raise ValueError(
                f"{value} is no half-life of points: write days, weeks or months, like '90 days'"
            )
        return value
