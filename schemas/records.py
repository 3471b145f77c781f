"""Records that are no lead events: spend, ticks, cuts, and the frames in which raw bodies travel."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints


class Spend(BaseModel):
    """What one ad account cost on one day, in one breakdown. A later record of the same key replaces an earlier one.

    `day` is a day in the account's own zone; `amount` a decimal string in `currency` (ISO 4217).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    platform: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]
    account: str
    day: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d$")]
    campaign: str = ""
    breakdown: str = ""  # the rest of the report's key (ad, device, ...): replacing by campaign alone would lose rows
    amount: Annotated[str, StringConstraints(pattern=r"^\d{1,15}(\.\d{1,6})?$")]
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    clicks: int = 0
    impressions: int = 0

    @property
    def key(self) -> str:
        """What a later statement must share to replace this one."""
        return f"{self.platform}|{self.account}|{self.day}|{self.campaign}|{self.breakdown}"
