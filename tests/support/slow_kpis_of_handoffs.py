"""Figures of hand-offs, clocks and of who waits now: KPIs 8 to 11, 16 to 19, 22 and 23."""

from collections import defaultdict
from dataclasses import replace

from streams.domain import calendar
from streams.sources import measuring
from tests.support.slow_kpis import FORMS, Member, facts, grouped, kpi, moves, states

MINUTE, DAY = 60_000, 86_400_000
LATE = ("breached", "escalated")
SALES = {"sales": True, "": None}
MET = {"met": True, "breached": False, "escalated": False}


def handoffs(world, asked):
    """Return the hand-offs of the period: all but tests', since the ledger shows everybody."""
    return [one for one in facts(world, "handoff", asked) if asked.within(one["at"])]


def _ledger(world, asked, fate):
    """Return the hand-offs, and whether they had a fate within the window."""
    window, found = asked.window("figures.acceptance"), []
    for one in handoffs(world, asked):
        until = one["at"] + window
        decided = one["decided_at"]
        if decided is not None and decided > asked.asof:
            decided = None
        ripe = until <= asked.asof
        answered = decided is not None and decided <= until
        if answered and one["outcome"] in ("accepted", "rejected"):
            became = one["outcome"]
        else:
            became = "pending" if decided is None and not ripe else "none"
        row = {"handoff": one["stage"]}
        found.append(Member(one, row, became == fate, ripe, became == "pending"))
    return found


@kpi("cohort")
def acceptance(world, asked):
    """Of each hand-off, those accepted within the window."""
    return _ledger(world, asked, "accepted")


@kpi("cohort")
def no_decision(world, asked):
    """Of each hand-off, those whose window passed undecided, or decided too late."""
    return _ledger(world, asked, "none")


def _rejected(world, asked):
    return _ledger(world, asked, "rejected")


def _by_reason(world, asked):
    return [
        replace(one, row={**one.row, "reason": one.fact["reason"] if one.counted else ""})
        for one in _rejected(world, asked)
    ]


@kpi("", members=_by_reason)
def rejection(world, asked):
    """Of each hand-off, those rejected within the window, by reason."""
    found = {}
    for (_, row), members in grouped(_rejected(world, asked), asked).items():
        mature = sum(one.ripe for one in members)
        reasons = defaultdict(int)
        for one in members:
            if one.counted:
                reasons[one.fact["reason"]] += one.ripe
        for reason, hits in reasons.items():
            found["", tuple(sorted([*row, ("reason", reason)]))] = {
                "value": hits / mature if mature else None,
                "numerator": hits,
                "denominator": mature,
                "n": len(members),
                "mature": mature,
                "pending": sum(one.waits for one in members),
            }
    return found


@kpi("share")
def sales_sourced(world, asked):
    """Of the newly accepted leads of known origin, those that sales found itself."""
    row = {"handoff": asked.shape.handoffs[0].stage}
    return [
        Member(move, row, counted=SALES.get(move["of"]["lead_origin"], False))
        for move in moves(world, asked)
        if move["to"] == asked.shape.accepted and not move["opening"]
    ]


@kpi("median")
def speed_to_lead(world, asked):
    """Business minutes from hand-off to assigned, and on to the first human touch."""
    found = []
    legs = (
        ("handed_to_assigned", "assigned_at", "to_assigned_ms"),
        ("assigned_to_first_touch", "touched_at", "to_touch_ms"),
    )
    for one in handoffs(world, asked):
        for leg, at, ms in legs:
            done = one[at] is not None and one[at] <= asked.asof
            span = one[ms] / MINUTE if done else None
            if not one["of"]["excluded"]:
                found.append(Member(one, {"handoff": one["stage"], "leg": leg}, span=span))
    return found


def _due(world, asked):
    """Return the clocks that fell due in the period, and whether they were met."""
    stages = {one.stage for one in asked.shape.handoffs}
    return [
        Member(
            one,
            {
                "handoff": one["stage"] if one["stage"] in stages else "",
                "clock": f"{one['stage']}.{one['clock']}",
                "restarting": int(one["restarting"]),
                "measured": 1,
            },
            counted=MET.get(one["status"]),
        )
        for one in world.facts["clock"]
        if not one["of"]["test"]
        and not one["of"]["excluded"]
        and asked.keeps(one)
        and asked.within(one["due_at"])
    ]


@kpi("", members=_due)
def sla(world, asked):
    """Of the clocks due in the period that were met or breached, those that were met."""
    due = grouped(_due(world, asked), asked)
    found = {key: FORMS["share"](members) for key, members in due.items()}
    kept = dict(asked.where).get("stage")
    for clock in measuring.not_measured(asked.funnel):  # shown, or its absence were good news
        if not kept or clock.partition(".")[0] in kept:
            by = ((asked.by, ""),) if asked.by else ()
            row = {"handoff": "", "clock": clock, "restarting": 0, "measured": 0}
            none = {"value": None, "numerator": 0, "denominator": 0, "n": 0}
            found["", tuple(sorted((*by, *row.items())))] = none
    return found


def late(world, asked):
    """Return the clocks that run past their due time, of the stage that their lead stands in."""
    return [
        (state, clock)
        for state in states(world, asked)
        for clock in world.facts["clock"]
        if (clock["lead"], clock["journey"]) == (state["lead"], state["journey"])
        and clock["stage"] == state["stage"]
        and clock["stopped_at"] is None
        and clock["status"] in LATE
    ]


@kpi("count")
def past_due(world, asked):
    """Clocks that run and whose due time has passed."""
    return [
        Member(state, {"stage": clock["stage"], "clock": f"{clock['stage']}.{clock['clock']}"})
        for state, clock in late(world, asked)
    ]


@kpi("count")
def stalled(world, asked):
    """Leads without activity beyond their stage's limit: a clock that activity restarts lapsed."""
    leads = {state["lead"]: state for state, clock in late(world, asked) if clock["restarting"]}
    return [Member(state, {"stage": state["stage"]}) for state in leads.values()]


@kpi("share")
def nurture_coverage(world, asked):
    """Of the leads in nurture or recycled, those we turned to within the stage's limit."""
    found = []
    for state in states(world, asked):
        if state["opted_out"] or state["stage"] not in (asked.shape.nurture, asked.shape.recycled):
            continue
        stage, last = state["stage"], state["last_outbound_at"]
        limit = next(iter(asked.funnel.stages[stage].clocks.values())).within
        hours = world.definitions.first.team_hours(stage)
        in_time = last is not None and calendar.add(last, limit, hours) >= asked.asof
        found.append(Member(state, {"stage": stage}, counted=in_time))
    return found


def _unaccepted(world, asked):
    """Return the leads that nobody accepted, and whether nobody turned to them."""
    found = []
    for state in states(world, asked):
        if state["stage"] in asked.shape.unaccepted and not state["opted_out"]:
            since = max(state["last_outbound_at"] or 0, state["opened_at"])
            alone = 180 <= (asked.asof - since) / DAY <= 365
            found.append(Member(state, {}, counted=alone))
    return found


@kpi("", members=_unaccepted)
def neglect(world, asked):
    """Leads nobody accepted, and to whom nobody turned for 180 to 365 days."""
    found = {}
    for key, members in grouped(_unaccepted(world, asked), asked).items():
        hits, all_of_them = sum(one.counted for one in members), len(members)
        found[key] = {
            "value": hits,
            "numerator": hits,
            "denominator": all_of_them,
            "n": all_of_them,
        }
    return found
