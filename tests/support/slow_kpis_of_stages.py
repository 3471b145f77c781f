"""Figures of stages and journeys: KPIs 1 to 7, 13 to 15, 20, 21, 24, 25, 33, 37 and 38."""

from collections import Counter, defaultdict
from itertools import pairwise

from tests.support.slow_kpis import (
    Member,
    cohort,
    entered,
    facts,
    grouped,
    journeys,
    kpi,
    moves,
    states,
)

HOUR, DAY = 3_600_000, 86_400_000


@kpi("count")
def inflow(world, asked):
    """Entries into a stage in the period. Opening balances are no entries."""
    return [
        Member(move, {"stage": move["to"]})
        for move in moves(world, asked, excluded=True)
        if not move["opening"]
    ]


@kpi("count")
def outflow(world, asked):
    """Departures from a stage in the period, by where they went."""
    return [
        Member(move, {"stage": move["from"], "destination": move["to"]})
        for move in moves(world, asked, excluded=True)
        if move["from"]
    ]


def _standing(world, _asked):
    """Return every lead in every stage that it entered or left, or stands in."""
    return [
        Member(one, {"stage": one[end]})
        for one in world.facts["transition"]
        for end in ("to", "from")
        if one[end]
    ]


@kpi("", split=False, members=_standing)
def balance(world, asked):
    """Entries less departures, and who stands there: of all, tests too. Both must be equal."""
    came = Counter(move["to"] for move in world.facts["transition"])
    went = Counter(move["from"] for move in world.facts["transition"])
    stand = Counter(state["stage"] for state in world.states)
    return {
        ("", (("stage", stage),)): {
            "value": stand[stage],
            "numerator": came[stage],
            "denominator": went[stage],
            "n": came[stage] - went[stage],
        }
        for stage in came
    }


def steps(asked):
    """Return the steps of the ladder: (stage, next), optional stages passed by."""
    return pairwise(stage for stage in asked.shape.ladder if stage not in asked.shape.optional)


def _reaching(world, asked, begin, goal, window, row):
    """Of the journeys that entered `begin` in the period, those that reached `goal` in time."""
    for journey in cohort(world, begin, asked):
        until = journey["entered"][begin] + window
        there = entered(journey, goal, asked)
        reached = there is not None and there < until
        ripe = until <= asked.asof
        yield Member(
            journey,
            row,
            counted=reached,
            ripe=ripe,
            waits=not ripe and not reached,
            implied=reached and goal in journey["implied"],
        )


@kpi("cohort")
def step_conversion(world, asked):
    """Of the journeys that entered a stage, those that reached the next within its window."""
    return [
        member
        for stage, goal in steps(asked)
        for member in _reaching(
            world, asked, stage, goal, asked.window(stage), {"stage": stage, "next_stage": goal}
        )
    ]


@kpi("cohort")
def conversion(world, asked):
    """Of the journeys that began, those that reached each stage within the window of a win."""
    won = asked.window("figures.won")
    first, *others = asked.shape.ladder
    return [
        member
        for goal in others
        for member in _reaching(world, asked, first, goal, won, {"stage": goal})
    ]


@kpi("share")
def pending(world, asked):
    """Of the journeys that entered a stage, those that did not go on and still have time."""
    return [
        Member(one.fact, {"stage": one.row["stage"]}, counted=one.waits)
        for one in step_conversion(world, asked)
    ]


def _passing(world, asked):
    """Return, for each step, the entries into its stage and into the next."""
    return [
        Member(one.fact, {"stage": stage, "next_stage": goal})
        for one in inflow(world, asked)
        for stage, goal in steps(asked)
        if one.row["stage"] in (stage, goal) and not one.fact["of"]["excluded"]
    ]


@kpi("", members=_passing)
def throughput(world, asked):
    """Entries into the next stage over entries into a stage. It may exceed 100%."""
    found = {}
    for key, members in grouped(_passing(world, asked), asked).items():
        row = dict(key[1])
        began = sum(one.fact["to"] == row["stage"] for one in members)
        came = sum(one.fact["to"] == row["next_stage"] for one in members)
        value = came / began if began else None
        found[key] = {"value": value, "numerator": came, "denominator": began, "n": began}
    return found


def quantile(values, p):
    """Return the quantile at p * (n + 1), between two values in proportion."""
    values = sorted(values)
    place = min(max(p * (len(values) + 1), 1), len(values))
    low = int(place)
    high = min(low, len(values) - 1)
    return values[low - 1] + (place - low) * (values[high] - values[low - 1])


def _stays(world, asked):
    return [
        Member(move, {"stage": move["from"]})
        for move in moves(world, asked)
        if move.get("dwell_ms") is not None
    ]


@kpi("", members=_stays)
def time_in_stage(world, asked):
    """Hours from entry to leaving, of stays that ended in the period; a skip is no stay."""
    found = {}
    for (_, row), stays in grouped(_stays(world, asked), asked).items():
        ended = [stay.fact for stay in stays]
        for what, name in (("dwell_ms", "hours"), ("business_ms", "business_hours")):
            for p, word in ((0.5, "median"), (0.9, "p90")):
                value = quantile([one[what] / HOUR for one in ended], p)
                measured = tuple(sorted([*row, ("measure", f"{word}_{name}")]))
                found["", measured] = {"value": value, "n": len(ended)}
    return found


