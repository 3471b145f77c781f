"""Records that are no lead events: spend, targets, rates of currencies, answers to surveys."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from schemas.events import EARLIEST, LATEST
from schemas.money import Cost, Currency

Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Day = Annotated[date, Field(ge=date(1970, 1, 1), lt=date(2100, 1, 1))]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]


def compound(*parts: object) -> str:
    """Return one key of several parts that no other parts make: a JSON array of them."""
    return orjson.dumps([str(part) for part in parts]).decode()


def _as_text(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict) else value


# JSON as text, since it is part of a key and of a column; what hands it in as an object may.
JsonText = Annotated[
    str,
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]}),
]


class Spend(BaseModel):
    """What one ad account cost on one day, in one breakdown. The latest record of a key holds.

    `day` is a day in the account's own zone; `amount` a decimal string in `currency` (ISO 4217).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    platform: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
    account: str
    day: Day
    campaign: str = ""
    # the rest of the report's key (ad, device, ...): by campaign alone, rows would be lost
    breakdown: JsonText = ""
    amount: Cost
    currency: Currency
    clicks: Count = 0
    impressions: Count = 0
    # when its report was received (ms): the later one holds
    stated_at: Annotated[int, Field(ge=EARLIEST, le=LATEST)] | None = None

    @property
    def key(self) -> str:
        """Return what a later statement must share to replace this one."""
        return compound(self.platform, self.account, self.day, self.campaign, self.breakdown)


class Target(BaseModel):
    """What a KPI shall reach in a period. The latest record of a key holds.

    The key is metric, owner, period and dimensions. `start` and `end` are the period's first and
    last day, in the reporting zone. `dimensions` are those of the KPI's figures (stage, source,
    ...). `shared`: marketing and sales answer for it together. `strategy` names the strategy that
    it serves, as the funnel file does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    metric: Word
    value: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6)]
    owner: Word
    start: Day
    end: Day
    dimensions: dict[Word, Word] = Field(default_factory=dict)
    shared: bool = False
    strategy: Word

    @model_validator(mode="after")
    def _in_order(self) -> Target:
        if self.end < self.start:
            raise ValueError("the period's end lies before its start")
        return self

    @property
    def scope(self) -> str:
        """The dimensions as canonical JSON, "" without any."""
        return (
            orjson.dumps(self.dimensions, option=orjson.OPT_SORT_KEYS).decode()
            if self.dimensions
            else ""
        )

    @property
    def key(self) -> str:
        """Return what a later statement must share to replace this one."""
        return compound(self.metric, self.owner, self.start, self.end, self.scope)


class Rate(BaseModel):
    """What one unit of `currency` is worth in `reporting` from a day on, until a newer rate.

    `rate` is a decimal string.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    currency: Currency
    reporting: Currency
    day: Day
    rate: Annotated[str, StringConstraints(pattern=r"^\d{1,9}(\.\d{1,10})?$")]

    @model_validator(mode="after")
    def _worth_something(self) -> Rate:
        if not Decimal(self.rate):
            raise ValueError("a rate of 0 would make every amount nothing")
        if self.currency == self.reporting:
            raise ValueError("a currency needs no rate to itself")
        return self

    @property
    def key(self) -> str:
        """Return what a later statement must share to replace this one."""
        return compound(self.currency, self.reporting, self.day)


class SurveyAnswer(BaseModel):
    """One person's score for one question, at `answered_at` (ms).

    The person is a hash, made by whoever asked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    survey: Word
    question: Word
    respondent: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,64}$")]
    team: Word
    answered_at: Annotated[int, Field(ge=EARLIEST, le=LATEST)]
    score: Annotated[float, Field(allow_inf_nan=False)]

    @property
    def key(self) -> str:
        """Return what a later statement must share to replace this one."""
        return compound(self.survey, self.question, self.respondent)
