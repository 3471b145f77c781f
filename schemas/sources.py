"""The state of a source in a partition of its raw topic: read, or parked by its circuit breaker.

`lead.sources` is compacted; a record's key names source, topic and partition, so that the newest
state of each stands.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCE_HEADER = "leadstream-source"  # of a raw record: the vendor whose body it is
# of a raw record that a retriever made: it needs no other retrieval
RETRIEVED_HEADER = "leadstream-retrieved"
DEFAULT_SOURCE = "cloudevents"  # of a raw record without that header
# In a raw topic: from here on a source is read again. The value is the source's name.
RESUME_HEADER = "leadstream-resume"
PARKED_HEADER = "leadstream-parked-from"  # topic:partition:offset where a parked record stood


class SourceState(BaseModel):
    """What a worker does with a source's records from `offset` of a partition on."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: Literal[1] = 1
    source: str
    topic: str
    partition: int
    state: Literal["read", "parked"]
    offset: int
    at: int  # ms
    worker: str
    reason: str = ""

    @property
    def key(self) -> bytes:
        """The record's key."""
        return json.dumps(["source", self.source, self.topic, self.partition]).encode()


class Moved(BaseModel):
    """How far a source's parked records were sent to their topics again, by partition."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: Literal[1] = 1
    source: str
    moved: dict[int, int]
    at: int  # ms
    by: str

    @property
    def key(self) -> bytes:
        """The record's key."""
        return json.dumps(["moved", self.source]).encode()


def read(key: bytes | None, value: bytes | None) -> SourceState | Moved | None:
    """Read a record of `lead.sources`; None for one that is neither."""
    if not key or not value:
        return None
    try:
        kind = json.loads(key)[0]
        if kind == "source":
            return SourceState.model_validate_json(value)
        if kind == "moved":
            return Moved.model_validate_json(value)
    except (ValueError, LookupError, TypeError):
        return None
    return None


def source_of(headers: Sequence[tuple[str, bytes | None]]) -> str:
    """Return the source that a raw record claims."""
    found = next((value for name, value in headers if name == SOURCE_HEADER and value), None)
    return DEFAULT_SOURCE if found is None else found.decode(errors="replace")
