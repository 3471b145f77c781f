"""What a site's trackers send: Segment, Snowplow (lines and JSON) and GA4, one a visitor."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import orjson

from streams.sources.vendors.snowplow import COLUMNS

from .hours import iso
from .posts import Identity, Meaning, Post

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

SITE = "https://www.firm.example"
PAGES = ("/", "/pricing/", "/product/", "/blog/", "/demo/", "/customers/")
CAMPAIGNS = (
    ("google", "cpc", "brand"),
    ("facebook", "social", "spring"),
    ("newsletter", "email", "october"),
    ("", "", ""),
)
FORMS = {"demo": "demo_form", "contact": "contact_form"}
BROWSER, EMAIL = "browser", "email"
MOST_JOINED = 60  # events of a body in which a tracker sends what has gathered
_PLACE = {column: place for place, column in enumerate(COLUMNS)}
_SCHEMA = "iglu:com.snowplowanalytics.snowplow/{}/jsonschema/1-0-0"


class Browser:
    """One visitor's browser."""

    def __init__(self, who: Identity, rng: random.Random) -> None:
        self.who, self.rng, self._count = who, rng, 0
        self.vendor = rng.choices(
            ("segment", "snowplow", "snowplow-json", "ga4"), (45, 20, 10, 25)
        )[0]
        self.campaign = rng.choice(CAMPAIGNS)
        self._client = f"{rng.randrange(10**9)}.{who.number}"
        self._user = str(uuid.UUID(int=rng.getrandbits(128), version=4))

    def page(self, at: int) -> Post:
        """Make a page view: nobody's, until the browser's owner is known."""
        path = self.rng.choice(PAGES)
        meaning = Meaning(self._key(), (), (BROWSER,), "inquiry", "page_view", at)
        return self._post(at, "page view", path, {}, meaning)

    def form(self, at: int, form: str) -> Post:
        """Make a form that gives the visitor's address."""
        # GA4 knows leads, not forms.
        kind = FORMS.get(form, "form") if self.vendor != "ga4" else "form"
        meaning = Meaning(self._key(), (EMAIL,), (BROWSER,), "inquiry", kind, at)
        return self._post(at, f"{form} form", "/demo/", {"form": form}, meaning)

    def _key(self) -> str:
        self._count += 1
        return f"web-{self._count}"

    def _post(self, at: int, about: str, path: str, form: dict[str, str], meaning: Meaning) -> Post:
        made: dict[str, Callable[[int, str, dict[str, str]], Any]] = {
            "segment": self._segment,
            "ga4": self._ga4,
        }
        make = made.get(self.vendor, self._snowplow)
        source = self.vendor.partition("-")[0]
        return Post(source, make(at, path, form), at, about, (meaning,))

    def _segment(self, at: int, path: str, form: dict[str, str]) -> dict[str, Any]:
        source, medium, name = self.campaign
        common = {
            "messageId": f"{self.who.name}-{self._count}",
            "anonymousId": f"anon-{self.who.name}",
            "timestamp": iso(at),
            "context": {
                "page": {"path": path, "url": SITE + path},
                "campaign": {"source": source, "medium": medium, "name": name},
            },
        }
        if not form:
            return {"type": "page", "properties": {"path": path}, **common}
        properties = {"form_id": form["form"], "email": self.who.email}
        return {"type": "track", "event": "Form Submitted", "properties": properties, **common}

    def _snowplow(self, at: int, path: str, form: dict[str, str]) -> Any:
        source, medium, name = self.campaign
        stamp = iso(at)
        kind = "submit_form" if form else "page_view"
        known = {
            "app_id": "site", "platform": "web", "collector_tstamp": stamp, "derived_tstamp": stamp,
            "event": "unstruct" if form else kind, "event_name": kind,
            "event_id": str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            "domain_userid": self._user, "page_url": SITE + path, "page_urlpath": path,
            "mkt_source": source, "mkt_medium": medium, "mkt_campaign": name,
            "event_vendor": "com.snowplowanalytics.snowplow", "event_format": "jsonschema",
            "event_version": "1-0-0", "event_fingerprint": self.who.name,
        }  # fmt: skip
        elements = [{"name": "email", "type": "email", "value": self.who.email}]
        filled = {"formId": form.get("form"), "elements": elements}
        if self.vendor == "snowplow-json":
            column = "unstruct_event_com_snowplowanalytics_snowplow_submit_form_1"
            return [known | ({column: filled} if form else {})]
        zoneless = {
            one: known[one][:-1].replace("T", " ") for one in ("collector_tstamp", "derived_tstamp")
        }
        inner = {"schema": _SCHEMA.format("submit_form"), "data": filled}
        packed = orjson.dumps({"schema": _SCHEMA.format("unstruct_event"), "data": inner}).decode()
        line = known | zoneless | ({"unstruct_event": packed} if form else {})
        columns = [""] * len(COLUMNS)
        for column, value in line.items():
            columns[_PLACE[column]] = value
        return "\t".join(columns)

    def _ga4(self, at: int, path: str, form: dict[str, str]) -> dict[str, Any]:
        source, medium, name = self.campaign
        query = f"?utm_source={source}&utm_medium={medium}&utm_campaign={name}" if source else ""
        params = {"page_location": f"{SITE}{path}{query}", "ga_session_id": f"{self._count}"}
        if form:
            params |= {"form_id": form["form"], "email": self.who.email}
        event = {
            "name": "generate_lead" if form else "page_view",
            "timestamp_micros": str(at * 1000),
            "params": params,
        }
        return {"client_id": self._client, "events": [event]}


def joined(posts: Sequence[Post]) -> Iterator[tuple[Post, list[int]]]:
    """Send pages of visitors as trackers do once they can send again: many in a body.

    Yield each body with the places of those that it holds.
    """
    for source, places in _alike(posts).items():
        vendor = source.partition(" ")[0]
        for start in range(0, len(places), MOST_JOINED):
            part = places[start : start + MOST_JOINED]
            same = [posts[place] for place in part]
            meanings = tuple(meaning for post in same for meaning in post.meanings)
            yield Post(vendor, _JOIN[vendor](same), same[-1].at, "page views", meanings), part


def _alike(posts: Sequence[Post]) -> dict[str, list[int]]:
    """Group posts by what a body can hold: GA4's is one client's, Snowplow's lines are no JSON."""
    found: dict[str, list[int]] = {}
    for place, post in enumerate(posts):
        mark = ""
        if post.source == "ga4":
            mark = post.body["client_id"]
        elif post.source == "snowplow":
            mark = type(post.body).__name__
        found.setdefault(f"{post.source} {mark}", []).append(place)
    return found


def _snowplow_body(posts: Sequence[Post]) -> Any:
    bodies = [post.body for post in posts]
    return (
        "\n".join(bodies)
        if isinstance(bodies[0], str)
        else [one for body in bodies for one in body]
    )


def _segment_body(posts: Sequence[Post]) -> Any:
    return {"batch": [post.body for post in posts]}


def _ga4_body(posts: Sequence[Post]) -> Any:
    return {**posts[0].body, "events": [one for post in posts for one in post.body["events"]]}


_JOIN: dict[str, Callable[[Sequence[Post]], Any]] = {
    "segment": _segment_body,
    "snowplow": _snowplow_body,
    "ga4": _ga4_body,
}
