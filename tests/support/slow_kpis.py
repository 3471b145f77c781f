"""Every figure, counted slowly over plain dicts: a specification that runs.

A figure of journeys, deals or hand-offs is a function that returns its members, one for each that
it counts, and a word that says how members become numbers (`FORMS`). Figures that are no count of
members return their numbers themselves. Nothing here knows SQL.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

DAYS = {"day": 1, "week": 7, "month": 30}
MS = 86_400_000
NUMBERS = ("value", "numerator", "denominator", "n", "mature", "pending", "implied")


@dataclass(frozen=True)
class Asked:
    """A question: a period (ms), as of when, by what, of what, and how long cohorts last."""

    funnel: Any
    start: int
    end: int
    asof: int
    by: str = ""
    where: tuple[tuple[str, tuple[str, ...]], ...] = ()
    zone: str = "Europe/Paris"
    cohort_days: int | None = None

    @property
    def shape(self):
        return self.funnel.shape()

    def window(self, name):
        """Return how long a cohort is followed (ms)."""
        span = self.funnel.windows()[name]
        return (self.cohort_days or span.amount * DAYS[span.unit]) * MS

    def within(self, at):
        """Return whether something happened in the period, and by the instant asked for."""
        return at is not None and self.start <= at < self.end and at <= self.asof

    def day(self, at):
        """Return the day of an instant."""
        return datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(self.zone)).date()

    def days(self):
        """Return the first day of the period, and the day after its last."""
        return self.day(self.start), self.day(self.end - 1) + timedelta(days=1)

    def keeps(self, fact):
        """Return whether the filters keep a fact, a journey or a lead."""
        return all(value_of(fact, name) in values for name, values in self.where if name != "stage")


def value_of(fact, name):
    """Return a dimension's value: a fact's own where the funnel names it, else its journey's."""
    journey = fact.get("of") or fact
    if name == "version":
        return journey["version"]
    if name in ("source", "channel", "campaign", "lead_origin", "segment"):
        value = journey[name]
        return value.strip().lower() if name == "campaign" else value
    return fact.get("dimensions", journey["dimensions"]).get(name, "")


@dataclass(frozen=True)
class Member:
    """What a figure counts: a journey, or a deal or hand-off of it, and in which row."""

    fact: dict
    row: dict
    counted: bool | None = True
    ripe: bool = True
    waits: bool = False
    implied: bool | None = None  # of a conversion: nobody reported the entry
    span: float | None = None
    amount: Any = None
    converted: Any = None
    basis: str = ""

    @property
    def lead(self):
        return self.fact["lead"], self.fact["journey"]


# What of the world there is to count ------------------------------------------------------------


def journeys(world, asked, *, excluded=False):
    """Return the journeys that had begun: no tests, and without duplicates and spam."""
    return [
        journey
        for journey in world.journeys.values()
        if not journey["test"]
        and (excluded or not journey["excluded"])
        and journey["at"] <= asked.asof
        and asked.keeps(journey)
    ]


def entered(journey, stage, asked):
    """Return when a journey entered a stage first (ms), if it had by then."""
    at = journey["entered"].get(stage)
    return at if at is not None and at <= asked.asof else None


def cohort(world, stage, asked):
    """Return the journeys that entered a stage in the period, without opening balances."""
    return [
        journey
        for journey in journeys(world, asked)
        if asked.within(entered(journey, stage, asked)) and not journey["opening"]
    ]


def facts(world, kind, asked):
    """Return the facts of a kind that had happened, of journeys that are no tests."""
    return [
        fact
        for fact in world.facts[kind]
        if not fact["of"]["test"] and fact["at"] <= asked.asof and asked.keeps(fact)
    ]


def moves(world, asked, *, excluded=False):
    """Return the moves of the period."""
    return [
        move
        for move in facts(world, "transition", asked)
        if asked.within(move["at"]) and (excluded or not move["of"]["excluded"])
    ]


def states(world, asked):
    """Return the leads as they stand: no tests, no duplicates, no spam."""
    return [
        state
        for state in world.states
        if not state["test"] and not state["excluded"] and asked.keeps(state)
    ]


# How members become numbers ---------------------------------------------------------------------


def _count(members):
    return {"value": len(members), "n": len(members)}


def _share(members):
    known = [one for one in members if one.counted is not None]
    hits = sum(bool(one.counted) for one in known)
    return {
        "value": hits / len(known) if known else None,
        "numerator": hits,
        "denominator": len(known),
        "n": len(members),
    }


def _cohort(members):
    mature = [one for one in members if one.ripe]
    hits = [one for one in mature if one.counted]
    return {
        "value": len(hits) / len(mature) if mature else None,
        "numerator": len(hits),
        "denominator": len(mature),
        "n": len(members),
        "mature": len(mature),
        "pending": sum(one.waits for one in members),
        "implied": sum(one.implied for one in mature) if members[0].implied is not None else None,
    }


def _sum(members):
    converted = [one.converted for one in members if one.converted is not None]
    stated = [one.amount for one in members if one.amount is not None]
    apart = bool(members[0].row["unconverted"])
    return {
        "value": sum(converted) if converted else None,
        "numerator": sum(stated) if apart and stated else None,
        "n": len(members),
    }


def _median(members):
    done = [one for one in members if not one.waits]
    spans = [math.inf if one.span is None else one.span for one in done]
    middle = median(spans) if spans else math.inf
    return {
        "value": middle if math.isfinite(middle) else None,
        "n": len(done),
        "pending": sum(one.waits or one.span is None for one in members),
    }


FORMS = {"count": _count, "share": _share, "cohort": _cohort, "sum": _sum, "median": _median}
KPIS = {}  # by name


@dataclass(frozen=True)
class Slow:
    """A figure: its function and form, whether a dimension splits it, and who is behind it."""

    function: Any
    form: str
    split: bool
    members: Any


def kpi(form, *, split=True, members=None):
    """Register a figure by its function's name; `form` is one of FORMS, or "" of its own."""

    def register(function):
        name = function.__name__.rstrip("_")
        KPIS[name] = Slow(function, form, split, members or (function if form else None))
        return function

    return register


def figures(world, name, asked):
    """Return a figure's numbers by (basis, dimensions); the basis is "" where it has one only."""
    slow = KPIS[name]
    own = asked if slow.split else replace(asked, by="")
    if not slow.form:
        return slow.function(world, own)
    groups = grouped(slow.function(world, own), own)
    found = {key: FORMS[slow.form](members) for key, members in groups.items()}
    for (basis, _), numbers in found.items():
        if basis == "period" and slow.form == "cohort":
            numbers.update(mature=None, pending=None)
    return found


def grouped(members, asked):
    """Return members by (basis, dimensions)."""
    found = defaultdict(list)
    for member in of_stage(members, asked):
        found[member.basis, key(member, asked)].append(member)
    return found


def of_stage(members, asked):
    """Return the members in whose rows the stage is one of those asked for."""
    kept = dict(asked.where).get("stage")
    if not kept:
        return members
    return [one for one in members if stage_of(one.row, one.fact) in (None, *kept)]


def stage_of(row, fact):
    names = [name for name in ("stage", "handoff", "per") if name in row]
    if "clock" in row and "due_at" in fact:
        return fact["stage"]
    return row[names[0]] if names else None


def key(member, asked):
    """Return a member's dimensions, that of the question among them."""
    by = {asked.by: value_of(member.fact, asked.by)} if asked.by else {}
    return tuple(sorted({**by, **member.row}.items()))
