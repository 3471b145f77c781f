"""The gateway's documentation: one page that loads nothing and shows every route in full."""

import base64
import hashlib
import json
import re
from html import escape
from html.parser import HTMLParser

import pytest

from schemas.events import EventType, LeadEvent
from streams.sources.registry import SOURCES
from tests.support.bounds import BOUND
from tests.support.gateways import Gateway, events
from tests.support.spoiling import CONNECTION

GATEWAY = Gateway()
PAGE = GATEWAY("GET", "/docs")
DOCUMENT = GATEWAY("GET", "/openapi.json").json()
ROUTES = [
    (method, path, one)
    for path, methods in DOCUMENT["paths"].items()
    for method, one in methods.items()
]
VENDORS_ROUTES = [(vendor.name, one) for vendor in SOURCES.values() for one in vendor.routes]


class Page(HTMLParser):
    """Reads the page as a browser does: its references, scripts, text, and which tags are open."""

    VOID = frozenset({"meta", "br", "link", "img", "input"})

    def __init__(self):
        super().__init__()
        self.links, self.ids, self.tags, self.words, self.open = [], set(), set(), [], []
        self.styles = []
        self.feed(PAGE.text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        given = dict(attrs)
        self.links += [
            given[name] for name in ("href", "src", "action", "data", "srcset") if name in given
        ]
        self.ids |= {given["id"]} if "id" in given else set()
        assert not any(name.startswith("on") or name == "style" for name in given)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.styles if self.open[-1:] == ["style"] else self.words).append(data)


READ = Page()
TEXT = "".join(READ.words)


def test_it_refers_to_no_other_host_and_runs_nothing():
    assert PAGE.status_code == 200
    assert READ.tags.isdisjoint(
        {"script", "link", "img", "iframe", "object", "embed", "form", "base"}
    )
    for link in READ.links:
        assert link == "/openapi.json" or link.removeprefix("#") in READ.ids
    (style,) = READ.styles
    assert "url(" not in style
    assert "@import" not in style
    assert not READ.open


def test_its_policy_allows_its_own_style_and_nothing_else():
    policy = dict(
        part.strip().split(" ", 1) for part in PAGE.headers["content-security-policy"].split(";")
    )
    digest = base64.b64encode(hashlib.sha256(READ.styles[0].encode()).digest()).decode()
    assert policy == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert PAGE.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "route"), ROUTES, ids=[f"{one[0]} {one[1]}" for one in ROUTES]
)
def test_it_shows_each_route_with_its_proof_its_examples_and_its_answers(method, path, route):
    assert f"{method.upper()} {path}" in TEXT
    (section,) = re.findall(
        rf"<section id=\"{method}[^\"]*\">"
        rf"<h2><code>{method.upper()} {re.escape(path)}</code>.*?</section>",
        PAGE.text,
        re.DOTALL,
    )
    assert re.sub(r"<[^>]+>|`", "", section).count(
        route["description"].replace("`", "").split("\n")[0]
    )
    for scheme in (name for one in route.get("security", ()) for name in one):
        assert f"#proof-{scheme}" in section
    assert method == "get" or "<pre>" in section
    for kind, content in route.get("requestBody", {}).get("content", {}).items():
        assert kind in section
        for example in content["examples"].values():
            shown = re.findall(r"<pre>(.*?)</pre>", section, re.DOTALL)
            value = example["value"]
            assert value in [
                json.loads(one) if not isinstance(value, str) else one
                for one in map(unescaped, shown)
            ]
    for status, answer in route["responses"].items():
        assert f"<code>{status}</code>" in section
        assert all(name in section for name in answer.get("headers", ()))


def unescaped(text):
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def test_it_shows_each_scheme_with_its_header():
    for name, scheme in DOCUMENT["components"]["securitySchemes"].items():
        assert f"proof-{name}" in READ.ids
        assert scheme.get("name", "Authorization: Bearer") in TEXT


def test_it_lists_the_types_and_the_fields_of_an_event():
    assert all(one.value in TEXT for one in EventType)
    fields = set(DOCUMENT["components"]["schemas"]["LeadData"]["properties"])
    assert fields == LeadEvent.model_fields.keys() - {"id", "type", "occurred_at", "source"} | {
        "email",
        "phone",
    }
    assert all(f"<code>{name}</code>" in PAGE.text for name in fields)


def test_a_text_of_the_document_is_never_markup():
    from streams.intake.documentation import page

    mean = '<script>alert("1")</script>'
    shown = page(
        {
            "info": {"title": mean, "version": mean, "description": mean},
            "paths": {
                "/" + mean: {"get": {"summary": mean, "responses": {mean: {"description": mean}}}}
            },
        }
    )
    assert "<script" not in shown
    assert escape(mean, quote=False) in shown


@pytest.mark.parametrize(
    ("name", "route"), VENDORS_ROUTES, ids=[one.path for _, one in VENDORS_ROUTES]
)
def test_a_vendors_example_is_read_by_its_own_adapter_and_names_no_real_person(name, route):
    vendor = SOURCES[name]
    written = json.dumps(route.example).encode()
    found = vendor.normalise(vendor.decode(written), 1_795_000_000_000, CONNECTION)
    assert found.events or found.spend
    assert (found.rejected, found.dropped, found.ignored) == ([], [], [])
    assert all(
        address.endswith("@example.com")
        for address in re.findall(r"[\w.]+@[\w.]+", written.decode())
    )


def test_the_examples_of_events_are_taken():
    contents = DOCUMENT["paths"]["/v1/events"]["post"]["requestBody"]["content"]
    one = contents["application/cloudevents+json"]["examples"]["one"]["value"]
    several = contents["application/cloudevents-batch+json"]["examples"]["several"]["value"]
    data = contents["application/json"]["examples"]["data"]
    headers = dict(re.findall(r"`(ce-\w+): ([^`]+)`", data["summary"]))
    assert events(Gateway(), one, BOUND).json()["ids"] == ["42"]
    assert events(Gateway(), several, BOUND).json()["ids"] == ["42", "43"]
    assert events(Gateway(), data["value"], headers | BOUND).json()["ids"] == ["42"]
