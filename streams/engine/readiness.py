"""Is a worker ready? It has partitions, and the state of each was restored."""

from __future__ import annotations

from typing import Any


def waits_for(app: Any) -> str:
    """Return what a worker still waits for; an empty text once it is ready.

    Faust makes its parts when they are first asked for, so this only looks at those there are.
    """
    consumer, tables = app._consumer, vars(app).get("tables")
    recovery = None if tables is None else tables._recovery  # a manager of no table is false
    if not app.started or consumer is None or recovery is None:
        return "it starts"
    if app.rebalancing:
        return "its partitions are being assigned"
    if not recovery.completed.is_set():
        return "its state is being restored"
    return "" if consumer.assignment() else "no partition is assigned to it"
