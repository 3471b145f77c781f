"""What stands over every page: ways to the pages, the search, the languages, how fresh it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from streams.live.drawing import Markup, join, link, tag
from streams.live.login import OUT
from streams.live.wording import LANGUAGES, Words

from .health import LATE_SECONDS, age_text

if TYPE_CHECKING:
    from streams.live.scene import Scene

FIND = "/find"


def draw(
    words: Words,
    path: str,
    names: dict[str, str],
    scene: Scene | None = None,
    freshness: str = "",
    *,
    details: bool = True,
    session: bool = False,
) -> Markup:
    """Draw it; before the first answer without a scene, so that nothing from outside is in it.

    Whoever may not see leads has nothing to search; whoever has no session has none to end.
    """
    ways = join(
        tag(
            "li",
            link(
                scene.link(scene.view.at(address)) if scene else address,
                words(name),
                aria_current="page" if address == path else None,
            ),
        )
        for address, name in names.items()
    )
    return join(
        (
            link("#content", words("skip"), class_="skip"),
            link(scene.link(scene.view.at("/")) if scene else "/", "leadstream", class_="brand"),
            tag("nav", tag("ul", ways), aria_label=words("pages_of")),
            _search(words, scene.view.lang if scene else "") if details else "",
            _languages(words, path, scene),
            _sign_out(words) if session else "",
            tag("p", freshness, class_="freshness", data_drawn=_drawn(scene)),
        )
    )


def _drawn(scene: Scene | None) -> str | None:
    """Return when it was drawn, for who waits for a refresh: its words may stay the same."""
    return scene.now.isoformat(timespec="seconds") if scene else None


def _search(words: Words, language: str) -> Markup:
    """Return the search. It is posted: an address of a person must not stand in an address."""
    return tag(
        "form",
        tag("label", words("find"), for_="find", class_="aloud"),
        tag("input", type="search", id="find", name="find", placeholder=words("find"),
            required=True, maxlength="320", autocomplete="off"),
        tag("input", type="hidden", name="lang", value=language) if language else "",
        tag("button", words("find_go"), type="submit"),
        method="post",
        action=FIND,
        role="search",
    )  # fmt: skip


def _languages(words: Words, path: str, scene: Scene | None) -> Markup:
    """Return the same page in each language: the same question, page of a list and leads."""
    ways = []
    for code, name in LANGUAGES.items():
        address = f"{path}?lang={code}"
        if scene:
            address = scene.link(scene.view.but(lang=code, page=scene.view.page))
        now = "true" if code == words.language else None
        ways.append(
            tag("li", link(address, code, lang=code, hreflang=code, aria_label=name,
                           aria_current=now))
        )  # fmt: skip
    return tag("ul", *ways, class_="languages", aria_label=words("language"))


def _sign_out(words: Words) -> Markup:
    """Return what ends a session. It is posted: no link of another site may do it."""
    button = tag("button", words("sign_out"), type="submit")
    return tag("form", button, method="post", action=OUT, class_="out")


def freshness(words: Words, health: dict[str, Any], scene: Scene) -> tuple[str, str]:
    """Return how fresh figures are: in full, and as it is announced, which changes seldom."""
    age, leads = health["tick_age_seconds"], words("leads", n=health["leads"])
    if age is None:
        state = words("nothing_arrived")
        return state, state
    if age > LATE_SECONDS:
        return f"{leads} · {words.late(age)}", words("figures_late")
    return f"{leads} · {words('up_to_date')} ({age_text(scene, age)})", words("up_to_date")
