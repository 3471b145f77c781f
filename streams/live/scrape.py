"""What Prometheus reads of the live page: figures, queried from ClickHouse on demand."""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

import structlog
from prometheus_client import generate_latest

from streams import metrics

from . import alerting
from .alerting import Asked, Late, Sample
from .figures import Away

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import Gauge

    from .figures import Figures

log = structlog.get_logger()
FRESH_SECONDS = 2.0  # whoever comes meanwhile is given the same
# How long an answer stands: what is at hand, what costs a scan, what compares weeks.
PACES = {"quick": 0.0, "steady": 15.0, "slow": 300.0}
AT_MOST = 20  # a figure takes one twentieth of the time, and no more
PATIENCE_SECONDS = 2.0  # of a scrape; Prometheus gives up after five


class _Figure(NamedTuple):
    """One question, and the gauges that its answer fills."""

    gauges: tuple[Gauge, ...]
    ask: Callable[[Asked], Iterator[Sample]]
    pace: str


class Scrape:
    """Queries once for all who ask at once. A figure that fails is left out, never shown stale.

    Questions are asked in a thread of their own, and a scrape waits for them for a moment only:
    Prometheus must learn that this process lives also where a figure takes long. A figure that
    takes long is asked less often, so that all of them together leave ClickHouse to others.
    """

    def __init__(self, figures: Figures) -> None:
        """Ask at the first scrape. The counters begin where ClickHouse says they ended."""
        metrics.STALLS.clear()
        metrics.STALLS_RETRACTED.clear()
        self._figures, self._ended = figures, -math.inf
        self._starting, self._showing = threading.Lock(), threading.Lock()
        self._asking = threading.Thread()
        self._due: dict[str, float] = {}
        self._counted: dict[tuple[str, ...], tuple[int, int]] = {}
        self._all = {
            "thresholds": _Figure((metrics.THRESHOLD,), alerting.thresholds, "quick"),
            "time": _Figure((metrics.FACTS_TIME,), alerting.reached, "quick"),
            "stalled": _Figure((metrics.STALLED, metrics.HOT_WAITING), alerting.stalled, "steady"),
            "open": _Figure((metrics.OPEN,), alerting.standing, "steady"),
            "conflicts": _Figure((metrics.CONFLICTS,), self._conflicts, "steady"),
            "stale": _Figure((metrics.STALE_KPIS,), self._stale, "steady"),
            "newly stalled": _Figure((), self._count, "steady"),
            "inflow": _Figure(
                (metrics.INFLOW_SEEN, metrics.INFLOW_EXPECTED), alerting.inflow, "slow"
            ),
            "conversions": _Figure(
                (metrics.CONVERSIONS_SEEN, metrics.CONVERSIONS_EXPECTED),
                alerting.conversions,
                "slow",
            ),
            "service levels": _Figure(
                (metrics.CLOCKS_DUE, metrics.CLOCKS_MET), alerting.service_levels, "slow"
            ),
            "acceptance": _Figure(
                (metrics.HANDOFFS, metrics.HANDOFFS_ACCEPTED), alerting.acceptance, "slow"
            ),
            "spend": _Figure(
                (metrics.SPENT, metrics.SPENT_LEADS, metrics.SPENT_TOLERATED),
                alerting.spend,
                "slow",
            ),
            "deals": _Figure(
                (metrics.DEALS_PAST, metrics.DEALS_NEWLY_PAST), alerting.deals, "slow"
            ),
        }

    def page(self) -> bytes:
        """Return all metrics of this process."""
        with self._starting:
            fresh = time.monotonic() - self._ended < FRESH_SECONDS
            if not fresh and not self._asking.is_alive():
                self._asking = threading.Thread(target=self._refresh, name="figures", daemon=True)
                self._asking.start()
            asking = self._asking
        if asking.is_alive():
            asking.join(PATIENCE_SECONDS)
        with self._showing:
            return generate_latest()

    def _refresh(self) -> None:
        try:
            ask = alerting.asked(self._figures.rows, self._figures.funnel, int(time.time() * 1000))
            for name, figure in self._all.items():
                if time.monotonic() >= self._due.get(name, -math.inf):
                    self._answer(name, figure, ask)
        except Away:
            self._forget()
            metrics.CLICKHOUSE_UP.set(0)
        except Exception:
            log.exception("live.scrape")
            self._forget()
        else:
            metrics.CLICKHOUSE_UP.set(1)
        finally:
            self._ended = time.monotonic()

    def _answer(self, name: str, figure: _Figure, ask: Asked) -> None:
        """Fill a figure's gauges anew, so that what is no more in the funnel has no value."""
        began = time.monotonic()
        try:
            samples, failed = list(figure.ask(ask)), False
        except Away:
            raise
        except Exception:
            log.exception("live.scrape", figure=name)
            samples, failed = [], True
        ended = time.monotonic()
        self._due[name] = ended + max(PACES[figure.pace], (ended - began) * AT_MOST)
        with self._showing:
            metrics.FIGURE_FAILED.labels(name).set(failed)
            for gauge in figure.gauges:
                gauge.clear()
            for gauge, labels, value in samples:
                gauge.labels(*labels).set(value)

    def _forget(self) -> None:
        """Leave out every figure, until ClickHouse answers again."""
        self._due.clear()
        with self._showing:
            for figure in self._all.values():
                for gauge in figure.gauges:
                    gauge.clear()

    def _count(self, ask: Asked) -> Iterator[Sample]:
        """Bring the counters to what ClickHouse has, so they go on where another process ended.

        A number that fell (rows were deleted by hand) leaves its counter where it is.
        """
        found = alerting.late(ask)
        for one in found:
            self._rise(one)
        gone = self._counted.keys() - {one[:3] for one in found}
        for labels in gone:
            del self._counted[labels]
            metrics.STALLS.remove(*labels)
            metrics.STALLS_RETRACTED.remove(*labels)
        yield from ()

    def _rise(self, one: Late) -> None:
        labels, now = one[:3], (one.breached, one.retracted)
        before = self._counted.get(labels, (0, 0))
        counters = (metrics.STALLS, metrics.STALLS_RETRACTED)
        for counter, was, is_ in zip(counters, before, now, strict=True):
            counter.labels(*labels).inc(max(0, is_ - was))
        self._counted[labels] = (max(before[0], now[0]), max(before[1], now[1]))

    def _conflicts(self, ask: Asked) -> Iterator[Sample]:
        found = ask.rows("SELECT uniqExact(a, b) AS n FROM v_conflicts")[0]["n"]
        yield Sample(metrics.CONFLICTS, self._entry_team(ask), found)

    def _stale(self, ask: Asked) -> Iterator[Sample]:
        found = len(self._figures.kpis(names=("stale_kpi",)))
        yield Sample(metrics.STALE_KPIS, self._entry_team(ask), found)

    def _entry_team(self, ask: Asked) -> tuple[str]:
        """Return the team that is asked about what is no stage's: who owns the entry."""
        return (ask.owner(ask.funnel.shape().entry),)
