"""Token buckets: how often a source, or a remote address, may ask.

A bucket refills at `rate` a second up to `burst`. Addresses are many and chosen by strangers, so
their buckets are kept for the most recent ones only: a forgotten address starts full again.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEPT = 20_000


def refilled(
    tokens: float, since: float, now: float, rate: float, burst: float
) -> tuple[float, float]:
    """Take a token of a bucket that held `tokens` at `since`; return the tokens left and the wait.

    Times in seconds; the wait is 0 where a token was taken.
    """
    tokens = min(burst, tokens + (now - since) * rate)
    return (tokens - 1, 0.0) if tokens >= 1 else (tokens, (1 - tokens) / rate)


class Buckets:
    """One bucket a name, all of one rate but for the exceptions."""

    def __init__(
        self,
        rate: float,
        burst: float,
        exceptions: Mapping[str, tuple[float, float]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start full; `exceptions` are (rate, burst) by name, `clock` returns seconds."""
        self._default, self._exceptions = (rate, burst), dict(exceptions or {})
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when

    def wait(self, name: str) -> int:
        """Take a token and return 0, or return how many whole seconds to wait for one."""
        rate, burst = self._exceptions.get(name, self._default)
        now = self._clock()
        tokens, since = self._buckets.pop(name, (burst, now))
        left, wait = refilled(tokens, since, now, rate, burst)
        self._buckets[name] = (left, now)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        return max(1, math.ceil(wait)) if wait else 0


@lru_cache(maxsize=4_096)
def network(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a Unix socket, or nothing
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return address
