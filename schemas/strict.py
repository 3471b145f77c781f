"""The base of whatever a person writes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """A model that refuses unknown keys: a misspelt key in a definition must not be silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
