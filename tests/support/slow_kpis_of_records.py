"""Figures of what people state beside events, and of how events arrived: KPIs 30 to 32 and 35."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from statistics import mean
from zoneinfo import ZoneInfo

from schemas.records import SurveyAnswer, Target
from tests.support.slow_kpis import KPIS, figures, kpi

FEW = 5
LATE_MS = 15 * 60_000


@kpi("", split=False)
def survey(world, asked):
    """Mean scores. Of fewer than five people neither mean nor number is shown."""
    answers = [one for one in world.records[SurveyAnswer] if asked.within(one.answered_at)]
    found = {}
    for question, team in {(one.question, one.team) for one in answers}:
        own = [one for one in answers if (one.question, one.team) == (question, team)]
        people = len({one.respondent for one in own})
        shown = people >= FEW
        found["", (("question", question), ("team", team))] = {
            "value": mean(one.score for one in own) if shown else None,
            "n": people if shown else None,
        }
    return found


@kpi("", split=False)
def stale_kpi(world, asked):
    """Targets of another strategy than the funnel's, and those that ended without a successor."""
    today, found = asked.day(asked.asof), {}
    targets = world.records[Target]
    for one in targets:
        if one.start <= today <= one.end and one.strategy != asked.funnel.strategy:
            found["", _stale("strategy", one)] = {"value": 1, "n": 1}
    for metric, scope in {(one.metric, one.scope) for one in targets}:
        own = [one for one in targets if (one.metric, one.scope) == (metric, scope)]
        newest = max(own, key=lambda one: (one.end, one.owner))
        if newest.end < today:
            found["", _stale("ended", newest)] = {"value": 1, "n": 1}
    return found


def _stale(why, target):
    row = {
        "why": why,
        "metric": target.metric,
        "owner": target.owner,
        "scope": target.scope,
        "strategy": target.strategy,
        "until": str(target.end),
    }
    return tuple(sorted(row.items()))


@kpi("", split=False)
def attainment(world, asked):
    """What a target's own figure came to, over the target, and over what should be there by now."""
    first, last = asked.days()
    found = {}
    for target in world.records[Target]:
        if target.start >= last or target.end < first:
            continue
        actual, n, apart = _actual(world, asked, target)
        reached = None if actual is None else actual / float(target.value)
        start, end = _span(asked, target)
        gone = min(1.0, max(0.0, (asked.asof - start) / (end - start)))
        rows = {"attainment": (reached, actual, float(target.value))}
        if target.metric in ("inflow", "pipeline", "revenue"):
            pace = None if reached is None or not gone else reached / gone
            rows["pace"] = (pace, reached, gone)
        for measure, (value, numerator, denominator) in rows.items():
            row = {
                "measure": measure,
                "metric": target.metric,
                "owner": target.owner,
                "start": str(target.start),
                "end": str(target.end),
                "scope": target.scope,
                "shared": target.shared,
                "strategy": target.strategy,
            }
            found["", tuple(sorted(row.items()))] = {
                "value": value,
                "numerator": numerator,
                "denominator": denominator,
                "n": n,
                "pending": apart,
            }
    return found


def _span(asked, target):
    """Return when a target's days begin and end (ms)."""
    zone = ZoneInfo(asked.zone)
    days = (target.start, target.end + timedelta(days=1))
    first, last = (datetime.combine(day, time(), zone).astimezone(UTC) for day in days)
    return int(first.timestamp() * 1000), int(last.timestamp() * 1000)


def _actual(world, asked, target):
    """Return a target's own figure over its own days: (actual, n, how many can't be turned)."""
    start, end = _span(asked, target)
    by = next((name for name in ("source",) if name in target.dimensions), "")
    own = replace(asked, start=start, end=min(end, asked.asof + 1), by=by, where=())
    asked_of = figures(world, target.metric, own)
    fitting = {
        key: one
        for key, one in asked_of.items()
        if target.dimensions.items() <= dict(key[1]).items() and key[0] in ("", "period")
    }
    apart = {key: one for key, one in fitting.items() if dict(key[1]).get("unconverted")}
    lacking = sum(one["n"] for one in apart.values()) if apart else None
    fitting = [one for key, one in fitting.items() if key not in apart]
    if KPIS[target.metric].form in ("count", "sum"):
        known = {name for key in asked_of for name, _ in key[1]}
        misspelt = bool(asked_of) and not known >= set(target.dimensions)
        values = [one["value"] for one in fitting if one["value"] is not None]
        nothing = not fitting and not apart and not misspelt
        actual = sum(values) if values or nothing else None
        return actual, sum(one["n"] for one in fitting), lacking
    if len(fitting) != 1:
        return None, None, lacking
    return fitting[0]["value"], fitting[0]["n"], lacking


@kpi("", split=False)
def events(world, asked):
    """Of what arrived in the period, what was late, repeated or refused."""
    arrived = [one for one in world.arrivals if asked.start <= one["received_at"] < asked.end]
    late = [one for one in arrived if one["received_at"] - one["at"] >= LATE_MS]
    again = [one for one in arrived if one["repeated"]]
    refused = [at for at in world.refused if asked.start <= at < asked.end]
    parts = {
        "late": (len(late), len(arrived)),
        "duplicate": (len(again), len(arrived)),
        "rejected": (len(refused), len(arrived) + len(refused)),
    }
    return {
        ("", (("measure", measure),)): {
            "value": part / of if of else None,
            "numerator": part,
            "denominator": of,
            "n": of,
        }
        for measure, (part, of) in parts.items()
    }
