"""The HTTP gateway: one route a vendor, its signature, and 2xx only after Kafka has acknowledged.

A vendor's body is stored as it came (decoded where it was compressed), so a parser's bug loses
nothing. A request meets, in this order:

    wire.py        connections, time and size of the head           408, 429, 431, 503, closing
    edge.py        headers, rate of the remote address              429, 431
    bodies.py      size, time, encoding, all bytes held at once     400, 408, 413, 415, 503
    a vendor's proof, speakers.py  who speaks                        401, 403
    routes.py      rate of the source (buckets.py)                  429
    events.py      /v1/events: what of it can be read               422
    publishing.py  Kafka                                            202, 413, 429, 503

Every refusal is a problem document (problems.py). /docs shows the OpenAPI document
(documentation.py).
"""

from __future__ import annotations

import functools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from fastapi import FastAPI, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse

from . import documentation, openapi, problems, routes
from .edge import Edge
from .openapi import Health, refusals
from .problems import ProblemError
from .publishing import RETRY, RawPublisher, kafka_producer
from .wire import bounded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streams.settings import Settings

_SHUTDOWN_SECONDS = 10


def application(settings: Settings, make: Callable[[], Any] | None = None) -> FastAPI:
    """Return the gateway's ASGI application; `make` returns a producer, by default Kafka's.

    Raises:
        ValueError: a setting can't be read; the text says which.

    """
    publisher = RawPublisher(make or (lambda: kafka_producer(settings)))
    reception = routes.Reception(settings, publisher)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        publisher.start()
        yield
        await publisher.stop()

    app = FastAPI(
        title="leadstream gateway",
        version="1",
        lifespan=lifespan,
        description=openapi.ABOUT,
        docs_url=None,  # FastAPI's own pages load their scripts from another host
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            HTTPException: problems.answer,
            RequestValidationError: problems.answer,
        },
    )
    app.add_middleware(Edge, settings=settings, sources=routes.PATHS)
    app.include_router(routes.of_vendors(reception))
    app.include_router(routes.of_events(reception))
    _probes(app, publisher)
    made = app.openapi

    def described() -> dict[str, Any]:
        return app.openapi_schema or openapi.complete(made())

    app.openapi = described  # type: ignore[method-assign]

    @functools.cache  # the routes are what they are: a reader must not cost a page each time
    def page() -> str:
        return documentation.page(described())

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        """Show the routes, their bodies and answers to people."""
        return HTMLResponse(page(), headers=documentation.HEADERS)

    return app


def _probes(app: FastAPI, publisher: RawPublisher) -> None:
    """Add the routes that are asked by whoever watches the process."""

    @app.get("/healthz", responses=refusals(400, 431))
    async def healthz() -> Health:
        """Return that the process lives."""
        return Health()

    @app.get("/readyz", responses=refusals(400, 431, 503))
    async def readyz() -> Health:
        """Return whether Kafka would take a body now."""
        why = await publisher.unready()
        if why:
            raise ProblemError(503, f"{why}: look at the broker, and at LEADSTREAM_BROKERS", RETRY)
        return Health()

    @app.get("/metrics", response_class=PlainTextResponse, responses=refusals(400, 429, 431))
    async def scrape() -> Response:
        """Return the metrics of this process, for Prometheus."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def server(settings: Settings, make: Callable[[], Any] | None = None) -> uvicorn.Server:
    """Return the server of a gateway process, with every bound of a connection in force.

    Raises:
        ValueError: a setting can't be read; the text says which.

    """
    proxies = settings.trusted_proxies.replace(" ", "")
    config = uvicorn.Config(
        application(settings, make),
        host=settings.host,
        port=settings.port,
        http=bounded(settings),
        ws="none",
        h11_max_incomplete_event_size=settings.max_header_bytes,
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies,
        server_header=False,
        access_log=False,
        log_level="error",  # a stranger can cause uvicorn's warnings: they are counted, not logged
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    return uvicorn.Server(config)
