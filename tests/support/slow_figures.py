"""KPIs counted one lead at a time from what is known of each: slow, obvious, without the product.

Days are those of the story, and a figure is (value, numerator, denominator), by its dimensions.
"""

from collections import Counter, defaultdict
from itertools import pairwise
from statistics import median

import pytest

DAYS = {"day": 1, "week": 7, "month": 30}


def share(part, whole):
    """Return a share, of nobody none."""
    return len(part) / len(whole) if whole else None


def days(span):
    return span.amount * DAYS[span.unit]


class Slow:
    """The figures of a firm over the days from `start` to `end`, as of `asof`."""

    def __init__(self, funnel, lives, start, end, asof):
        self.funnel, self.shape, self.lives = funnel, funnel.shape(), lives
        self.start, self.end, self.asof = start, end, asof
        self.windows = {name: days(span) for name, span in funnel.windows().items()}
        self.clean = [life for life in lives if not life.excluded]

    def within(self, at):
        return at is not None and self.start <= at < self.end

    def ripe(self, at, window):
        """Return whether something of the period has had its whole window."""
        return self.within(at) and at + window <= self.asof

    def inflow(self):
        count = Counter(
            one.stage for life in self.lives for one in life.entries if self.within(one.at)
        )
        return {(("stage", stage),): (n, None, None) for stage, n in count.items()}

    def outflow(self):
        count = Counter(
            (("destination", one.stage), ("stage", one.came_from))
            for life in self.lives
            for one in life.entries
            if one.came_from and self.within(one.at)
        )
        return {key: (n, None, None) for key, n in count.items()}

    def balance(self):
        came = Counter(one.stage for life in self.lives for one in life.entries)
        went = Counter(one.came_from for life in self.lives for one in life.entries)
        stands = Counter(life.stage for life in self.lives)
        return {(("stage", stage),): (stands[stage], came[stage], went[stage]) for stage in came}

    def chain(self):
        steps = [stage for stage in self.shape.ladder if stage not in self.shape.optional]
        return pairwise(steps)

    def step_conversion(self):
        found = {}
        for stage, following in self.chain():
            window = self.windows[stage]
            began = [life for life in self.clean if self.within(life.first(stage))]
            cohort = [life for life in began if self.ripe(life.first(stage), window)]
            reached = [
                life
                for life in cohort
                if (at := life.first(following)) is not None and at < life.first(stage) + window
            ]
            if began:
                key = (("next_stage", following), ("stage", stage))
                found[key] = (share(reached, cohort), len(reached), len(cohort))
        return found

    def conversion(self):
        window = self.windows["figures.won"]
        cohort = [life for life in self.clean if self.ripe(life.first(self.shape.entry), window)]
        found = {}
        for stage in self.shape.ladder[1:]:
            n = sum(
                (at := life.first(stage)) is not None and at < life.first(self.shape.entry) + window
                for life in cohort
            )
            found[(("stage", stage),)] = (n / len(cohort) if cohort else None, n, len(cohort))
        return found

    def throughput(self):
        entered = Counter(
            one.stage for life in self.clean for one in life.entries if self.within(one.at)
        )
        return {
            (("next_stage", following), ("stage", stage)): (
                entered[following] / entered[stage] if entered[stage] else None,
                entered[following],
                entered[stage],
            )
            for stage, following in self.chain()
        }

    def fates(self):
        """Return the mature hand-offs by stage: (row, what came of it within the window)."""
        window, found = self.windows["figures.acceptance"], defaultdict(list)
        mature = (row for life in self.lives for row in life.rows if self.ripe(row.at, window))
        for row in mature:
            in_time = row.decided_at is not None and row.decided_at <= row.at + window
            answered = in_time and row.outcome in ("accepted", "rejected")
            found[row.stage].append((row, row.outcome if answered else "none"))
        return found

    def share(self, fate):
        return {
            (("handoff", stage),): (n / len(rows), n, len(rows))
            for stage, rows in self.fates().items()
            for n in [sum(one == fate for _, one in rows)]
        }

    def acceptance(self):
        return self.share("accepted")

    def no_decision(self):
        return self.share("none")

    def rejection(self):
        found = {}
        for stage, rows in self.fates().items():
            reasons = Counter(row.reason for row, fate in rows if fate == "rejected")
            for reason, n in reasons.items():
                found[(("handoff", stage), ("reason", reason))] = (n / len(rows), n, len(rows))
        return found

    def sales_sourced(self):
        first = next(one.stage for one in self.shape.handoffs)
        origins = [
            life.origin
            for life in self.clean
            for one in life.entries
            if one.stage == self.shape.accepted and self.within(one.at)
        ]
        n = origins.count("sales")
        return {(("handoff", first),): (n / len(origins), n, len(origins))}

    def cycle_time(self):
        won = [life for life in self.clean if self.within(life.first(self.shape.won))]
        spans = [life.first(self.shape.won) - life.first(self.shape.entry) for life in won]
        return {(): (median(spans), None, None)} if spans else {}

    def recycle(self):
        window = self.windows["figures.won"]
        cohort = [life for life in self.clean if self.ripe(life.first(self.shape.entry), window)]
        n = sum(life.first(self.shape.recycled) is not None for life in cohort)
        return {(): (n / len(cohort) if cohort else None, n, len(cohort))}

    def win_rate(self):
        closed = [
            life.deal for life in self.clean if life.deal and self.within(life.deal["closed_at"])
        ]
        n = sum(deal["status"] == "won" for deal in closed)
        return {(): (n / len(closed), n, len(closed))} if closed else {}


COMMON = ("inflow", "outflow", "balance", "step_conversion", "conversion", "throughput", "win_rate")
OF_HANDOFFS = ("acceptance", "rejection", "no_decision", "sales_sourced")


def asked_of(funnel):
    """Return the KPIs that are counted here and that a funnel can have."""
    shape = funnel.shape()
    of_handoffs = OF_HANDOFFS if shape.handoffs else ()
    return (*COMMON, "cycle_time", *of_handoffs, *(("recycle",) if shape.recycled else ()))


def figures(kpi, found):
    """Return a KPI's figures as they are counted here; of those on two bases the period's."""
    both = kpi in ("win_rate", "cycle_time")
    return {
        tuple(sorted(one.dimensions.items())): (one.value, one.numerator, one.denominator)
        for one in found
        if not both or one.basis == "period"
    }


def approx(counted):
    return {
        name: tuple(part if part is None else pytest.approx(part) for part in figure)
        for name, figure in counted.items()
    }