@kpi("median")
def open_age(world, asked):
    """Hours that leads have stood where they stand."""
    return [
        Member(state, {"stage": state["stage"]}, span=(asked.asof - state["since"]) / HOUR)
        for state in states(world, asked)
    ]


def _cycle(world, asked, goal):
    """Days from a reported entry to a goal: of those there in the period, and of the cohort."""
    first = asked.shape.entry
    window = asked.window("figures.won")
    for journey in journeys(world, asked):
        began, there = entered(journey, first, asked), entered(journey, goal, asked)
        if began is None or journey["opening"] or first in journey["implied"]:
            continue
        days = None if there is None else (there - began) / DAY
        if asked.within(there):
            yield Member(journey, {}, span=days, basis="period")
        if asked.within(began):
            if there is not None and there < began + window:
                yield Member(journey, {}, span=days, basis="cohort")
            elif there is None and asked.asof < began + window:
                yield Member(journey, {}, waits=True, basis="cohort")


@kpi("median")
def cycle_time(world, asked):
    """Days from the entry to the win; pending may still win."""
    return [*_cycle(world, asked, asked.shape.won)]


@kpi("median")
def lost_cycle(world, asked):
    """Days from the entry to the loss."""
    return [*_cycle(world, asked, asked.shape.lost)]


@kpi("cohort")
def recycle(world, asked):
    """Of the journeys that began, those that were recycled within the window of a win."""
    shape, won = asked.shape, asked.window("figures.won")
    return [
        Member(one.fact, {}, one.counted, one.ripe, one.waits)
        for one in _reaching(world, asked, shape.entry, shape.recycled, won, {})
    ]


@kpi("cohort")
def recovery(world, asked):
    """Of the journeys recycled in the period, those whose lead qualified again in its next."""
    found = []
    for journey in cohort(world, asked.shape.recycled, asked):
        until = journey["entered"][asked.shape.recycled] + asked.window("figures.recovery")
        following = world.journeys.get((journey["lead"], journey["journey"] + 1))
        again = None
        if following and not following["test"] and not following["excluded"]:
            again = entered(following, asked.shape.qualifying, asked)
        recovered, ripe = again is not None and again < until, until <= asked.asof
        found.append(Member(journey, {}, recovered, ripe, not ripe and not recovered))
    return found


@kpi("cohort")
def skip(world, asked):
    """Of the journeys that began, those that passed a stage by; strict: any implied entry."""
    shape, found = asked.shape, []
    for journey in cohort(world, shape.entry, asked):
        until = journey["entered"][shape.entry] + asked.window("figures.won")
        ripe = until <= asked.asof
        passed = [
            stage
            for stage in shape.ladder
            if stage in journey["implied"]
            and (at := entered(journey, stage, asked)) is not None
            and at < until
        ]
        again = journey["journey"] > 1  # who qualifies again has no entry to report
        skipped = [
            stage
            for stage in passed
            if stage not in shape.optional and not (again and stage == shape.entry)
        ]
        for measure, stages in (("skip", skipped), ("strict", passed)):
            hit = bool(stages)
            found.append(Member(journey, {"measure": measure}, hit, ripe, not ripe and not hit))
    return found


@kpi("share")
def regression(world, asked):
    """Entries into recycled or lost over all moves from one stage to another."""
    back = (asked.shape.recycled, asked.shape.lost)
    return [
        Member(move, {}, counted=move["to"] in back)
        for move in moves(world, asked)
        if move["from"] and not move["opening"]
    ]


@kpi("count")
def disagreement(world, asked):
    """How often gate and CRM disagreed about a stage, by who said yes."""
    found = []
    for one in facts(world, "disagreement", asked):
        if asked.within(one["at"]) and not one["of"]["excluded"]:
            who = ("gate", one["system"]) if one["gate"] else (one["system"], "gate")
            row = {"stage": one["stage"], "accepted_by": who[0], "refused_by": who[1]}
            found.append(Member(one, row))
    return found


@kpi("count")
def past_balance(world, asked):
    """Where leads stood when the period ended: where their last move until then had led."""
    known = defaultdict(list)
    for move in world.facts["transition"]:
        if move["at"] < asked.end and move["at"] <= asked.asof:
            known[move["lead"]].append(move)
    found = []
    for lead in known.values():
        came, went = (Counter(move[end] for move in lead) for end in ("to", "from"))
        stands = [move for move in lead if came[move["to"]] > went[move["to"]]]
        newest = max(stands, key=_place)  # one that was implied may be dated later than the next
        if not newest["of"]["test"] and asked.keeps(newest):
            found.append(Member(newest, {"stage": newest["to"]}))
    return found


def _place(move):
    return move["journey"], move["at"], not move["implied"], move["occurrence"]
