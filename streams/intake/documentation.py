"""The gateway's documentation as one page of HTML, made of its OpenAPI document on the server.

It loads nothing: no script, no font, no style of another host, so that it reads the same without an
internet, and nobody else learns who reads it. Its policy allows its own style and no more.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html import escape
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
code, pre { font: 14px/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid; border-radius: .25rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; }
tr + tr { border-top: 1px solid; }
h2 code { font-size: 1.25rem; }
section { border-top: 2px solid; margin-top: 2rem; }
@media (max-width: 40rem) { table { display: block; overflow-x: auto; } }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_CODE = re.compile(r"`([^`]+)`")


def page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document."""
    info, parts = document["info"], document.get("components", {})
    routes = [
        (method, path, route)
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    ]
    links = "".join(
        f'<li><a href="#{_anchor(method, path)}"><code>{method.upper()} {escape(path)}</code></a> '
        f"{_prose(_about(route))}</li>"
        for method, path, route in routes
    )
    body = "".join(
        (
            f"<h1>{escape(info['title'])}</h1><p>Version {escape(info['version'])}. ",
            'For programs: <a href="/openapi.json">the OpenAPI document</a>.</p>',
            f"<p>{_prose(info.get('description', ''))}</p>",
            f"<nav><h2>Routes</h2><ul>{links}</ul></nav>",
            f"<h2>Proofs</h2>{_schemes(parts.get('securitySchemes', {}))}",
            *(_route(*one) for one in routes),
            *(_model(name, schema) for name, schema in sorted(parts.get("schemas", {}).items())),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )


def _prose(text: str) -> str:
    """Return a text as HTML; what stands between backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text, quote=False))


def _about(route: Mapping[str, Any]) -> str:
    return str(route.get("description") or route.get("summary", ""))


def _anchor(method: str, path: str) -> str:
    return f"{method}{re.sub(r'[^a-z0-9]+', '-', path.lower())}"


def _table(heads: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"


def _schemes(schemes: Mapping[str, Mapping[str, str]]) -> str:
    def where(one: Mapping[str, str]) -> str:
        if one["type"] == "http":
            return f"header <code>Authorization: {escape(one['scheme'].capitalize())} …</code>"
        return f"{escape(one['in'])} <code>{escape(one['name'])}</code>"

    rows = (
        (
            f'<code id="proof-{escape(name)}">{escape(name)}</code>',
            where(one),
            _prose(one.get("description", "")),
        )
        for name, one in schemes.items()
    )
    return _table(("name", "where", "what"), rows)


def _route(method: str, path: str, route: Mapping[str, Any]) -> str:
    together = [
        " and ".join(f'<a href="#proof-{escape(name)}">{escape(name)}</a>' for name in one)
        for one in route.get("security", ())
    ]
    answers = (
        (
            f"<code>{escape(status)}</code>",
            _prose(answer.get("description", "")),
            ", ".join(_contents(answer)),
            ", ".join(f"<code>{escape(name)}</code>" for name in answer.get("headers", ())),
        )
        for status, answer in route.get("responses", {}).items()
    )
    within = "in the body itself"
    return "".join(
        (
            f'<section id="{_anchor(method, path)}">',
            f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{_prose(_about(route))}</p>",
            f"<p>Proof: {' or '.join(together) or within}</p>" if "security" in route else "",
            _request(route["requestBody"]) if "requestBody" in route else "",
            "<h3>Answers</h3>",
            _table(("status", "when", "body", "headers"), answers),
            "</section>",
        )
    )


def _contents(answer: Mapping[str, Any]) -> Iterator[str]:
    for kind, content in answer.get("content", {}).items():
        shape = _shape(content.get("schema", {}))
        yield f"<code>{escape(kind)}</code>{f': {shape}' if shape else ''}"


def _request(body: Mapping[str, Any]) -> str:
    found = [f"<h3>Body</h3><p>{_prose(body.get('description', ''))}</p>"]
    for kind, content in body["content"].items():
        found.append(f"<p><code>{escape(kind)}</code>: {_shape(content.get('schema', {}))}</p>")
        for name, example in content.get("examples", {}).items():
            found.append(f"<p>{_prose(example.get('summary', name))}</p>{_shown(example['value'])}")
    return "".join(found)


def _shown(example: Any) -> str:
    """Return an example as it is sent: text as it is, anything else as JSON."""
    written = orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()
    text = example if isinstance(example, str) else written
    return f"<pre>{escape(text, quote=False)}</pre>"


def _model(name: str, schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = (
        (
            f"<code>{escape(field)}</code>{'' if field in needed else ' (optional)'}",
            _shape(one),
            _prose(one.get("description", "")),
        )
        for field, one in schema.get("properties", {}).items()
    )
    examples = "".join(map(_shown, schema.get("examples", ())))
    return (
        f'<section id="model-{escape(name)}"><h2>{escape(name)}</h2>'
        f"<p>{_prose(schema.get('description', ''))}</p>"
        f"{_table(('field', 'is', 'meaning'), rows)}{examples}</section>"
    )


def _shape(schema: Mapping[str, Any]) -> str:
    """Return in a few words what a schema takes, as HTML."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#model-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_shape, schema["anyOf"])))
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema["const"]]
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in values)
    if schema.get("type") == "array":
        return f"list of {_shape(schema.get('items', {})) or 'anything'}"
    kind = "bytes" if schema.get("format") == "binary" else str(schema.get("type", ""))
    pattern = f" like <code>{escape(schema['pattern'])}</code>" if "pattern" in schema else ""
    return f"{escape(kind)}{pattern}"
