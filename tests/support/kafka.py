"""A record as a consumer hands it over."""

from types import SimpleNamespace


def record(value, topic="t", key=None, headers=(), partition=0, offset=0, timestamp=1):
    return SimpleNamespace(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        key=key,
        value=value,
        headers=headers,
    )
