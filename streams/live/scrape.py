"""What Prometheus reads of the live page: gauges of figures, queried from ClickHouse on demand."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING

import structlog
from prometheus_client import generate_latest

from streams import metrics

from .figures import Away

if TYPE_CHECKING:
    from .figures import Figures

log = structlog.get_logger()
FRESH_SECONDS = 2.0  # whoever comes meanwhile is given the same


class Scrape:
    """Queries once for all who ask at once. A figure that fails is left out, never shown stale."""

    def __init__(self, figures: Figures) -> None:
        """Ask at the first scrape."""
        self._figures, self._lock, self._ended = figures, threading.Lock(), -math.inf

    def page(self) -> bytes:
        """Return all metrics of this process."""
        with self._lock:
            if time.monotonic() - self._ended >= FRESH_SECONDS:
                self._refresh()
                self._ended = time.monotonic()
            return generate_latest()

    def _refresh(self) -> None:
        """Set the gauges, also 0 for an empty stage: a series that ends would raise no alert."""
        metrics.STALLED.clear()
        metrics.OPEN.clear()
        metrics.CONFLICTS.set(math.nan)
        metrics.STALE_KPIS.set(math.nan)
        up = True
        for ask in (self._stalled, self._open, self._conflicts, self._stale):
            try:
                ask()
            except Away:
                up = False
                break
            except Exception:
                log.exception("live.scrape", figure=ask.__name__)
        metrics.CLICKHOUSE_UP.set(up)

    def _stalled(self) -> None:
        found = self._figures.stalled_by_stage()
        for stage, spec in self._figures.funnel.stages.items():
            metrics.STALLED.labels(stage, spec.owner).set(found.get(stage, 0))

    def _open(self) -> None:
        found = {row["stage"]: row["open"] for row in self._figures.funnel_now()}
        for stage in self._figures.funnel.stages:
            metrics.OPEN.labels(stage).set(found.get(stage, 0))

    def _conflicts(self) -> None:
        metrics.CONFLICTS.set(
            self._figures.rows("SELECT uniqExact(a, b) AS n FROM v_conflicts")[0]["n"]
        )

    def _stale(self) -> None:
        metrics.STALE_KPIS.set(len(self._figures.kpis(names=("stale_kpi",))))
