"""`lead.raw.*`: bodies as they came, ticks, and the records that read a parked source again."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from pydantic import Field

from .base import Partition, Time, Wire


class RawHeaders(Wire):
    """Headers of a body. The attributes of a CloudEvent in binary mode are `ce_<name>`."""

    source: Annotated[
        str, Field(alias="leadstream-source", description="the vendor whose body it is")
    ] = "cloudevents"
    retrieved: Annotated[
        str, Field(alias="leadstream-retrieved", description="a retriever made it: it is complete")
    ] = ""
    replay_of: Annotated[
        str, Field(alias="leadstream-replay-of", description="the dead letter that it was")
    ] = ""
    received_at: Annotated[
        str, Field(alias="leadstream-received-at", description="when it came first (ms)")
    ] = ""


class ResumeHeaders(Wire):
    """Headers of the record from which on a parked source is read again."""

    resume: Annotated[str, Field(alias="leadstream-resume", description="the source's name")]


class WakeHeaders(Wire):
    """Headers of the record that tries a row's timer again."""

    wake: Annotated[str, Field(alias="leadstream-wake")]


class Nothing(Wire):
    """A value that says nothing: the record's headers say all."""


class TickOf(NamedTuple):
    """The watermark of one partition of a topic that has so many."""

    now: Time
    topic: str
    partition: Partition
    of: Annotated[int, Field(ge=1, description="the topic's partitions")]


class Tick(Wire):
    """Time as a record. It has neither key nor headers, and goes to every partition."""

    tick: TickOf
