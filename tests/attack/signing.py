"""schemathesis hooks: each request is signed as its vendor signs, over the bytes that are sent."""

import time
from urllib.parse import urlsplit

import schemathesis
from requests.auth import AuthBase

from tests.attack.server import SECRETS
from tests.support import signing


class Signing(AuthBase):
    def __call__(self, request):
        body = request.body or b""
        body = body if isinstance(body, bytes) else body.encode()
        made = proofs(urlsplit(request.url).path, request.url, body)
        if "X-HubSpot-Signature-v3" in made and not set(made) <= set(request.headers):
            return request  # schemathesis left a header away to see it refused
        request.headers.update(made)
        return request


def proofs(path, url, body):
    if path.startswith("/v1/segment"):
        return {"X-Signature": signing.segment(SECRETS["LEADSTREAM_SEGMENT_SECRET"], body)}
    if path.startswith("/v1/meta"):
        return {
            "X-Hub-Signature-256": signing.meta(SECRETS["LEADSTREAM_META_APP_SECRET"], body)
        }
    if path.startswith("/v1/hubspot"):
        stamp = str(int(time.time() * 1000))
        signed = signing.hubspot_sign(
            SECRETS["LEADSTREAM_HUBSPOT_SECRET"], "POST", url, body, stamp
        )
        return {"X-HubSpot-Signature-v3": signed, "X-HubSpot-Request-Timestamp": stamp}
    return {"Authorization": f"Bearer {SECRETS['LEADSTREAM_INGEST_TOKEN']}"}


schemathesis.auth.set_from_requests(Signing())
