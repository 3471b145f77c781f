"""What tests share of pipeline."""

import time

import httpx

PATIENCE = 60  # seconds that an answer may take: a slow machine is no failure


def secret(stack, name):
    return stack.environment()[f"LEADSTREAM_{name}"]


def bearer(stack):
    return {"Authorization": f"Bearer {secret(stack, 'INGEST_TOKEN')}"}


def take(stack, body):
    """Post one CloudEvent, which the gateway must take."""
    answer = httpx.post(
        f"{stack.environment()['LEADSTREAM_PUBLIC_URL']}/v1/events",
        json=body,
        headers=bearer(stack),
        timeout=PATIENCE,
    )
    assert answer.status_code == 202, answer.text


def cloudevent(kind, name, at, email, /, **data):
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return {
        "specversion": "1.0",
        "id": name,
        "source": "cloudevents",
        "type": f"leadstream.{kind}",
        "time": moment,
        "data": {"email": email, **data},
    }
