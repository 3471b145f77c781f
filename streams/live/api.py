"""The API under the live page: the same documents, for machines, as /openapi.json states them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import structlog
from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import AfterValidator, Field, WithJsonSchema

from schemas.events import EARLIEST, LATEST
from schemas.funnel import BUILT_IN
from sinks.clickhouse import kpis as catalogue

from .answers import Figure, Flow, Health, Problem, Stalled, Step, Story, Transition
from .figures import Away
from .scrape import Scrape

if TYPE_CHECKING:
    from collections.abc import Callable

    from .figures import Figures

log = structlog.get_logger()
PATHS = ("/healthz", "/readyz", "/metrics", "/openapi.json")
RETRY_SECONDS = 5
_NAMES = tuple(kpi.name for kpi in catalogue.catalogue())


def _one_of(allowed: tuple[str, ...], what: str) -> Callable[[str], str]:
    """Make a check that text is one of some; another one is told which there are."""

    def check(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"no such {what}; ask for one of {', '.join(filter(None, allowed))}")
        return value

    return check


Name = Annotated[
    str,
    AfterValidator(_one_of(_NAMES, "KPI")),
    WithJsonSchema({"type": "string", "enum": list(_NAMES)}),
]


def _dimension(named: tuple[str, ...]) -> Any:
    """Return the type of a dimension: a built-in one, one that the funnel names, or none."""
    known = ("", *BUILT_IN, *named)
    schema = WithJsonSchema({"type": "string", "enum": list(known)})
    return Annotated[str, AfterValidator(_one_of(known, "dimension")), schema]


AsOf = Annotated[
    int | None,
    Query(ge=EARLIEST, le=LATEST, description="ms since the epoch; now, if it is left out"),
]
Filter = Annotated[str, Field(max_length=200)]
_REFUSED: dict[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "the request asks for what there is not"},
    503: {
        "model": Problem,
        "description": "ClickHouse does not answer",
        "headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}},
    },
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "no such lead"}}


def owns(path: str) -> bool:
    """Return whether a path is the API's, and not the page's."""
    return path.startswith("/api/") or path in PATHS


def application(figures: Figures) -> FastAPI:
    """Make the API. Its routes block on ClickHouse, so FastAPI runs them in threads.

    It has no page of its own at /docs: FastAPI's would load from a CDN.
    """
    app = FastAPI(title="leadstream", version="1", docs_url=None, redoc_url=None)
    scrape = Scrape(figures)

    def kpis(
        as_of: AsOf = None,
        by: str = "",
        kpi: Annotated[list[Name] | None, Query(max_length=50)] = None,
    ) -> list[Figure]:
        return figures.kpis(as_of, by, tuple(kpi or ()))  # type: ignore[return-value]

    # Which dimensions there are is the funnel's to say, so the type is made here.
    kpis.__annotations__["by"] = _dimension(figures.funnel.dimensions)
    app.get("/api/kpis", responses=_REFUSED)(kpis)

    @app.get("/api/funnel", responses=_REFUSED)
    def funnel(source: Filter = "", segment: Filter = "", owner: Filter = "") -> list[Step]:
        return figures.funnel_now(source, segment, owner)  # type: ignore[return-value]

    @app.get("/api/flow", responses=_REFUSED)
    def flow() -> list[Flow]:
        return figures.flow()  # type: ignore[return-value]

    @app.get("/api/stalled", responses=_REFUSED)
    def stalled() -> list[Stalled]:
        return figures.stalled()  # type: ignore[return-value]

    @app.get("/api/feed", responses=_REFUSED)
    def feed() -> list[Transition]:
        return figures.feed()  # type: ignore[return-value]

    @app.get("/api/health", responses=_REFUSED)
    def health() -> Health:
        return figures.health()  # type: ignore[return-value]

    @app.get("/api/leads/{lead}", responses=_REFUSED | _UNKNOWN)
    def lead(lead: UUID) -> Story:
        if not figures.knows(str(lead)):
            raise HTTPException(404, f"no lead has the id {lead}")
        return figures.story(str(lead))  # type: ignore[return-value]

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> dict[str, str]:
        figures.rows("SELECT 1")
        return {"status": "ok"}

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(scrape.page(), media_type=CONTENT_TYPE_LATEST)

    app.add_exception_handler(RequestValidationError, _wrong)
    app.add_exception_handler(Away, _away)
    return app


def _wrong(_request: Request, error: Exception) -> JSONResponse:
    """Explain what is wrong with a request, without what it held."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    reasons = (
        f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg'].removeprefix('Value error, ')}"
        for one in found
    )
    return JSONResponse({"detail": "; ".join(reasons)}, 422)


def _away(_request: Request, error: Exception) -> JSONResponse:
    log.warning("live.clickhouse_away", error=str(error))
    return JSONResponse(
        {"detail": "ClickHouse does not answer; come back in a moment"},
        503,
        {"Retry-After": str(RETRY_SECONDS)},
    )
