"""The routes that take bodies: each checks who sends, and how often, and publishes."""

from __future__ import annotations

import functools
import time
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter, Request, Response

from schemas import topics
from streams.sources.adapter import decoded
from streams.sources.registry import SOURCES
from streams.sources.vendor import Call
from streams.sources.vendor import Route as VendorRoute

from . import events, openapi
from .bodies import Body, Buffers
from .buckets import Buckets
from .openapi import BODY, Taken, any_bytes, refusals
from .problems import ProblemError
from .speakers import Speakers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streams.settings import Settings
    from streams.sources.vendor import Handshake, Proof, Vendor

    from .publishing import RawPublisher

Route = TypeVar("Route", bound="Callable[..., Any]")
ANSWERED = 0.8  # of a vendor's patience: to a late answer it sends the body again
# Which source a path's bodies are of, as metrics and rates name it.
PATHS = {route.path: vendor.name for vendor in SOURCES.values() for route in vendor.routes} | {
    "/v1/events": "cloudevents"
}


class Reception:
    """What the routes share."""

    def __init__(self, settings: Settings, publisher: RawPublisher) -> None:
        """Read the settings.

        Raises:
            ValueError: tokens or rates can't be read; the text says which.

        """
        self.settings, self.publisher = settings, publisher
        self.buffers = Buffers(settings)
        self.speakers = Speakers(settings)
        rates = settings.rates()
        if unknown := sorted(set(rates) - set(PATHS.values())):
            known = ", ".join(sorted(set(PATHS.values())))
            raise ValueError(f"LEADSTREAM_SOURCE_RATES: {unknown[0]!r} is none of {known}")
        self.rates = Buckets(settings.source_rate, settings.source_burst, rates)

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[Body]:
        """Yield a body, and count its bytes as held until it is published.

        Raises:
            ProblemError: it can't be read, or is too much.

        """
        taken: list[int] = []
        try:
            yield await self.buffers.read(request, taken)
        finally:
            self.buffers.give_back(taken)

    def may_send(self, source: str) -> None:
        """Count one body of a source that has proven itself.

        Raises:
            ProblemError: it has sent too many.

        """
        wait = self.rates.wait(source)
        if wait:
            detail = f"too many bodies of {source}; come back in {wait} s"
            raise ProblemError(429, detail, {"Retry-After": str(wait)})

    async def store(self, vendor: Vendor, key: str, body: bytes) -> Response:
        """Publish a proven body as it is, and return the answer.

        Raises:
            ProblemError: it is empty, too much, or Kafka has not taken it.

        """
        if not body:  # a record without a value says that nothing happened, and reads as nothing
            raise ProblemError(400, "the body is empty; send what the vendor sends")
        self.may_send(vendor.name)
        patience = ANSWERED * vendor.patience
        await self.publisher.publish(vendor.name, vendor.topic, key, body, patience=patience)
        return Response(status_code=202)


def unproven(scheme: str) -> ProblemError:
    """Return the refusal of a proof, which does not reveal what is wrong with it."""
    return ProblemError(
        401,
        "the proof does not fit this body; check the secret, and for HubSpot the signed address",
        {"WWW-Authenticate": scheme},
    )


def _key(body: bytes, *names: str) -> str:
    """Return a record's key: by the fields `names`, the bodies of one lead share a partition."""
    if not names:
        return blake2b(body, digest_size=8).hexdigest()
    try:
        found = decoded(body)
    except ValueError:
        return ""  # stored all the same: a dead letter will say why, and be replayed after a fix
    part = found[0] if isinstance(found, list) and found else found
    if not isinstance(part, dict):
        return ""
    values = (part.get(name) for name in names)
    return next((str(one)[:200] for one in values if one and isinstance(one, (str, int))), "")


def _address(request: Request, public_url: str) -> str:
    """Return the address that the vendor calls, and HubSpot signs, with its query."""
    base = (public_url or str(request.base_url)).rstrip("/")
    path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return f"{base}{path}{'?' if query else ''}{query}"


