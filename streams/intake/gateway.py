"""The HTTP gateway: one route a vendor, its own signature, and 2xx only after Kafka has acknowledged.

The body is stored as it came, so a parser's bug loses nothing. 401 bad signature, 413 too large, 429 and 503 with
Retry-After under overload. OpenAPI at /docs.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import PlainTextResponse

from schemas import topics
from streams import metrics

from . import signatures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.settings import Settings

IN_FLIGHT = 2_000  # bodies waiting for Kafka; beyond it a sender is told to come back
_RETRY = {"Retry-After": "2"}


class Door:
    """Publishes bodies and answers for them."""

    def __init__(self, settings: Settings) -> None:
        """Keep the settings; the producer starts with the server."""
        self.settings = settings
        self.waiting = 0
        self.producer: Any = None

    async def body(self, request: Request) -> bytes:
        """Read a body no larger than allowed."""
        most = self.settings.max_body_bytes
        if int(request.headers.get("content-length") or 0) > most:
            raise HTTPException(413, f"the body is larger than {most} bytes; send it in parts")
        found = b""
        async for chunk in request.stream():
            found += chunk
            if len(found) > most:
                raise HTTPException(413, f"the body is larger than {most} bytes; send it in parts")
        return found

    async def publish(self, source: str, topic: str, key: str, body: bytes, extra: dict[str, str] | None = None) -> None:
        """Store a body as it came; return once every replica has it."""
        if self.waiting >= IN_FLIGHT:
            raise HTTPException(429, "too many bodies in flight; come back in a moment", headers=_RETRY)
        headers = [("leadstream-source", source.encode())]
        headers += [(name, value.encode()) for name, value in (extra or {}).items()]
        self.waiting += 1
        try:
            with metrics.PUBLISH_SECONDS.time():
                sent = await self.producer.send(topic, body, key=key.encode()[:200] or None, headers=headers)
                await asyncio.wait_for(sent, 20)
        except (KafkaError, TimeoutError) as error:
            metrics.ACCEPTED.labels(source, "503").inc()
            raise HTTPException(503, "Kafka did not acknowledge; send it again", headers=_RETRY) from error
        finally:
            self.waiting -= 1
        metrics.ACCEPTED.labels(source, "202").inc()

    def refuse(self, source: str) -> HTTPException:
        """Answer a bad signature, without saying what was wrong with it."""
        metrics.ACCEPTED.labels(source, "401").inc()
        return HTTPException(401, "the signature does not fit this body; check the secret and the signed address")


def _parse(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None  # stored all the same: the dead letter will say why, and a replay after a fix is possible


def _first(said: Any, *names: str) -> str:
    part = said[0] if isinstance(said, list) and said else said
    if not isinstance(part, dict):
        return ""
    return next((str(part[name]) for name in names if part.get(name)), "")


def application(settings: Settings) -> FastAPI:
    """Make the gateway's ASGI application."""
    door = Door(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        door.producer = AIOKafkaProducer(bootstrap_servers=settings.brokers, acks="all", linger_ms=5, request_timeout_ms=15_000)
        while True:
            try:
                await door.producer.start()
                break
            except KafkaError:
                await asyncio.sleep(0.5)
        yield
        await door.producer.stop()

    app = FastAPI(title="leadstream gateway", version="1", lifespan=lifespan)

    @app.post("/v1/segment", status_code=202)
    async def segment(request: Request, x_signature: Annotated[str, Header()] = "") -> Response:
        body = await door.body(request)
        secret = settings.segment_secret.get_secret_value()
        if not secret or not signatures.segment(secret, body, x_signature):
            raise door.refuse("segment")
        await door.publish("segment", topics.RAW_WEB, _first(_parse(body), "anonymousId", "userId"), body)
        return Response(status_code=202)

    @app.get("/v1/meta")
    async def meta_handshake(
        mode: Annotated[str, Query(alias="hub.mode")] = "",
        token: Annotated[str, Query(alias="hub.verify_token")] = "",
        challenge: Annotated[str, Query(alias="hub.challenge")] = "",
    ) -> PlainTextResponse:
        expected = settings.meta_verify_token.get_secret_value()
        if mode != "subscribe" or not signatures.bearer(expected, f"Bearer {token}"):
            raise door.refuse("meta")
        return PlainTextResponse(challenge)

    @app.post("/v1/meta", status_code=202)
    async def meta(request: Request, x_hub_signature_256: Annotated[str, Header()] = "") -> Response:
        body = await door.body(request)
        secret = settings.meta_app_secret.get_secret_value()
        if not secret or not signatures.meta(secret, body, x_hub_signature_256):
            raise door.refuse("meta")
        await door.publish("meta", topics.RAW_ADS, blake2b(body, digest_size=8).hexdigest(), body)
        return Response(status_code=202)

    @app.post("/v1/google", status_code=202)
    async def google(request: Request) -> Response:
        key = settings.google_key.get_secret_value()
        good, body = signatures.google_key(key, await door.body(request))
        if not key or not good:
            raise door.refuse("google")
        await door.publish("google", topics.RAW_ADS, _first(_parse(body), "lead_id"), body)
        return Response(status_code=202)

    @app.post("/v1/hubspot", status_code=202)
    async def hubspot(
        request: Request,
        x_hubspot_signature_v3: Annotated[str, Header()] = "",
        x_hubspot_request_timestamp: Annotated[str, Header()] = "",
    ) -> Response:
        body = await door.body(request)
        secret = settings.hubspot_secret.get_secret_value()
        uri = f"{settings.public_url or str(request.base_url).rstrip('/')}/v1/hubspot"
        now = int(time.time() * 1000)
        stamp, signature = x_hubspot_request_timestamp, x_hubspot_signature_v3
        if not secret or not signatures.hubspot_v3(secret, "POST", uri, body, stamp, signature, now):
            raise door.refuse("hubspot")
        await door.publish("hubspot", topics.RAW_CRM, _first(_parse(body), "objectId", "primaryObjectId", "fromObjectId"), body)
        return Response(status_code=202)

    async def relayed(request: Request, authorization: str, source: str, topic: str) -> Response:
        if not signatures.bearer(settings.ingest_token.get_secret_value(), authorization):
            raise door.refuse(source)
        body = await door.body(request)
        ce = {name.replace("-", "_", 1): value for name, value in request.headers.items() if name.startswith("ce-")}
        await door.publish(source, topic, _first(_parse(body), "id", "transactionKey"), body, ce)
        return Response(status_code=202)

    @app.post("/v1/salesforce", status_code=202)
    async def salesforce(request: Request, authorization: Annotated[str, Header()] = "") -> Response:
        return await relayed(request, authorization, "salesforce", topics.RAW_CRM)

    @app.post("/v1/events", status_code=202)
    async def events(request: Request, authorization: Annotated[str, Header()] = "") -> Response:
        return await relayed(request, authorization, "cloudevents", topics.RAW_CRM)

    @app.post("/v1/spend/{platform}", status_code=202)
    async def spend(platform: str, request: Request, authorization: Annotated[str, Header()] = "") -> Response:
        if platform not in ("google", "meta"):
            raise HTTPException(404, "spend is read from google and meta")
        return await relayed(request, authorization, platform, topics.RAW_ADS)

    @app.get("/healthz")
    @app.get("/readyz")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/metrics")
    async def scrape() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app
