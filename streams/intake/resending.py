"""Sending a record again as it was: a letter's replay, a parked record's return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_REQUEST = 2_097_152  # bytes: as much as our topics take


def send(
    producer: Any,
    topic: str,
    key: bytes | None,
    value: bytes | None,
    headers: Iterable[tuple[str, bytes | None]],
    partition: int | None,
) -> Any:
    """Send a record's own bytes; return the client's future.

    kafka-python sends no header without a value, and no record with neither key nor value; either
    may have come from another client. An empty value stands for the missing one, which our readers
    take as the same.
    """
    kept = [(name, b"" if header_value is None else header_value) for name, header_value in headers]
    body = b"" if key is None and value is None else value
    return producer.send(topic, body, key=key, headers=kept, partition=partition)