def of_vendors(reception: Reception) -> APIRouter:
    """Return the vendors' routes: their bodies are stored unread, as any bytes."""
    router, settings = APIRouter(), reception.settings

    def route(path: str, example: Any, *schemes: str) -> Callable[[Route], Route]:
        return router.post(
            path,
            status_code=202,
            response_class=Response,
            responses={202: {"description": "Kafka has it."}, **BODY},
            openapi_extra=any_bytes(example, *schemes),
        )

    for vendor in SOURCES.values():
        for one in vendor.routes:
            names = [scheme.name for scheme in one.schemes] if one.proof else ["Bearer"]
            route(one.path, one.example, *names)(_taken(reception, vendor, one))
            if one.handshake:
                refused = refusals(400, 401, 429, 431)
                answer = _shaken(settings, one, one.handshake)
                router.get(one.path, response_class=Response, responses=refused)(answer)
    return router


def _taken(reception: Reception, vendor: Vendor, route: VendorRoute) -> Callable[..., Any]:
    """Return the function that takes a vendor's bodies on one path."""
    if route.proof:
        take = _proven(reception, vendor, route, route.proof)
    else:
        take = _relayed(reception, vendor, route)
    take.__name__, take.__doc__ = route.path.removeprefix("/v1/").replace("/", "_"), route.meaning
    return take


def _relayed(reception: Reception, vendor: Vendor, route: VendorRoute) -> Callable[..., Any]:
    """Return the function for a vendor that proves nothing: a token of ours does."""

    async def relayed(request: Request) -> Response:
        if not reception.speakers.may_relay(request.headers.get("authorization", ""), vendor.name):
            raise unproven("Bearer")
        async with reception.body(request) as body:
            return await reception.store(vendor, _key(body.plain, *route.keys), body.plain)

    return relayed


def _proven(
    reception: Reception, vendor: Vendor, route: VendorRoute, proof: Proof
) -> Callable[..., Any]:
    """Return the function for a vendor that proves its bodies."""
    settings = reception.settings

    async def proven(request: Request) -> Response:
        address, query = _address(request, settings.public_url), dict(request.query_params)
        headers = dict(request.headers)

        async with reception.body(request) as body:
            call = Call(address, headers, query, body.plain, int(time.time() * 1000))
            kept = proof(call, settings.secret)
            if kept is None and body.wire is not body.plain:
                # No vendor documents whether it signs what it compresses, or what something between
                # it and us compressed: either proves the secret, and both hold the same plain body.
                packed = proof(call._replace(body=body.wire), settings.secret)
                kept = None if packed is None else body.plain
            if kept is None:
                raise unproven(route.challenge)
            return await reception.store(vendor, _key(kept, *route.keys), kept)

    return proven


def _shaken(settings: Settings, route: VendorRoute, shake: Handshake) -> Callable[..., Any]:
    """Return the function that answers a vendor's handshake on one path."""

    async def handshake(request: Request) -> Response:
        answer = shake(dict(request.query_params), settings.secret)
        if answer is None:
            raise unproven(route.challenge)
        return Response(
            answer[1], media_type=answer[0], headers={"X-Content-Type-Options": "nosniff"}
        )

    handshake.__name__ = route.path.removeprefix("/v1/").replace("/", "_") + "_handshake"
    handshake.__doc__ = "Answer the vendor's handshake."
    return handshake


def of_events(reception: Reception) -> APIRouter:
    """Return the generic route."""
    router = APIRouter()

    @router.post(
        "/v1/events",
        status_code=202,
        response_model=Taken,
        responses={202: {"description": "Kafka has what is taken."}, **BODY, **refusals(403, 422)},
        openapi_extra=openapi.cloudevents(),
    )
    async def cloudevents(request: Request) -> Taken:
        """Take CloudEvents of any other system, each by itself."""
        name = reception.speakers.named(request.headers.get("authorization", ""))
        if name is None:
            raise unproven("Bearer")
        async with reception.body(request) as body:
            reception.may_send("cloudevents")
            extra = events.attributes(request.headers)
            now = int(time.time() * 1000)
            speaks = functools.partial(reception.speakers.foreign, name=name)
            key, found = await events.judge(body.plain, extra, speaks, now)
            await reception.publisher.publish("cloudevents", topics.RAW_CRM, key, body.plain, extra)
            return found

    return router
