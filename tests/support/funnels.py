"""Funnels as hypothesis draws them.

Ladders of 2 to 9 stages, any roles, hand-offs, gates, timers.
"""

from unicodedata import normalize

from hypothesis import strategies as st

from schemas.funnel import Funnel
from schemas.shape import ASIDE, REJECTED_TO

letters = st.characters(categories=["L", "N"])
words = st.text(letters, min_size=1, max_size=5).map(lambda text: normalize("NFC", text))
spans = st.sampled_from(["1 day", "3 days", "2 business days", "14 days", "60 days"])
TEAMS = ("marketing", "sales", "success")
OFFICE = {"zone": "Europe/Paris", "days": ["monday", "tuesday", "friday"], "hours": ["09:00-18:00"]}
RULES = (
    {"name": "score", "field": "score", "op": ">=", "value": 20},
    {"name": "score", "field": "score", "op": ">=", "value": 60},
    {"name": "size", "field": "attributes.size", "op": "known"},
    {"name": "owned", "field": "owner", "op": "known"},
)
SCORING = {
    "points": {
        "page_view": {"points": 5, "daily": 15},
        "form": {"points": 30},
        "demo_form": {"points": 50},
    },
    "hot": ["demo_form"],
    "suppressed": ["student", "spam"],
}


@st.composite
def clocks(draw):
    stopped = {
        "within": draw(spans),
        "stopped_by": draw(st.sampled_from([["human"], ["accepted", "rejected"], ["leave"]])),
    }
    restarted = {
        "within": draw(spans),
        "restarted_by": draw(st.sampled_from([["human", "inbound"], ["moved"]])),
    }
    return draw(
        st.sampled_from(
            [{}, {"first": stopped}, {"quiet": restarted}, {"first": stopped, "quiet": restarted}]
        )
    )


def _handoff(draw, ladder, place, optional):
    """Return a hand-off of a stage, or None where the next stage is none that accepts."""
    following = next((name for name in ladder[place + 1 :] if name not in optional), None)
    by = draw(st.sampled_from([following, "here"])) if following else "here"
    return {"to": draw(st.sampled_from(TEAMS)), "accepted_by": by}


def _leads_to(ladder, aside, place, role):
    """Return where time may lead from a stage: up the ladder or beside it, never in a circle."""
    roles = [one for one in ASIDE if one in aside]
    if place is not None:
        last = place == len(ladder) - 1
        beside = [one for one in roles if last or one not in ("churned", "advocate")]
        return [*ladder[place + 1 :], *(aside[one] for one in beside)]
    later = [one for one in roles[roles.index(role) + 1 :] if one not in ("churned", "advocate")]
    return [aside[one] for one in later]


@st.composite
def funnels(draw):
    """Draw a valid definition. Names are of any script; a title is sometimes given."""
    size = draw(st.integers(2, 9))
    count = size + len(ASIDE)
    drawn = draw(st.lists(words, min_size=count, max_size=count, unique=True))
    names = [f"x{name}" for name in drawn]
    ladder, middle = names[:size], range(1, size - 1)
    aside = {
        role: names[size + place] for place, role in enumerate(ASIDE) if draw(st.integers(0, 3))
    }
    deal = draw(st.sampled_from([*middle, *middle, None])) if size > 2 else None
    handing = sorted(draw(st.sets(st.integers(1, size - 1), max_size=3)))
    gated = draw(st.sets(st.sampled_from(middle), max_size=3)) if size > 2 else set()
    free = [
        place for place in middle if place != deal and place not in handing and place not in gated
    ]
    optional = set(draw(st.lists(st.sampled_from(free), max_size=2))) if free else set()
    accepted = {
        next((p for p in range(place + 1, size) if p not in optional), None) for place in handing
    }
    optional -= accepted
    passable = {ladder[place] for place in optional}
    stages = {"ladder": {}, "aside": {}}
    for place, name in enumerate(ladder):
        stage = {"owner": draw(st.sampled_from(TEAMS)), "clocks": draw(clocks())}
        stage |= {"role": "won"} if place == size - 1 else {"role": "deal"} if place == deal else {}
        stage |= {"optional": True} if place in optional else {}
        if place in handing:
            stage["handoff"] = _handoff(draw, ladder, place, passable)
        if place in gated:
            stage |= {
                "gate": f"g{place}",
                "decided_by": draw(st.sampled_from(["source", "gate", "either", "either"])),
            }
        stages["ladder"][name] = _timed(draw, stage, _leads_to(ladder, aside, place, None))
    for role, name in aside.items():
        stage = {"owner": draw(st.sampled_from(TEAMS)), "role": role, "clocks": draw(clocks())}
        stages["aside"][name] = _timed(draw, stage, _leads_to(ladder, aside, None, role))
    reasons = {
        "not-ready": "recycled",
        "no-fit": draw(st.sampled_from(REJECTED_TO)),
        "spam": "disqualified",
    }
    return Funnel.model_validate(
        {
            "funnel": "drawn",
            "version": "1",
            "effective_from": "1970-01-01",
            "reporting": {"zone": "Europe/Paris"},
            "calendars": {"office": OFFICE},
            "teams": {name: {"calendar": "office"} for name in TEAMS},
            **stages,
            "rejections": reasons,
            "excluded": ["spam"],
            "scoring": SCORING,
            "gates": {f"g{place}": {"all": [draw(st.sampled_from(RULES))]} for place in gated},
            "deals": {"hubspot": {"won": ["closedwon"], "lost": ["closedlost"]}},
            "vendors": {"salesforce": {"no": {"says": "rejected"}}},
            "enabled_sources": ["hubspot", "salesforce", "segment", "cloudevents"],
        }
    )


def _timed(draw, stage, targets):
    if not targets or draw(st.booleans()):
        return stage
    timer = {"after": draw(spans), "to": draw(st.sampled_from(targets))}
    if draw(st.booleans()):
        timer["taken_back_within"] = "30 days"
    if draw(st.integers(0, 3)) == 0:
        timer["hot_after"] = "1 day"
    return {**stage, "timer": timer}


def stages_of(funnel):
    """Return the words that a CRM may say of a funnel's stages."""
    return (*funnel.stages, "odd")


def handoffs_of(funnel):
    return (*(name for name, stage in funnel.ladder.items() if stage.handoff), "nobody")
