"""The vendors as people read them: the table of docs/sources.md and `leadstream sources`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .registry import SOURCES

if TYPE_CHECKING:
    from .vendor import Route, Vendor

_EVIDENCE = {
    "seen": "real bodies were read",
    "constructed": "constructed from the vendor's documentation, not seen from it",
}


def described() -> list[dict[str, Any]]:
    """Return what each vendor's file states: ways in, proofs, settings, and what it reports."""
    return [_one(vendor) for vendor in SOURCES.values()]


def _one(vendor: Vendor) -> dict[str, Any]:
    names = [*(one.name for one in vendor.secrets), *(one.name for one in vendor.options)]
    return {
        "name": vendor.name,
        "title": vendor.title,
        "routes": [{"path": route.path, "proof": _proof(route)} for route in vendor.routes],
        "settings": [f"LEADSTREAM_{name.upper()}" for name in names],
        "tells": sorted(vendor.sends),
        "records": [*vendor.records, *vendor.deals],
        "evidence": _EVIDENCE[vendor.evidence],
        "patience": vendor.patience,
        "retries": vendor.retries,
        "documentation": vendor.documentation,
    }


def _proof(route: Route) -> str:
    if not route.proof:
        return "a bearer token"
    if not route.schemes:
        return f"`{route.challenge}`"
    return "; ".join(f"{one.header}: {one.description.rstrip('.')}" for one in route.schemes)


def markdown() -> str:
    """Return the table of docs/sources.md."""
    lines = []
    for one in described():
        lines.append(f"## {one['title']}")
        lines += [
            f"- `POST {route['path']}`, proven by {route['proof']}" for route in one["routes"]
        ]
        if not one["routes"]:
            lines.append("- `POST /v1/events`, proven by a bearer token; or Kafka itself")
        if one["settings"]:
            lines.append(f"- Settings: {', '.join(f'`{name}`' for name in one['settings'])}")
        lines.append(f"- Tells of people's work: {', '.join(one['tells'])}")
        if one["records"]:
            lines.append(f"- Records: {', '.join(one['records'])}")
        lines.append(f"- Waits {one['patience']:g} s for an answer; repeats: {one['retries']}")
        lines.append(f"- Evidence: {one['evidence']}; [documentation]({one['documentation']})")
        lines.append("")
    return "\n".join(lines)
