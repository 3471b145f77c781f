"""Histories as hypothesis draws them.

Coarse times with many ties, every type, conflicting contents, voids, merges.
"""

import orjson
from hypothesis import strategies as st

from schemas.events import RANK, Event, EventType, short
from streams.domain.members import Edge, Origin

HOUR = 3_600_000
DAY = 24 * HOUR
T0 = 1_760_000_000_000  # October 2025: the end of summer time lies within the range

times = st.one_of(
    st.integers(0, 60).map(lambda n: T0 + n * 12 * HOUR),
    st.integers(0, 320 * 24).map(lambda n: T0 + n * HOUR),
    st.sampled_from(
        [0, 14 * DAY, 14 * DAY + 1, 14 * DAY - 1, 28 * DAY, 44 * DAY, 104 * DAY, 194 * DAY]
    ).map(lambda n: T0 + n),
)

ORIGINS = ("a", "b", "c", "d", "e", "f", "g", "h")
KINDS = {
    "a": "hubspot:1:contact",
    "b": "hubspot:1:contact",
    "d": "salesforce:1:lead",
    "e": "hubspot:1:contact",
    "h": "hubspot:1:deal",
}
HOUSES = {"f": "c", "g": "a"}
INFO = {
    name: Origin(100 + "cadhbegf".index(name), HOUSES.get(name, ""), name, KINDS.get(name, ""))
    for name in ORIGINS
}


SHIPPED = (
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "customer",
    "recycled",
    "evangelist",
    "odd",
)


def _body(draw, kind, stages, handoffs):
    body = {"source": draw(st.sampled_from(["hubspot", "salesforce", "segment", "cloudevents"]))}
    match kind:
        case EventType.TOUCH:
            body["kind"] = draw(
                st.sampled_from(
                    ["page_view", "form", "demo_form", "email_click", "call", "onboarded"]
                )
            )
            body["direction"] = draw(st.sampled_from(["inbound", "human", "automated"]))
        case EventType.STAGE_REPORTED | EventType.SNAPSHOT:
            body["source"] = "hubspot"
            body["stage"] = draw(st.sampled_from(stages))
        case EventType.ACCEPTED:
            body |= draw(answers(handoffs))
        case EventType.REJECTED:
            body["reason"] = draw(st.sampled_from(["not-ready", "not-ready", "no-fit", "spam", ""]))
            body |= draw(answers(handoffs))
        case EventType.ASSIGNED:
            body["owner"] = draw(st.sampled_from(["ann", "bob"]))
        case EventType.CONSENT:
            body["granted"] = draw(st.booleans())
        case EventType.CREATED:
            body["attributes"] = {
                draw(st.sampled_from(["size", "persona"])): draw(
                    st.sampled_from(["small", "student"])
                )
            }
            body["marketing"] = {"utm_source": draw(st.sampled_from(["fb", "google", "x"]))}
        case _ if kind.startswith("opportunity."):
            body["deal"] = {
                "id": draw(st.sampled_from(["d1", "d2"])),
                "amount": draw(st.sampled_from(["10", "20.50"])),
            }
            if draw(st.integers(0, 5)) == 0:
                body["deal"]["role"] = "influencer"
            if kind == EventType.OPPORTUNITY_STAGE_CHANGED:
                body["deal"]["stage"] = draw(
                    st.sampled_from(["qualified", "closedwon", "closedlost"])
                )
    return body


def answers(handoffs):
    """Draw which hand-off an answer names, and from which team it is, if a funnel has several."""
    if not handoffs:
        return st.just({})
    named = st.sampled_from(handoffs).map(lambda stage: {"handoff": stage})
    of_a_team = st.sampled_from(["marketing", "sales", "success"]).map(
        lambda team: {"attributes": {"team": team}}
    )
    return st.one_of(st.just({}), named, of_a_team)


TYPES = [
    *[EventType.TOUCH] * 4,
    *[EventType.STAGE_REPORTED] * 4,
    *[EventType.ACCEPTED] * 2,
    *[EventType.REJECTED] * 2,
    EventType.CREATED,
    EventType.SNAPSHOT,
    EventType.ASSIGNED,
    *[EventType.CONSENT] * 2,
    EventType.ERASE,
    EventType.DELETED,
    EventType.OPPORTUNITY_CREATED,
    EventType.OPPORTUNITY_STAGE_CHANGED,
    EventType.OPPORTUNITY_WON,
    EventType.OPPORTUNITY_LOST,
    EventType.OPPORTUNITY_LOST,
    *[EventType.VOID] * 2,
]


def event(at, kind, name, body, sequence=0, origin="a"):
    text = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
    return Event(at, RANK[kind], sequence, short(name), origin, kind.value, text)


@st.composite
def event_sets(draw, most=14, origins=("a",), stages=SHIPPED, handoffs=()):
    """Draw events; `stages` are the words of CRMs, `handoffs` what an answer may name."""
    events, names = [], []
    for number in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(TYPES))
        body = _body(draw, kind, stages, handoffs)
        if kind == EventType.VOID:
            body["voids"] = draw(st.sampled_from(names)) if names else "none"
        name = f"{draw(st.integers(0, 2))}{number:02d}"
        names.append(name)
        events.append(
            event(
                draw(times),
                kind,
                name,
                body,
                draw(st.integers(0, 1)),
                draw(st.sampled_from(origins)),
            )
        )
    if draw(st.booleans()):  # another content under a known id
        chosen = draw(st.sampled_from(events))
        events.append(chosen._replace(at=draw(times)))
    if draw(st.integers(0, 9)) == 0:  # a bot
        chosen = draw(st.sampled_from(events))
        events += [chosen._replace(id=short(f"bot{n:03d}")) for n in range(70)]
    if draw(st.booleans()):  # a visitor of a day, and of the next
        for number in range(draw(st.integers(2, 12))):
            body = {
                "source": "segment",
                "kind": draw(st.sampled_from(["page_view", "email_click", "call"])),
            }
            body["direction"] = draw(st.sampled_from(["inbound", "human", "automated"]))
            at = draw(st.sampled_from([e.at for e in events])) + draw(st.integers(0, 30)) * HOUR
            events.append(
                event(
                    at, EventType.TOUCH, f"visit{number}", body, 0, draw(st.sampled_from(origins))
                )
            )
    return events


PAIRS = [
    ("a", "b"),
    ("b", "c"),
    ("a", "c"),
    ("c", "d"),
    ("b", "d"),
    ("c", "e"),
    ("d", "e"),
    ("f", "c"),
    ("g", "a"),
    ("f", "g"),
    ("b", "f"),
    ("a", "h"),
    ("b", "h"),
    ("d", "h"),
]


@st.composite
def edge_sets(draw, most=7):
    edges = []
    for number in range(draw(st.integers(0, most))):
        a, b = draw(st.sampled_from(PAIRS))
        word = draw(st.sampled_from(["link", "link", "merge", "unmerge"]))
        name = (
            f"on{number}|{a}:{b}" if word == "link" and b == "h" else f"edge{number}"
        )  # a contact is put on a deal
        edges.append(Edge(draw(times), 0, name, word, INFO[a], INFO[b]))
    for name, house in HOUSES.items():
        edges.append(Edge(draw(times), 0, f"house{name}", "link", INFO[name], INFO[house]))
    return edges
