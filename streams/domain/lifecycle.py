"""The lifecycle, on one screen: what was said, where the lead stands, what follows.

Read a row as a sentence: "when sales *accepts* while the lead stands in *recycled*, and the recycling was a timer's
and recent, *take back*". The first row that fits holds; `mermaid` draws the same table for the documentation.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.events import Event, EventType, parse
from schemas.funnel import DETOURS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.funnel import Funnel

NOWHERE = ""
DETOUR = frozenset({"recycled", "inactive"})
ENDED = frozenset({"disqualified", "churned"})
NOT_STATED = "not-stated"


class Then(StrEnum):
    """What follows."""

    ENTER = "enter"  # the stage; those of the ladder passed by are implied, and marked so
    NEW_JOURNEY = "new journey"  # enter it as journey number + 1
    TAKE_BACK = "take back"  # void the automatic recycling: same journey, accepted late
    REOPEN = "reopen"  # void the loss, then enter what lies beyond
    REPLACE = "replace"  # the implied entry yields to the reported one (6-history, rule 16)
    TOUCH = "touch"  # nothing moves; activity is noted
    ECHO = "echo"  # a slow synchronisation: stored, never a move
    IGNORE = "ignore"  # nothing to apply it to; stored with why


class Said(StrEnum):
    """What an event says to the lifecycle."""

    REACH = "reach"  # a stage of the ladder
    ASIDE = "aside"  # a stage beside it: nurturing, evangelist, churned, recycled, ...
    REJECT = "reject"
    LOSE = "lose"
    TOUCH = "touch"


class Saying(NamedTuple):
    """An event in the lifecycle's terms. `words` are what stops or restarts a clock."""

    said: Said
    to: str = NOWHERE
    reason: str = ""
    words: tuple[str, ...] = ()
    by_hand: bool = True
    unmapped: bool = False
    acceptance: bool = False  # lead.accepted itself: sales, or customer success, takes what it was handed
    system: str = ""


class Place(NamedTuple):
    """Where a lead stands when something is said. `reached` is the index of the furthest stage of the journey, -1 none."""

    stage: str
    reached: int
    implied: frozenset[str]  # stages of this journey that were only implied
    taken_back_until: int  # an automatic recycling, or a loss, can be taken back until then; 0 when it cannot
    other_deals_open: bool
    system: str = ""  # whose word moved the lead here


class Row(NamedTuple):
    """One row of the table. An empty `while_in` is anywhere."""

    said: Said
    while_in: frozenset[str] | None
    when: str
    then: Then


LADDER = frozenset({"inquiry", "nurturing", "mql", "sal", "sql", "opportunity", "customer", "evangelist"})
HANDED = frozenset({"mql", "sal"})
WORKED = frozenset({"sal", "sql", "opportunity"})
EARLY = frozenset({"inquiry", "nurturing", "mql"})
CUSTOMERS = frozenset({"customer", "evangelist"})

TABLE: tuple[Row, ...] = (
    # what was said    while the lead stands in          and                     then
    Row(Said.REACH,    frozenset({NOWHERE}),             "",                     Then.ENTER),
    Row(Said.REACH,    frozenset({"recycled"}),          "taken back in time",   Then.TAKE_BACK),
    Row(Said.REACH,    CUSTOMERS,                        "an acceptance",        Then.TOUCH),
    Row(Said.REACH,    frozenset({"opportunity"}),       "a qualification",      Then.TOUCH),
    Row(Said.REACH,    LADDER,                           "beyond",               Then.ENTER),
    Row(Said.REACH,    LADDER,                           "only implied so far",  Then.REPLACE),
    Row(Said.REACH,    LADDER,                           "same stage",           Then.TOUCH),
    Row(Said.REACH,    LADDER,                           "",                     Then.ECHO),
    Row(Said.REACH,    DETOUR,                           "qualified",            Then.NEW_JOURNEY),
    Row(Said.REACH,    frozenset({"lost"}),              "reopened in time",     Then.REOPEN),
    Row(Said.REACH,    frozenset({"lost"}),              "reopened",             Then.NEW_JOURNEY),
    Row(Said.REACH,    ENDED,                            "reopened by hand",     Then.NEW_JOURNEY),
    Row(Said.REACH,    None,                             "only implied so far",  Then.REPLACE),
    Row(Said.REACH,    DETOUR,                           "",                     Then.TOUCH),
    Row(Said.REACH,    None,                             "",                     Then.IGNORE),
    Row(Said.ASIDE,    frozenset({NOWHERE}),             "",                     Then.ENTER),
    Row(Said.ASIDE,    None,                             "same stage",           Then.TOUCH),
    Row(Said.ASIDE,    frozenset({"inquiry"}),           "to nurturing",         Then.ENTER),
    Row(Said.ASIDE,    LADDER,                           "to evangelist",        Then.ENTER),
    Row(Said.ASIDE,    CUSTOMERS,                        "to churned",           Then.ENTER),
    Row(Said.ASIDE,    LADDER - CUSTOMERS,               "to a detour",          Then.ENTER),
    Row(Said.ASIDE,    DETOUR | {"lost"},                "to disqualified",      Then.ENTER),
    Row(Said.ASIDE,    None,                             "",                     Then.IGNORE),
    Row(Said.REJECT,   HANDED | EARLY | {"sql"},         "",                     Then.ENTER),
    Row(Said.REJECT,   DETOUR | {"lost"},                "to disqualified",      Then.ENTER),
    Row(Said.REJECT,   None,                             "",                     Then.IGNORE),
    Row(Said.LOSE,     WORKED,                           "another deal open",    Then.TOUCH),
    Row(Said.LOSE,     WORKED | EARLY,                   "",                     Then.ENTER),
    Row(Said.LOSE,     None,                             "",                     Then.IGNORE),
    Row(Said.TOUCH,    frozenset({NOWHERE}),             "",                     Then.ENTER),
    Row(Said.TOUCH,    None,                             "",                     Then.TOUCH),
)  # fmt: skip


