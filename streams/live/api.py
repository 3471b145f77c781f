"""The API under the live page: the same figures and lists, as /openapi.json states them.

It only reads. Whoever asks for leads, their owners or their stories needs the role of lead details;
the guard before it says who asks (guard.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BeforeValidator, Field, WithJsonSchema

from schemas.funnel import BUILT_IN
from sinks.clickhouse.asking import PERIODS, Asked, Unreadable
from sinks.clickhouse.catalogue import catalogue, lacking, named

from . import guard, lists
from .answers import (
    Feed,
    Flow,
    Found,
    Health,
    Known,
    Lates,
    Members,
    Problem,
    Report,
    Stalled,
    Step,
    Story,
    Waitings,
)
from .figures import NO_ANSWER, Away
from .lists import FARTHEST, MOST, SORTS, Wanted
from .scrape import Scrape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.dependencies.models import Dependant

    from .figures import Figures

log = structlog.get_logger()
V1 = "/api/v1"
PATHS = ("/healthz", "/readyz", "/metrics", "/openapi.json")
RETRY_SECONDS = 5
MOST_FIGURES = 20_000  # of one report
_NAMES = [kpi.name for kpi in catalogue()]
_PAIR = "write a name and a value, like source=meta"


def _flag(value: Any) -> Any:
    if value not in (True, False, "true", "false"):
        raise ValueError("write true or false")
    return value in (True, "true")


Flag = Annotated[bool, BeforeValidator(_flag)]
Text = Annotated[str, Field(max_length=200)]
Name = Annotated[Text, WithJsonSchema({"type": "string", "enum": _NAMES})]
Day = Annotated[Text, WithJsonSchema({"type": "string", "format": "date"})]
Pairs = Annotated[
    list[Annotated[Text, WithJsonSchema({"type": "string", "pattern": "^[a-z_.]+=.*$"})]],
    Field(max_length=50),
]
Limit = Annotated[int, Query(ge=1, le=MOST, description="rows of a page")]
Offset = Annotated[int, Query(ge=0, le=FARTHEST, description="rows before the page's first")]
Sort = Annotated[
    str,
    Query(description="a minus turns it"),
    WithJsonSchema({"type": "string", "enum": ["", *SORTS]}),
]
_ABOUT = (
    "Figures and leads, to read. Where the page asks for a login, send "
    "`Authorization: Bearer TOKEN`: a token of the role viewer shows figures, one of lead_details "
    "leads too. Instants are UTC."
)
_REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"description": "nobody signed in, or the token is wrong"},
    403: {"model": Problem, "description": "the token shows figures, not leads"},
    422: {"model": Problem, "description": "the request asks for what there is not"},
    503: {
        "model": Problem,
        "description": "ClickHouse is away or not set up: the text says whose move it is",
        "headers": {"Retry-After": {"description": "seconds", "schema": {"type": "integer"}}},
    },
}
_UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "no such lead"}}


def owns(path: str) -> bool:
    """Return whether a path is the API's, and not the page's."""
    return path.startswith("/api/") or path in PATHS


def asked(
    start: Annotated[Day, Query(alias="from", description="first day, like 2026-01-31")] = "",
    end: Annotated[Day, Query(alias="to", description="the day after the last")] = "",
    period: Annotated[
        Text, Query(description=f"instead of days: one of {', '.join(PERIODS)}, last-N-days")
    ] = "",
    as_of: Annotated[
        Text,
        Query(
            description="as it had come by this instant: ISO 8601, without a zone in the question's"
        ),
    ] = "",
    zone: Annotated[Text, Query(description="IANA zone of days and times; the reporting one")] = "",
    by: Annotated[
        Text, Query(description=f"a dimension: {', '.join(BUILT_IN)}, or one of the funnel file")
    ] = "",
    where: Annotated[
        Pairs, Query(description="keep only this, like channel=paid_social; repeatable")
    ] = [],  # noqa: B006 - FastAPI copies it
    cohort_days: Annotated[
        int | None, Query(ge=1, le=3_660, description="one window for all cohorts")
    ] = None,
) -> Asked:
    """Return the question of a request, as asking.read reads it."""
    return Asked(
        start, end, period, as_of, zone, by, _pairs(where, "where"), "", False, cohort_days
    )


def wanted(
    team: Text = "",
    owner: Text = "",
    stage: Text = "",
    source: Text = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> Wanted:
    """Return which rows of a list a request wants."""
    return Wanted(team, owner, stage, source, "", limit, offset)


def _pairs(texts: list[str], option: str) -> tuple[tuple[str, str], ...]:
    pairs = [text.partition("=") for text in texts]
    if wrong := next(
        (text for text, (_, mark, _) in zip(texts, pairs, strict=True) if not mark), ""
    ):
        raise Unreadable(f"§{option} {wrong!r}: {_PAIR}")
    return tuple((name, value) for name, _, value in pairs)


def _details(request: Request) -> None:
    """Refuse whoever may see figures only."""
    if not guard.sees_leads(request.scope):
        raise HTTPException(
            403, "this token shows figures: leads need one of the role lead_details"
        )


def _known(request: Request) -> None:
    """Refuse a parameter that the route lacks: a misspelt filter would show other figures."""
    names = [*_parameters(request.scope["route"].dependant)]
    if unknown := next((name for name in request.query_params if name not in names), ""):
        raise Unreadable(
            f"{unknown[:40]!r} is no parameter; there are {', '.join(names) or 'none'}"
        )


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for one in dependant.dependencies:
        yield from _parameters(one)


def application(figures: Figures) -> FastAPI:
    """Make the API. Its routes block on ClickHouse, so FastAPI runs them in threads.

    It has no page of its own at /docs: FastAPI's would load from a CDN.
    """
    app = FastAPI(
        title="leadstream", version="1", description=_ABOUT, docs_url=None, redoc_url=None
    )
    scrape = Scrape(figures)
    app.include_router(_of_figures(figures))
    app.include_router(_of_leads(figures))

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
    app.add_exception_handler(Unreadable, _unreadable)
    app.add_exception_handler(Away, _away)
    return app


def _of_figures(figures: Figures) -> APIRouter:
    """Return the routes that show figures, to everybody who may see the page."""
    router = APIRouter(prefix=V1, responses=_REFUSED, dependencies=[Depends(_known)])

    @router.get("/kpis")
    def kpis(
        question: Annotated[Asked, Depends(asked)],
        kpi: Annotated[list[Name], Query(max_length=50, description="only these; repeatable")] = [],  # noqa: B006 - FastAPI copies it
        trend: Annotated[
            str, WithJsonSchema({"type": "string", "enum": ["", "day", "week", "month"]})
        ] = "",
        compare: Annotated[
            Flag, Query(description="with the figures of the period before")
        ] = False,
    ) -> Report:
        whole = question._replace(trend=trend, compare=compare, kpis=tuple(kpi))
        found = _readable(lambda: figures.report(whole))
        if len(found["figures"]) > MOST_FIGURES:
            raise Unreadable(
                f"these are {len(found['figures'])} figures, more than {MOST_FIGURES}: "
                "name KPIs, like kpi=acceptance, or ask for a shorter period"
            )
        return Report.model_validate(found)

    @router.get("/catalogue")
    def known() -> list[Known]:
        shape = figures.funnel.shape()
        return [
            Known(
                **{name: getattr(kpi, name) for name in Known.model_fields if hasattr(kpi, name)}
                | {"kpi": kpi.name, "rows": list(kpi.rows), "leads": bool(kpi.members)},
                why=lacking(kpi, shape),
            )
            for kpi in catalogue()
        ]

    @router.get("/funnel")
    def funnel(source: Text = "", segment: Text = "", owner: Text = "") -> list[Step]:
        titles = figures.funnel.titles()
        return [
            Step(title=titles.get(row["stage"], row["stage"]), **row)
            for row in figures.funnel_now(source, segment, owner)
        ]

    @router.get("/flow")
    def flow() -> list[Flow]:
        return figures.flow()  # type: ignore[return-value]

    @router.get("/health")
    def health() -> Health:
        return figures.health()  # type: ignore[return-value]

    return router


def _of_leads(figures: Figures) -> APIRouter:
    """Return the routes that show leads, to those whose role has lead details."""
    router = APIRouter(
        prefix=V1, responses=_REFUSED, dependencies=[Depends(_details), Depends(_known)]
    )

    @router.get("/kpis/{kpi}/leads")
    def behind(
        kpi: Name,
        question: Annotated[Asked, Depends(asked)],
        is_: Annotated[
            Pairs, Query(alias="is", description="a figure's dimension, like stage=mql; repeatable")
        ] = [],  # noqa: B006 - FastAPI copies it
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Members:
        dimensions = dict(_pairs(is_, "is"))
        rows = _readable(lambda: named(kpi)).rows
        known = [*rows, *filter(None, [question.by])]
        if unknown := next((name for name in dimensions if name not in known), ""):
            raise Unreadable(
                f"§is {unknown!r}: {kpi} has no such dimension; it has {', '.join(known) or 'none'}"
            )
        found = _readable(lambda: figures.behind(question, kpi, dimensions, limit, offset))
        more = offset + limit < found["total"] and offset + limit <= FARTHEST
        return Members.model_validate({**found, "next": offset + limit if more else None})

    @router.get("/stalled")
    def stalled(page: Annotated[Wanted, Depends(wanted)], sort: Sort = "") -> Stalled:
        return lists.stalled(figures, page._replace(sort=sort))  # type: ignore[return-value]

    @router.get("/about-to-breach")
    def about_to_breach(page: Annotated[Wanted, Depends(wanted)], sort: Sort = "") -> Lates:
        return lists.about_to_breach(figures, page._replace(sort=sort))  # type: ignore[return-value]

    @router.get("/hot-waiting")
    def hot_waiting(page: Annotated[Wanted, Depends(wanted)], sort: Sort = "") -> Waitings:
        return lists.hot_waiting(figures, page._replace(sort=sort))  # type: ignore[return-value]

    @router.get("/feed")
    def feed(page: Annotated[Wanted, Depends(wanted)]) -> Feed:
        return lists.feed(figures, page)  # type: ignore[return-value]

    @router.get("/leads")
    def find(
        find: Annotated[
            str,
            Query(
                min_length=1,
                max_length=2_000,
                description="an email, a CRM record's address or id, an alias, an id or its first "
                "four digits or more",
            ),
        ],
    ) -> Found:
        leads = lists.named(figures, figures.find(find))
        return Found.model_validate({"leads": leads})

    @router.get("/leads/{lead}", responses=_UNKNOWN)
    def lead(lead: UUID) -> Story:
        if not figures.knows(str(lead)):
            raise HTTPException(404, f"no lead has the id {lead}")
        return figures.story(str(lead))  # type: ignore[return-value]

    return router


def _readable(ask: Any) -> Any:
    """Return an answer; what the figures cannot be asked for is the asker's to mend.

    Raises:
        Unreadable: as the figures say it.

    """
    try:
        return ask()
    except Unreadable:
        raise
    except ValueError as error:
        raise Unreadable(str(error)) from error


def _wrong(_request: Request, error: Exception) -> JSONResponse:
    """Explain what is wrong with a request, without what it held."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    reasons = (
        f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg'].removeprefix('Value error, ')}"
        for one in found
    )
    return JSONResponse({"detail": "; ".join(reasons)}, 422)


def _unreadable(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


def _away(_request: Request, error: Exception) -> JSONResponse:
    log.warning("live.clickhouse_away", error=str(error))
    detail = error.move if isinstance(error, Away) else NO_ANSWER
    return JSONResponse({"detail": detail}, 503, {"Retry-After": str(RETRY_SECONDS)})
