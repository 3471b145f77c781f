"""What a vendor is: all that leadstream knows of it, as one value in one file (vendors/<name>.py).

Gateway, settings, clocks, identity, the default funnel and the documents iterate over these values,
and over nothing else: a new vendor is a new file (docs/how-to/add-a-vendor.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .adapter import Adapter, decoded

if TYPE_CHECKING:
    from .retrieval import Retrieval

# What a source can report of people's work: what stops and restarts clocks.
WORK = frozenset(
    {"human", "automated", "inbound", "accepted", "rejected", "leave", "moved", "onboarded"}
)
# Returns the values of a secret that are valid now: the present one, and the one before.
Secrets = Callable[[str], tuple[str, ...]]


class Call(NamedTuple):
    """What a sender's proof may be made of. Header names are in lower case; `now` is in ms."""

    address: str  # as the sender knows it, with its query
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    now: int


# Returns the body to store; None where the proof does not fit.
Proof = Callable[[Call, Secrets], bytes | None]
# Returns media type and text; None refuses.
Handshake = Callable[[Mapping[str, str], Secrets], "tuple[str, str] | None"]


class Scheme(NamedTuple):
    """A header that proves the sender, or a parameter of the query, as OpenAPI describes it."""

    name: str
    header: str
    description: str
    place: Literal["header", "query"] = "header"


class Secret(NamedTuple):
    """A vendor's secret: LEADSTREAM_<NAME>, and LEADSTREAM_<NAME>_PREVIOUS while it is replaced."""

    name: str
    meaning: str


class Option(NamedTuple):
    """What the installation knows and a vendor's bodies lack: LEADSTREAM_<NAME>."""

    name: str
    default: str
    meaning: str


class Route(NamedTuple):
    """A path of the gateway that takes the vendor's bodies as they come.

    Without a `proof` it is a relay's: a bearer token opens it (settings: ingest_tokens).
    """

    path: str
    meaning: str
    proof: Proof | None = None
    schemes: tuple[Scheme, ...] = ()
    challenge: str = ""  # of the 401, as WWW-Authenticate has it
    keys: tuple[str, ...] = ()  # fields of the body that keep one lead's bodies in one partition
    handshake: Handshake | None = None  # what answers a GET of the path
    example: Any = None  # a short body, as JSON: made up, and read by the adapter


@dataclass(frozen=True)
class Vendor:
    """One vendor."""

    name: str  # as facts, rules and settings write it
    title: str
    topic: str
    normalise: Adapter
    sends: frozenset[str]  # of WORK
    # Whether real bodies were seen, or made from its documentation.
    evidence: Literal["seen", "constructed"]
    documentation: str  # where its formats are described
    decode: Callable[[bytes], Any] = decoded  # what the adapter reads of a body; raises ValueError
    routes: tuple[Route, ...] = ()
    secrets: tuple[Secret, ...] = ()
    options: tuple[Option, ...] = ()
    # Kinds of its records of people, as aliases have them: <name>:<account>:<kind>:<id>.
    records: tuple[str, ...] = ()
    deals: tuple[str, ...] = ()  # kinds of its deals: `deal` or `opportunity`
    canonical: Callable[[str], str] = str  # the one form of an id of its records
    origin: str = ""  # whose leads its first event makes, where nothing else decides
    # Its names of stages, as the default funnel maps them.
    stages: Mapping[str, str] = field(default_factory=dict)
    won: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    patience: float = 25.0  # how long it waits for an answer (s) before it sends the body again
    retries: str = ""  # how it repeats
    # How a retriever completes notifications that carry only an id.
    retrieval: Retrieval | None = None
