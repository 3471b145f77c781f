"""All vendors, and what follows from them. Each is a module of `vendors` with a `VENDOR`."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from . import vendors
from .adapter import Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from .retrieval import Retrieval
    from .vendor import Vendor


def found(package: ModuleType = vendors) -> dict[str, Vendor]:
    """Return the vendors of a package by name, in the order of their names.

    Raises:
        ValueError: two have one name or path, or one contradicts itself; the text says which.

    """
    modules = [
        import_module(f"{package.__name__}.{one.name}")
        for one in pkgutil.iter_modules(package.__path__)
    ]
    listed: dict[str, Vendor] = {}
    paths: dict[str, str] = {}
    for vendor in sorted((module.VENDOR for module in modules), key=lambda one: one.name):
        if vendor.name in listed:
            raise ValueError(f"two vendors are named {vendor.name}")
        for route in vendor.routes:
            if route.path in paths:
                raise ValueError(f"{vendor.name} and {paths[route.path]} both want {route.path}")
            paths[route.path] = vendor.name
        listed[vendor.name] = vendor
    return listed


SOURCES: Mapping[str, Vendor] = found()
GENERIC = "cloudevents"  # of every other system: it may take no vendor's name
RESERVED = frozenset(SOURCES) - {GENERIC}


def can_send(own: Mapping[str, Iterable[str]] = {}) -> dict[str, frozenset[str]]:
    """Return what each source can report of people's work; `own` are the funnel's own systems."""
    return {name: vendor.sends for name, vendor in SOURCES.items()} | {
        name: frozenset(words) for name, words in own.items()
    }


def connection(option: Callable[[str], str], zone: str) -> Connection:
    """Return what bodies lack: the vendors' options as installed, and the zone of its reports."""
    named = {
        one.name: option(one.name) or one.default
        for vendor in SOURCES.values()
        for one in vendor.options
    }
    return Connection(zone=zone, **named)


def retrievable(secret: Callable[[str], tuple[str, ...]]) -> list[tuple[Vendor, Retrieval]]:
    """Return the vendors whose API a retriever may ask: those whose token is set."""
    known = [(vendor, vendor.retrieval) for vendor in SOURCES.values() if vendor.retrieval]
    return [(vendor, retrieval) for vendor, retrieval in known if secret(retrieval.token.name)]


def canonical(alias: str) -> str:
    """Return the one form of an alias of a vendor's record; any other alias as it is."""
    name, _, rest = alias.partition(":")
    vendor = SOURCES.get(name)
    account, _, record = rest.partition(":")
    kind, _, key = record.partition(":")
    if vendor and key and kind in (*vendor.records, *vendor.deals):
        return f"{name}:{account}:{kind}:{vendor.canonical(key)}"
    return alias
