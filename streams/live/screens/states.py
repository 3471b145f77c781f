"""What stands in place of figures: loading, nothing has come yet, an error. Each differs."""

from __future__ import annotations

import json
from datetime import UTC
from typing import TYPE_CHECKING

from streams.live.drawing import Markup, join, outside, tag

if TYPE_CHECKING:
    from datetime import datetime

    from streams.live.scene import Scene
    from streams.live.wording import Words


def loading(words: Words) -> Markup:
    """Draw what stands until the first answer; three grey lines, one text."""
    lines = join(tag("span", class_="line") for _ in range(3))
    return tag(
        "div",
        tag("p", words("loading")),
        tag("div", lines, aria_hidden="true"),
        class_="state loading",
        data_state="loading",
    )


def failed(words: Words) -> Markup:
    """Draw a card whose question failed, while others have their answer."""
    return tag(
        "div",
        tag("p", tag("strong", words("card_failed"))),
        tag("p", words("card_failed_hint")),
        class_="state error",
        data_state="error",
    )


def away(words: Words) -> Markup:
    """Draw that ClickHouse does not answer."""
    return tag(
        "div",
        tag("p", tag("strong", words("away"))),
        tag("p", words("away_hint")),
        class_="state error",
        data_state="error",
    )


def unclear(words: Words, what: str, everything: str) -> Markup:
    """Draw that the address asks for what there is not, with what it may ask and a way out."""
    return tag(
        "div",
        tag("p", tag("strong", words("unclear"))),
        tag("p", what, lang="en"),
        tag("p", tag("a", words("unclear_hint"), href=everything)),
        class_="state error",
        data_state="error",
    )


def nothing(words: Words, key: str, *more: object) -> Markup:
    """Draw an answer that has no rows, in its own words: it is no error."""
    return tag("div", tag("p", words(key)), *more, class_="state nothing", data_state="nothing")


def empty(scene: Scene) -> Markup:
    """Draw how to send a first event, to this home's gateway."""
    words = scene.words
    gateway = scene.gateway or "http://127.0.0.1:8381"
    return tag(
        "section",
        tag("h2", words("empty"), id="empty"),
        tag("p", words("empty_hint")),
        tag("pre", tag("code", command(gateway, scene.now)), tabindex="0"),
        tag("p", words("empty_token")),
        tag("p", outside(f"{gateway}/docs", words("empty_docs"))),
        class_="card state empty",
        data_state="empty",
        aria_labelledby="empty",
    )


def command(gateway: str, now: datetime) -> str:
    """Return the command that sends a first event, one line of a shell."""
    event = {
        "specversion": "1.0",
        "id": "first-1",
        "source": "shop",
        "type": "leadstream.lead.created",
        "time": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "data": {"email": "jane@example.com", "kind": "demo_form"},
    }
    return (
        f'curl -X POST {gateway}/v1/events -H "Authorization: Bearer $TOKEN" \\\n'
        f"  -H \"Content-Type: application/json\" \\\n  -d '{json.dumps(event)}'"
    )
