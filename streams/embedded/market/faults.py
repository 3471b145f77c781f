"""What goes wrong between a vendor and us, by rate: repeated, broken, late, disordered bodies."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from .hours import HOUR
from .posts import Post

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_AGAIN = 10
# A source of which half can't be read is parked, and then nothing of it is counted.
MOST_BROKEN = 0.2


@dataclass(frozen=True)
class Faults:
    """Shares of all bodies, from 0 to 1; `redelivered` ones come 1 to 10 times more."""

    redelivered: float = 0.03
    broken: float = 0.006
    late: float = 0.01
    reordered: float = 0.02

    @classmethod
    def parse(cls, text: str) -> Faults:
        """Read `redelivered=0.03,broken=0.006`: others keep their default; `none` means no fault.

        Raises:
            ValueError: a name or a share is none; the text says which.

        """
        names = [one.name for one in fields(cls)]
        if text.strip() == "none":
            return cls(**dict.fromkeys(names, 0.0))
        found: dict[str, float] = {}
        for entry in filter(None, (part.strip() for part in text.split(","))):
            name, equals, value = (part.strip() for part in entry.partition("="))
            if name not in names:
                raise ValueError(
                    f"{name[:40]!r} is no fault: "
                    f"write some of {', '.join(names)}, each with its share"
                )
            most = MOST_BROKEN if name == "broken" else 1.0
            try:
                share = float(value)
            except ValueError:
                share = -1.0
            if not equals or not 0 <= share <= most:
                raise ValueError(
                    f"{name}={value[:40]} is no share: write a number from 0 to {most:g}"
                )
            if name in found:
                raise ValueError(f"{name} is named twice")
            found[name] = share
        return cls(**found)

    def __str__(self) -> str:
        """Write it as `parse` reads it."""
        return ",".join(f"{one.name}={getattr(self, one.name):g}" for one in fields(self))


class Delivery(NamedTuple):
    """A body that is due at an instant (ms), so many times."""

    due: int
    post: Post
    times: int = 1


def deliveries(seed: str, posts: Sequence[Post], faults: Faults) -> tuple[Delivery, ...]:
    """Make what arrives of a way, in the order of arrival. Nothing is due before its date."""
    rng = random.Random(f"{seed}-faults")
    placed: list[tuple[int, int, Delivery]] = []
    for place, post in enumerate(posts):
        again = rng.random() < faults.redelivered
        times = 1 + min(MOST_AGAIN, 1 + int(rng.expovariate(1 / 1.5))) if again else 1
        due = post.at
        if rng.random() < faults.late:
            due += int(rng.uniform(1, 30) * HOUR)
        if rng.random() < faults.broken and post.source in _BROKEN:
            if "entry" in post.body:
                post = _with_a_bad_part(post)  # noqa: PLW2901
            else:
                placed.append((due, 2 * place, Delivery(due, broken(post.source, post.at))))
        placed.append((due, 2 * place + 1, Delivery(due, post, times)))
    placed.sort(key=lambda one: one[:2])
    found = [delivery for _, _, delivery in placed]
    place = 0
    while place + 1 < len(found):
        if rng.random() < faults.reordered:  # who overtakes is on time, and the other one behind it
            first, second = found[place], found[place + 1]
            found[place : place + 2] = second, first._replace(due=second.due)
            place += 1
        place += 1
    return tuple(found)


# What nobody can read, by source: each is one dead letter. A bad CloudEvent is refused at once.
_BROKEN: dict[str, Any] = {
    "segment": {"type": "track", "event": "Lost", "messageId": "broken"},
    "snowplow": "site\tweb\tcut off",
    "ga4": {"client_id": "1.2", "events": "none"},
    "meta": {
        "object": "page",
        "entry": [{"id": "1", "time": 1, "changes": [{"field": "leadgen"}]}],
    },
    "google": {"lead_id": "broken"},
    "linkedin": {"leadAction": "CREATED"},
    "hubspot": {"not": "a list"},
    "salesforce": {"payload": {"Status": "Working"}},
    "pipedrive": {"meta": {"action": "create"}, "data": {}},
    "dynamics": {"MessageName": "Create"},
    "calendly": {"event": "invitee.created"},
    "marketo": {"result": [{"activityTypeId": 1}]},
    "google-spend": {"results": [{"metrics": {}}]},
    "meta-spend": {"data": [{"spend": "1.50"}]},
    "linkedin-spend": {"elements": [{"pivotValues": []}]},
}


def _with_a_bad_part(post: Post) -> Post:
    """Return a webhook of Meta's that holds a change which nobody can read beside the good one."""
    entry = post.body["entry"][0]
    changes = [*entry["changes"], {"field": "leadgen"}]
    return post._replace(body={**post.body, "entry": [{**entry, "changes": changes}]}, dead=1)


def broken(source: str, at: int) -> Post:
    """Make a body of a source that nobody can read; it is signed all the same."""
    return Post(source, _BROKEN[source], at, "broken body", (), dead=1)
