"""What the gateway's OpenAPI has beside what FastAPI sees: bodies, refusals, proofs."""

from __future__ import annotations

from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from schemas.events import EventType, LeadEvent
from streams.sources.adapter import ATTRIBUTES
from streams.sources.registry import SOURCES

from .problems import MEDIA_TYPE, Problem, Refused

_PLACE = "#/components/schemas/{model}"
_TYPES = ", ".join(f"`{one.value}`" for one in EventType)
_REFUSALS = {
    400: "No readable HTTP, no body, no whole gzip stream, or a length that is no number.",
    401: "The proof is missing or does not fit this body; the answer does not reveal why.",
    403: "The token may not speak for this source.",
    408: "The body did not arrive in time.",
    413: "The body is larger than is taken, as sent, decoded, or as a record of Kafka.",
    415: "Encoded otherwise than by gzip; `Accept-Encoding` names what is taken.",
    422: "Read, and nothing in it can be taken.",
    429: "Too often, or too many at once; `Retry-After` says when to come back.",
    431: "The headers are too many or too large.",
    503: "Kafka does not acknowledge, or the gateway is full; `Retry-After` says when to retry.",
}
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}


_EXAMPLE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "42",
    "source": "shop",
    "type": "leadstream.lead.created",
    "time": "2026-11-24T09:00:00Z",
    "data": {"email": "jane@example.com", "kind": "demo_form"},
}
_HEADERS = ", ".join(f"`ce-{name}: {text}`" for name, text in _EXAMPLE.items() if name != "data")
ABOUT = (
    "Where systems send what happens to leads. 202 means that Kafka has it. A vendor's body is "
    "stored as it comes; events of any other system are CloudEvents (`/v1/events`)."
)


_TAKEN: dict[str, Any] = {
    "taken": 1,
    "ids": ["42"],
    "refused": [
        {
            "index": 1,
            "id": "43",
            "field": "data.emial",
            "reason": "data.emial: no field of ours; did you mean email?",
            "hint": "email",
        }
    ],
}


class CloudEvent(BaseModel):
    """CloudEvents 1.0, extension attributes allowed; `data` is a lead event (schemas/events.py)."""

    model_config = ConfigDict(
        extra="allow", strict=True, json_schema_extra={"examples": [_EXAMPLE]}
    )
    specversion: Literal["1.0"]
    id: str = Field(min_length=1)
    source: str = Field(min_length=1, description="Your system; never a vendor's name.")
    type: str = Field(pattern=r"^leadstream\.", description=f"`leadstream.` and one of {_TYPES}.")
    time: str | None = Field(default=None, description="RFC 3339, with a zone.")
    data: dict[str, Any] = Field(
        default={}, description="`email`, `phone` or `aliases`, and what happened: LeadData."
    )


class Taken(BaseModel):
    """Which events of a body were taken, and why the others were not."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TAKEN]})
    taken: int = Field(description="How many.")
    ids: list[str] = Field(description="Of those taken, as they were sent, in their order.")
    refused: list[Refused] = Field(description="In the order of the body.")


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the declarations of refusals, for FastAPI's `responses`."""
    return {
        status: {
            "description": _REFUSALS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            **({"headers": _RETRY} if status in (429, 503) else {}),
        }
        for status in statuses
    }


BODY = refusals(400, 401, 408, 413, 415, 429, 431, 503)

SCHEMES: dict[str, dict[str, str]] = {
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "LEADSTREAM_INGEST_TOKEN, or one of LEADSTREAM_INGEST_TOKENS.",
    },
} | {
    scheme.name: {
        "type": "apiKey",
        "in": scheme.place,
        "name": scheme.header,
        "description": scheme.description,
    }
    for vendor in SOURCES.values()
    for route in vendor.routes
    for scheme in route.schemes
}


# Beside a proof in the query: a query that names one field would be taken for one of no other.
_QUERY: dict[str, Any] = {
    "name": "fields",
    "in": "query",
    "required": False,
    "style": "form",
    "explode": True,
    "description": "Whatever else the vendor writes into the address; it is not read.",
    "schema": {"type": "object", "additionalProperties": True},
}


def any_bytes(example: Any, *schemes: str) -> dict[str, Any]:
    """Declare a vendor's route: it takes any bytes, proven by all these schemes together.

    `example` is a body of the vendor's, as JSON; None to show none.
    """
    shown = orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
    body = {"summary": "Made up, of the vendor's shape:", "value": shown}
    examples = {} if example is None else {"examples": {"body": body}}
    in_query = any(SCHEMES[name].get("in") == "query" for name in schemes)
    return {
        "security": [{name: [] for name in schemes}] if schemes else [],
        **({"parameters": [_QUERY]} if in_query else {}),
        "requestBody": {
            "required": True,
            "description": "The vendor's body as it comes: any bytes of any Content-Type, as they "
            "are or compressed by gzip.",
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary", "minLength": 1},
                    **examples,
                }
            },
        },
    }


def cloudevents() -> dict[str, Any]:
    """Return the declaration of the generic route."""
    one = {"$ref": "#/components/schemas/CloudEvent"}
    batch = {"type": "array", "items": one, "minItems": 1}
    whole = {"one": {"summary": "One event:", "value": _EXAMPLE}}
    several = {"several": {"summary": "A batch:", "value": [_EXAMPLE, {**_EXAMPLE, "id": "43"}]}}
    data = {"data": {"summary": f"In binary mode, beside {_HEADERS}:", "value": _EXAMPLE["data"]}}
    contents = {
        "application/cloudevents+json": (one, whole),
        "application/cloudevents-batch+json": (batch, several),
        "application/json": ({"anyOf": [one, batch, {"type": "object"}]}, data),
    }
    return {
        "security": [{"Bearer": []}],
        "requestBody": {
            "required": True,
            "description": "One event or a batch. In binary mode the attributes are `ce-` headers "
            "and the body is `data`.",
            "content": {
                name: {"schema": schema, "examples": examples}
                for name, (schema, examples) in contents.items()
            },
        },
    }


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with the models and schemes that the declarations name."""
    parts = document.setdefault("components", {})
    parts["securitySchemes"] = SCHEMES
    schemas = parts.setdefault("schemas", {})
    for model in (Problem, Refused, CloudEvent):
        made = model.model_json_schema(ref_template=_PLACE)
        made.pop("$defs", None)
        schemas[model.__name__] = made
    schemas |= _data()
    return document


def _data() -> dict[str, Any]:
    """Return the schema of `data`: a lead event without the CloudEvent's attributes, with names.

    Nothing refers to it: what it can't express (that one of three names is needed) would be taken
    for allowed.
    """
    made = LeadEvent.model_json_schema(ref_template=_PLACE)
    parts = made.pop("$defs", {})
    parts.pop("EventType", None)
    fields = {name: one for name, one in made["properties"].items() if name not in ATTRIBUTES}
    names = {
        "email": {"type": "string", "description": "One of `email`, `phone`, `aliases` is needed."},
        "phone": {"type": "string", "description": "With its country: +49 30 1234567."},
    }
    about = "Of a CloudEvent's `data`: who the lead is, and what happened."
    data = {"type": "object", "description": about, "properties": names | fields}
    return {**parts, "LeadData": data}
