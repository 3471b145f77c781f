"""What a sender gets for a refusal: RFC 9457 problem details; `detail` says whose move it is."""

from __future__ import annotations

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
TITLES = {
    400: "Malformed request",
    401: "Not proven",
    403: "Not yours to say",
    404: "No such address",
    405: "No such method here",
    408: "Too slow",
    413: "Too large",
    415: "Unknown encoding",
    422: "Not readable",
    429: "Too many",
    431: "Headers too large",
    500: "Our fault",
    503: "Not now",
}


# Where the framework has no more to say than the title; methods are in the header Allow.
_DETAILS = {
    404: "nothing is taken at this address; /docs lists the addresses",
    405: "this address does not take this method; the header Allow names those that it takes",
}


class Refused(BaseModel):
    """One event of a body that is not taken."""

    index: int = Field(description="The event's place in the body; 0 is the first.")
    id: str = Field(default="", description="As it was sent; empty where it has none.")
    field: str = Field(default="", description="What is wrong, dotted: `data.deal.amount`.")
    reason: str = Field(description="All of it in one line.")
    hint: str = Field(default="", description="What was perhaps meant: a field's or type's name.")


class Problem(BaseModel):
    """Why a request is refused, and what its sender can do."""

    title: str
    status: int
    detail: str
    refused: list[Refused] = Field(default=[], description="Of /v1/events: each event, and why.")


class ProblemError(HTTPException):
    """A refusal; it becomes a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: dict[str, str] | None = None,
        refused: list[Refused] | None = None,
    ) -> None:
        """Keep the answer's parts; `refused` are events of a body that was read as events."""
        super().__init__(status, detail, headers)
        self.refused = refused or []


def document(status: int, detail: str, refused: list[Refused] | None = None) -> bytes:
    """Return a problem document, as JSON."""
    problem = {"title": TITLES.get(status, "Refused"), "status": status, "detail": detail}
    if refused:
        problem["refused"] = [one.model_dump() for one in refused]
    return orjson.dumps(problem)


async def answer(request: Request, error: Exception) -> Response:
    """Return the answer to an exception of ours, of Starlette's or of FastAPI's."""
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        detail = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        content = document(422, detail.encode(errors="replace").decode())
        return Response(content, 422, media_type=MEDIA_TYPE)
    if not isinstance(error, HTTPException):
        raise error
    refused = error.refused if isinstance(error, ProblemError) else None
    bare = not isinstance(error, ProblemError)
    detail = _DETAILS.get(error.status_code, error.detail) if bare else error.detail
    content = document(error.status_code, str(detail), refused)
    headers = dict(error.headers or {})
    known = request.app.openapi()["paths"].get(request.scope["path"])
    if error.status_code == 405 and known:  # Starlette names the methods of the first route only
        headers["Allow"] = ", ".join(sorted(method.upper() for method in known))
    return Response(content, error.status_code, headers, media_type=MEDIA_TYPE)
