"""`lead.spend`, `lead.targets`, `lead.rates`, `lead.surveys`: schemas/records.py as records."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from schemas.records import Rate, Spend, SurveyAnswer, Target


class SpendRecord(Spend):
    """What an ad account cost on a day. The latest statement of a key holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    record: Literal["spend"]
    version: Literal[2]


class TargetRecord(Target):
    """What a KPI shall reach in a period. The latest statement of a key holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    record: Literal["target"]
    version: Literal[1]


class RateRecord(Rate):
    """What a currency is worth from a day on. The latest statement of a key holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    record: Literal["rate"]
    version: Literal[1]


class AnswerRecord(SurveyAnswer):
    """A score that a person gave. The latest answer holds."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    record: Literal["answer"]
    version: Literal[1]
