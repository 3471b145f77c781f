"""What tests share of gateway."""

import asyncio

import httpx
import orjson

from streams.intake.gateway import application
from streams.settings import Settings
from tests.attack.server import SECRETS, Acknowledging

TOKEN = SECRETS["LEADSTREAM_INGEST_TOKEN"]


BEARER = {"Authorization": f"Bearer {TOKEN}"}


EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "erp",
    "type": "leadstream.lead.created",
    "time": "2026-01-05T09:00:00Z",
    "data": {"email": "a@example.com"},
}


class Gateway:
    """Posts to a gateway's application without a socket; headers and bodies may be any bytes."""

    def __init__(self, **settings):
        self.producer = Acknowledging()
        self.app = application(
            Settings.of({**SECRETS}).model_copy(update=settings), lambda: self.producer
        )

    def __call__(self, method, path, content=b"", headers=None, connected=True):
        return asyncio.run(self._asked([(method, path, content, headers or {})], connected))[0]

    def post(self, path, content=b"", headers=None):
        return self("POST", path, content, headers)

    def several(self, requests):
        return asyncio.run(self._asked(requests, True))

    async def _asked(self, requests, connected):
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            if not connected:
                return [await client.request(m, p, content=c, headers=h) for m, p, c, h in requests]
            async with self.app.router.lifespan_context(self.app):
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                return [await client.request(m, p, content=c, headers=h) for m, p, c, h in requests]

    @property
    def stored(self):
        return self.producer.records[-1]


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    answered = answer.json()
    assert answered["status"] == status
    return answered["detail"]


# ------------------------------------------------------------ CloudEvents, each by itself
def events(gateway, body, headers=None):
    return gateway.post("/v1/events", orjson.dumps(body), {**BEARER, **(headers or {})})