def _holds(when: str, saying: Saying, standing: Place, at: int, ladder: tuple[str, ...]) -> bool:
    to = ladder.index(saying.to) if saying.to in ladder else -1
    match when:
        case "":
            return True
        case "beyond":
            return to > standing.reached
        case "same stage":
            return saying.to == standing.stage
        case "only implied so far":
            return saying.to in standing.implied
        case "taken back in time":
            return "accepted" in saying.words and at <= standing.taken_back_until
        case "qualified":
            return to >= ladder.index("mql")
        case "a qualification":
            return saying.to == "mql"
        case "an acceptance":
            return saying.acceptance
        case "reopened by hand":  # a lower stage, said by another system, is a slow synchronisation
            return saying.by_hand and (to >= ladder.index("mql") or saying.system == standing.system)
        case "reopened":
            return to > ladder.index("sal") or to >= standing.reached
        case "reopened in time":
            return at <= standing.taken_back_until and _holds("reopened", saying, standing, at, ladder)
        case "another deal open":
            return standing.other_deals_open
        case "to a detour":
            return saying.to in ("recycled", "lost", "disqualified")
        case _:
            return when == f"to {saying.to}"


def follows(saying: Saying, standing: Place, at: int, ladder: tuple[str, ...]) -> Then:
    """Find what follows, by the first row of the table that fits. `at` is the event's time in ms."""
    for row in TABLE:
        if row.said is saying.said and (row.while_in is None or standing.stage in row.while_in):  # noqa: SIM102
            if _holds(row.when, saying, standing, at, ladder):
                return row.then
    raise AssertionError(f"the table has no row for {saying} in {standing}")


def say(event: Event, funnel: Funnel, judge: Funnel) -> Saying:
    """Put an event into the lifecycle's terms.

    `funnel` is the version in force when it happened, whose map of the vendors' stages it is read by; `judge` the one that the
    present episode keeps, which says where a rejection leads.
    """
    body: Mapping[str, Any] = parse(event.body)
    return _say(event.type, body, funnel, judge)._replace(system=body["source"])


def _say(kind: str, body: Mapping[str, Any], funnel: Funnel, judge: Funnel) -> Saying:
    match kind:
        case EventType.CREATED:
            return Saying(Said.REACH, "inquiry", words=(body.get("direction", "inbound"),), by_hand=False)
        case EventType.ACCEPTED:
            return Saying(Said.REACH, "sal", words=("accepted", "moved"), acceptance=True)
        case EventType.REJECTED:
            return _rejection(body, judge)
        case EventType.OPPORTUNITY_CREATED:
            return Saying(Said.REACH, "opportunity", words=("accepted", "moved"))
        case EventType.OPPORTUNITY_WON:
            return Saying(Said.REACH, "customer", words=("accepted", "moved"))
        case EventType.OPPORTUNITY_LOST:
            return _loss(body)
        case EventType.OPPORTUNITY_STAGE_CHANGED:
            return _deal_stage(body, funnel)
        case EventType.STAGE_REPORTED | EventType.SNAPSHOT:
            return _reported(body, funnel, judge)
        case EventType.DELETED:
            return Saying(Said.ASIDE, "disqualified", "deleted")
        case EventType.TOUCH:
            words = (body.get("direction", "inbound"), *(("onboarded",) if body.get("kind") == "onboarded" else ()))
            return Saying(Said.TOUCH, words=words, by_hand=False)
        case _:
            return Saying(Said.TOUCH, by_hand=False)


