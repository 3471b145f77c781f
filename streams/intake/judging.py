"""Why a CloudEvent can't be taken, and where: for the gateway's answer and the client's error.

The adapter that reads what is stored decides, so that what is taken here is no dead letter later.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from streams.sources.adapter import (
    ATTRIBUTES,
    UNREADABLE,
    Fault,
    FaultError,
    Normalised,
    fault,
    why,
)
from streams.sources.vendors import cloudevents

if TYPE_CHECKING:
    from collections.abc import Mapping


def wrong(part: Any, now: int) -> Fault | None:
    """Return why an event received at `now` (ms) can't be taken; None where it can."""
    if not isinstance(part, dict):
        return Fault("event", "is no object: write a CloudEvent")
    try:
        cloudevents.take(part, Normalised(now))
        return _twice(part)
    except FaultError as error:
        return error.fault
    except ValidationError as error:
        return _placed(fault(error))
    except KeyError as error:
        name = str(error.args[0])
        return Fault(name, "is missing", _near(name, part))
    except UNREADABLE as error:
        return Fault("", why(error))


def _placed(found: Fault) -> Fault:
    """Return a lead event's fault with its place in the CloudEvent that it was made of."""
    head, _, rest = found.place.partition(".")
    if head in ATTRIBUTES:
        return found._replace(place=f"{ATTRIBUTES[head]}{'.' if rest else ''}{rest}")
    return found._replace(place=f"data.{found.place}" if found.place else "data")


def _near(name: str, part: Mapping[str, Any]) -> str:
    """Return what a part has in the place of a missing attribute, as "typ" is for "type"."""
    return next(iter(get_close_matches(name, map(str, part), 1)), "")


def _twice(part: dict[str, Any]) -> Fault | None:
    """Return the fault of a field in `data` that an attribute of the event has too."""
    for name in cloudevents.data_of(part):
        if name in ATTRIBUTES:
            text = "is no field of `data`: the event says it itself"
            return Fault(f"data.{name}", text, ATTRIBUTES[name])
    return None
