"""The routes that take bodies: each proves its sender, asks the source's rate, and publishes."""

from __future__ import annotations

import functools
import time
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import orjson
from fastapi import APIRouter, Request, Response

from schemas import topics

from . import events, openapi, signatures
from .bodies import Body, Buffers
from .buckets import Buckets
from .openapi import BODY, Taken, any_bytes, refusals
from .problems import ProblemError
from .speakers import Speakers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streams.settings import Settings

    from .publishing import RawPublisher

Route = TypeVar("Route", bound="Callable[..., Any]")
# Which source a path's bodies are of, as metrics and rates name it.
PATHS = {
    "/v1/segment": "segment",
    "/v1/meta": "meta",
    "/v1/google": "google",
    "/v1/hubspot": "hubspot",
    "/v1/salesforce": "salesforce",
    "/v1/events": "cloudevents",
    "/v1/spend/google": "google",
    "/v1/spend/meta": "meta",
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
        """Read a body, and count its bytes as held until it is published."""
        taken: list[int] = []
        try:
            yield await self.buffers.read(request, taken)
        finally:
            self.buffers.give_back(taken)

    def may_send(self, source: str) -> None:
        """Let a source that has proven itself send one body.

        Raises:
            ProblemError: it has sent too many.

        """
        wait = self.rates.wait(source)
        if wait:
            detail = f"too many bodies of {source}; come back in {wait} s"
            raise ProblemError(429, detail, {"Retry-After": str(wait)})

    async def store(self, source: str, topic: str, key: str, body: bytes) -> Response:
        """Publish a proven body as it is, and answer for it.

        Raises:
            ProblemError: it is empty, too much, or Kafka has not taken it.

        """
        if not body:  # a record without a value says that nothing happened, and reads as nothing
            raise ProblemError(400, "the body is empty; send what the vendor sends")
        self.may_send(source)
        await self.publisher.publish(source, topic, key, body)
        return Response(status_code=202)


def unproven(scheme: str) -> ProblemError:
    """Refuse a proof, without saying what is wrong with it."""
    return ProblemError(
        401,
        "the proof does not fit this body; check the secret, and for HubSpot the signed address",
        {"WWW-Authenticate": scheme},
    )


def _key(body: bytes, *names: str) -> str:
    """Return what keeps the bodies of one lead in one partition, where a body says so."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""  # stored all the same: a dead letter will say why, and be replayed after a fix
    part = said[0] if isinstance(said, list) and said else said
    if not isinstance(part, dict):
        return ""
    found = (part.get(name) for name in names)
    return next((str(one) for one in found if one and isinstance(one, (str, int))), "")


def _address(request: Request, public_url: str) -> str:
    """Return the address that HubSpot was told and has signed, query included."""
    base = (public_url or str(request.base_url)).rstrip("/")
    path = (request.scope.get("raw_path") or request.scope["path"].encode()).decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    return f"{base}{path}{'?' if query else ''}{query}"


def of_vendors(reception: Reception) -> APIRouter:
    """Make the routes of bodies that are stored unread: as any bytes."""
    router, settings = APIRouter(), reception.settings

    def route(path: str, *schemes: str, refused: tuple[int, ...] = ()) -> Callable[[Route], Route]:
        return router.post(
            path,
            status_code=202,
            response_class=Response,
            responses={202: {"description": "Kafka has it."}, **BODY, **refusals(*refused)},
            openapi_extra=any_bytes(*schemes),
        )

    @route("/v1/segment", "SegmentSignature")
    async def segment(request: Request) -> Response:
        """Take a body of Segment's webhooks."""
        secret = settings.segment_secret.get_secret_value()
        said = request.headers.get("x-signature", "")
        async with reception.body(request) as body:
            if not secret or not body.proven(lambda one: signatures.segment(secret, one, said)):
                raise unproven("X-Signature")
            key = _key(body.plain, "anonymousId", "userId")
            return await reception.store("segment", topics.RAW_WEB, key, body.plain)

    @route("/v1/meta", "MetaSignature")
    async def meta(request: Request) -> Response:
        """Take a body of Meta's webhooks."""
        secret = settings.meta_app_secret.get_secret_value()
        said = request.headers.get("x-hub-signature-256", "")
        async with reception.body(request) as body:
            if not secret or not body.proven(lambda one: signatures.meta(secret, one, said)):
                raise unproven("X-Hub-Signature-256")
            key = blake2b(body.plain, digest_size=8).hexdigest()
            return await reception.store("meta", topics.RAW_ADS, key, body.plain)

    @route("/v1/google")
    async def google(request: Request) -> Response:
        """Take a lead of a Google lead form, proven by `google_key` in the body."""
        secret = settings.google_key.get_secret_value()
        async with reception.body(request) as body:
            good, kept = signatures.google_key(secret, body.plain)
            if not good:
                raise unproven("google_key")
            return await reception.store("google", topics.RAW_ADS, _key(kept, "lead_id"), kept)

    @route("/v1/hubspot", "HubSpotSignature", "HubSpotTimestamp")
    async def hubspot(request: Request) -> Response:
        """Take a batch of HubSpot's webhooks."""
        secret = settings.hubspot_secret.get_secret_value()
        uri = _address(request, settings.public_url)
        said = request.headers.get("x-hubspot-signature-v3", "")
        stamp = request.headers.get("x-hubspot-request-timestamp", "")
        now = int(time.time() * 1000)

        def signed(one: bytes) -> bool:
            return signatures.hubspot_v3(secret, "POST", uri, one, stamp, said, now)

        async with reception.body(request) as body:
            if not secret or not body.proven(signed):
                raise unproven("X-HubSpot-Signature-v3")
            key = _key(body.plain, "objectId", "primaryObjectId", "fromObjectId")
            return await reception.store("hubspot", topics.RAW_CRM, key, body.plain)

    async def relayed(request: Request, source: str, topic: str) -> Response:
        if not reception.speakers.may_relay(request.headers.get("authorization", ""), source):
            raise unproven("Bearer")
        async with reception.body(request) as body:
            key = _key(body.plain, "id", "transactionKey")
            return await reception.store(source, topic, key, body.plain)

    @route("/v1/salesforce", "Bearer")
    async def salesforce(request: Request) -> Response:
        """Take a change event of Salesforce from the relay."""
        return await relayed(request, "salesforce", topics.RAW_CRM)

    @route("/v1/spend/{platform}", "Bearer", refused=(422,))
    async def spend(platform: Literal["google", "meta"], request: Request) -> Response:
        """Take a report of what ads have cost."""
        return await relayed(request, platform, topics.RAW_ADS)

    return router


def of_events(reception: Reception) -> APIRouter:
    """Make the generic route."""
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