def _rejection(body: Mapping[str, Any], funnel: Funnel) -> Saying:
    reason = body.get("reason") or NOT_STATED
    to = funnel.rejections.get(reason, "disqualified")
    return Saying(Said.REJECT, to, reason, ("rejected", "moved"), unmapped=reason not in funnel.rejections)


def _loss(body: Mapping[str, Any]) -> Saying:
    return Saying(Said.LOSE, "lost", body.get("reason") or NOT_STATED, ("moved",))


def _deal_stage(body: Mapping[str, Any], funnel: Funnel) -> Saying:
    stage = (body.get("deal") or {}).get("stage", "")
    if not stage:  # an amount was corrected: that neither opens a deal nor reopens a lost one
        return Saying(Said.TOUCH, words=("moved",), by_hand=False)
    ends = funnel.deals.get(body["source"])
    if ends and stage in ends.won:
        return Saying(Said.REACH, "customer", words=("accepted", "moved"))
    if ends and stage in ends.lost:
        return _loss(body)
    return Saying(Said.REACH, "opportunity", words=("accepted", "moved"))


def _reported(body: Mapping[str, Any], funnel: Funnel, judge: Funnel) -> Saying:
    word = body.get("stage", "")
    stage = funnel.vendors.get(body["source"], {}).get(word, word if word in funnel.stages else None)
    if stage is None:
        return Saying(Said.TOUCH, words=("inbound",), by_hand=False, unmapped=True)
    if stage == "rejected":
        return _rejection(body, judge)
    if stage not in funnel.ladder:  # backward only with a reason
        return Saying(Said.ASIDE, stage, body.get("reason") or (NOT_STATED if stage in DETOURS else ""), ("moved",))
    accepted = ("accepted",) if funnel.ladder.index(stage) > funnel.ladder.index("mql") else ()
    return Saying(Said.REACH, stage, body.get("reason", ""), (*accepted, "moved"))


def mermaid(funnel: Funnel) -> str:
    """Draw the lifecycle as a Mermaid state diagram, by asking the table about every stage and all that can be said there.

    One step of the ladder is drawn, since a longer one only implies those between; what a stage's timer does is drawn too.
    """
    lines = dict.fromkeys(["stateDiagram-v2", "    [*] --> inquiry"])
    for stage in funnel.stages:
        lines |= dict.fromkeys(f"    {stage} --> {to}{f': {label}' if label else ''}" for to, label in _arrows(stage, funnel))
        timer = funnel.stages[stage].timer
        if timer:
            lines[f"    {stage} --> {timer.to}: after {timer.after}"] = None
    return "\n".join(lines) + "\n"


_ARROWS = {Then.ENTER: "", Then.NEW_JOURNEY: "new journey", Then.TAKE_BACK: "accepted late", Then.REOPEN: "reopened"}


def _arrows(stage: str, funnel: Funnel) -> list[tuple[str, str]]:
    ladder = funnel.ladder
    beside = {"nurturing": 0, "evangelist": len(ladder) - 1, "lost": ladder.index("opportunity")}
    place = ladder.index(stage) if stage in ladder else beside.get(stage, -1)
    standing = Place(stage, place, frozenset(), 1, other_deals_open=False)
    sayings = [Saying(Said.REACH, to, acceptance=to == "sal", words=("accepted",) * (to == "sal")) for to in ladder]
    sayings += [Saying(Said.ASIDE, to) for to in funnel.stages if to not in ladder and (to != "evangelist" or stage == "customer")]
    sayings += [Saying(Said.REJECT, to, reason) for reason, to in funnel.rejections.items()]
    sayings.append(Saying(Said.LOSE, "lost"))
    found: dict[tuple[str, str], list[str]] = {}
    for saying in sayings:
        then = follows(saying, standing, 0, ladder)
        if then not in _ARROWS or (saying.said is Said.REACH and then is Then.ENTER and ladder.index(saying.to) > place + 1):
            continue
        if then is Then.NEW_JOURNEY and saying.to != "mql":
            continue  # it begins anywhere from there on, as every journey does
        found.setdefault((saying.to, _ARROWS[then]), []).append(saying.reason)
    return [(to, label or ", ".join(filter(None, reasons))) for (to, label), reasons in found.items()]
