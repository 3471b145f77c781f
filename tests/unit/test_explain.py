"""explain, for fifteen edge cases, as a salesperson reads it: tests/golden/explain/*.txt.

LEADSTREAM_GOLDEN=write writes them anew. Each case is played event by event in the order in which
we learned of them, with the clock running between.
"""

import os
from pathlib import Path

import orjson
import pytest

from schemas.events import RANK, Event, short
from streams.audit.explain import Known, Revision, cause_of, story
from streams.audit.telling import headline, readable
from streams.domain import duties, row
from streams.domain.members import Edge, Origin
from tests.support.stories import DAY, DEFINITION, MQL, T0, E

GOLDEN = Path(__file__).parent.parent / "golden" / "explain"
WORDS = ("link", "merge", "unmerge")
SIDES = {"lead": "lead 1 (https://crm.example/1)", "mate": "lead 2 (https://crm.example/2)"}
EURO = {"deal": {"id": "hubspot:1:deal:9", "amount": "1200", "currency": "EUR"}}

CONTACT = {"_kind": "hubspot:1:contact"}
MATE = {"_from": "mate"}

# name: (played until day, [(happened on day, learned on day or None at once, type, fields)]). With
# `_from` it came from another identity, with `_held` it waited until we knew whose it was; a link,
# merge or unmerge is with the other identity, `_kind` is both identities' kind.
CASES = {
    "accepted-late": (
        30,
        [
            (0, None, E.CREATED, {"kind": "demo_form"}),
            (18, None, E.ACCEPTED, {"source": "hubspot"}),
        ],
    ),
    "late-proof-of-a-call": (
        2,
        [
            (0, None, E.CREATED, {"kind": "demo_form"}),
            (0.001, 1, E.TOUCH, {"kind": "call", "direction": "human", "source": "salesforce"}),
        ],
    ),
    "never-decided": (
        20, [(0, None, E.STAGE_REPORTED, {**MQL, "source": "hubspot", "owner": "ann"})]
    ),
    "rejected-then-won-back": (260, [
        (0, None, E.STAGE_REPORTED, {**MQL, "source": "hubspot"}),
        (1, None, E.REJECTED, {"reason": "not-ready", "source": "hubspot"}),
        (120, None, E.TOUCH, {"kind": "demo_form", "marketing": {"platform": "google"}}),
        (121, None, E.ACCEPTED, {"source": "hubspot"}),
    ]),
    "loss-reopened": (60, [
        (0, None, E.OPPORTUNITY_CREATED, {**EURO, "source": "hubspot"}),
        (10, None, E.OPPORTUNITY_LOST, {**EURO, "source": "hubspot", "reason": "price"}),
        (40, None, E.OPPORTUNITY_WON, {**EURO, "source": "hubspot"}),
    ]),
    "won-before-first-contact": (
        5,
        [
            (0, None, E.OPPORTUNITY_WON, {**EURO, "source": "hubspot"}),
            (2, None, E.CREATED, {"kind": "form"}),
        ],
    ),
    "voided-mistake": (3, [
        (0, None, E.CREATED, {"kind": "form"}),
        (0.1, None, E.STAGE_REPORTED, {**MQL, "source": "hubspot"}),
        (0.2, None, E.VOID, {"voids": "e2", "source": "hubspot"}),
    ]),
    "crm-and-gate-disagree": (
        1,
        [
            (0, None, E.CREATED, {"kind": "form", "origin": "Partner"}),
            (0.1, None, E.STAGE_REPORTED, {**MQL, "source": "hubspot"}),
            (0.2, None, E.STAGE_REPORTED, {"stage": "lead", "source": "hubspot"}),
        ],
    ),
    "two-identities-and-an-opt-out": (
        50,
        [
            (0, None, E.CREATED, {"kind": "form"}), (1, None, "link", {}),
            (2, None, E.CONSENT, {"granted": False, "source": "hubspot"}),
        ],
    ),
    "two-records-in-conflict": (
        3,
        [
            (
                0, None, E.CREATED,
                {"kind": "form", "source": "hubspot", "record_url": "https://crm.example/1"},
            ),
            (1, None, "link", CONTACT),
        ],
    ),
    "a-merge-that-restates": (12, [
        (0, None, E.STAGE_REPORTED, {**MQL, "source": "hubspot"}), (8, None, "merge", CONTACT),
        (0.1, 8, E.TOUCH, {"kind": "call", "direction": "human", "source": "hubspot", **MATE}),
        (2, 8, E.ACCEPTED, {"source": "hubspot", **MATE}),
    ]),
    "merged-by-mistake-and-parted": (6, [
        (0, None, E.CREATED, {"kind": "form"}), (1, None, "merge", CONTACT),
        (0.5, 1, E.STAGE_REPORTED, {**MQL, "source": "hubspot", **MATE}),
        (3, None, "unmerge", CONTACT),
    ]),
    "visits-before-we-knew-who": (2, [
        (0, 1, E.TOUCH, {"kind": "page_view", "direction": "inbound", "_held": True}),
        (0.2, 1, E.TOUCH, {"kind": "page_view", "direction": "inbound", "_held": True}),
        (1, None, E.CREATED, {"kind": "demo_form", "marketing": {"utm_source": "fb"}}),
    ]),
    "dated-into-the-future": (3, [
        (0, None, E.CREATED, {"kind": "form"}),
        (
            1, None, E.STAGE_REPORTED,
            {**MQL, "source": "salesforce", "stage": "Working", "stated_at": T0 + 3650 * DAY},
        ),
    ]),
    "opening-balance-at-the-cut-over": (
        40,
        [
            (
                0, None, E.SNAPSHOT,
                {
                    "stage": "opportunity", "source": "hubspot", "owner": "bob",
                    "record_url": "https://crm.example/1",
                },
            ),
        ],
    ),
}  # fmt: skip


def play(until, course):
    """Play a case; return the lead's state, what is known of it, and every stated revision."""
    current, known, revisions, names = row.Row("lead"), [], [], {}

    def keep(step, at, cause):
        revisions.extend(
            Revision(*change[:4], change.revision, change.content, at, cause)
            for change in step.changes
        )
        return step.row

    def tick(until_ms):
        nonlocal current
        while (
            due := row.tick(current, current.watermark, DEFINITION).next_due
        ) is not None and due < until_ms:
            current = keep(row.tick(current, due + 1, DEFINITION), due + 1, None)

    for number, (day, learned, kind, fields) in sorted(
        enumerate(course, 1), key=lambda one: one[1][1] if one[1][1] is not None else one[1][0]
    ):
        at, seen = int(T0 + day * DAY), int(T0 + (day if learned is None else learned) * DAY) + 400
        tick(seen)
        name, content = f"e{number}", {key: value for key, value in fields.items() if key[0] != "_"}
        if kind in WORDS:
            ends = (
                Origin(place, "", end, fields.get("_kind", ""))
                for place, end in enumerate(("lead", "mate"))
            )
            edge_name = f"{name}|lead:mate" if kind != "link" else "link:lead:mate"
            edge = Edge(at, 0, edge_name, kind, *ends)
            current = keep(
                row.connect(current, edge, DEFINITION),
                seen,
                cause_of("edge", "", 0, orjson.dumps(edge.plain())),
            )
            continue
        body = orjson.dumps({"source": "segment", **content}, option=orjson.OPT_SORT_KEYS).decode()
        event, copied = (
            Event(at, RANK[kind], 0, short(name), fields.get("_from", "lead"), kind.value, body),
            "_from" in fields,
        )
        known.append(Known(event, name, seen, fields.get("_held", False)))
        names[event.id] = name
        current = keep(
            row.advance(current, event, DEFINITION, copied=copied),
            seen,
            cause_of("event", name, copied, ""),
        )
    end = int(T0 + until * DAY)
    tick(end)
    state = row.state_of(row.tick(current, end, DEFINITION).row, DEFINITION).state
    return (
        state,
        sorted(one for one in known if one.event.origin in state["origins"]),
        revisions,
        end,
    )


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_leads_story_is_the_golden_files(name):
    state, known, revisions, end = play(*CASES[name])
    lines = readable(story("lead", state, known, revisions, DEFINITION, end, SIDES), "Europe/Paris")
    text, path = "\n".join(lines) + "\n", GOLDEN / f"{name}.txt"
    if os.environ.get("LEADSTREAM_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


def test_every_golden_file_belongs_to_a_case():
    assert {path.stem for path in GOLDEN.iterdir()} == set(CASES)


@pytest.mark.parametrize("opted_out", [False, True])
def test_no_nurture_clock_is_ahead_of_a_lead_parted_from_one_who_had_opted_out(
    opted_out,
):
    _, known, revisions, end = play(6, [(0, None, E.CREATED, {"kind": "form"})])
    view = story("lead", {"opted_out": opted_out}, known, revisions, DEFINITION, end, {})["outlook"]
    assert any(one["clock"].startswith("nurturing.") for one in view["running"]) is not opted_out


def test_a_story_begins_with_whose_move_it_is_and_how_late_it_is():
    state, known, revisions, end = play(*CASES["opening-balance-at-the-cut-over"])
    found = story("lead", state, known, revisions, DEFINITION, end, SIDES)
    assert found["headline"] == "10 days late: bob must call"
    early = end - 20 * DAY
    assert headline(found, early, {"opportunity": "Deal"}) == (
        "nothing is late in Deal: bob must call within 10 days"
    )
    alone = {**found, "now": {**found["now"], "owner": ""}}
    assert headline(alone, end, {}) == "10 days late: sales (nobody owns it) must call"
    quiet = {**found, "outlook": {}}
    assert headline(quiet, end, {}) == "nothing is late: in opportunity nothing is due"
    timed = {**found, "outlook": {"timer_at": end + 3 * DAY, "timer_to": "lost"}}
    assert headline(timed, end, {"lost": "Lost"}) == (
        "nothing is late: it moves from opportunity to Lost by itself within 3 days"
    )
    assert "erased" in headline({**found, "now": {}}, end, {})


WAITS = [
    ((), "look"),
    (("human", "accepted", "rejected"), "call"),
    (("accepted", "rejected"), "decide"),
    (("accepted",), "accept"),
    (("onboarded",), "onboard"),
    (("human", "automated"), "write"),
    (("leave",), "go_on"),
    (("inbound", "moved"), "go_on"),
    (("inbound",), "look"),
]


@pytest.mark.parametrize(("waits", "what"), WAITS)
def test_a_duty_is_what_stops_the_clock(waits, what):
    assert duties.must(waits) == what
    assert duties.WORDS[what]


def test_a_clock_or_stage_that_the_funnel_no_longer_has_is_looked_at():
    funnel = DEFINITION.first.funnel
    assert duties.duty(funnel, "mql", "gone") == ("joint", "look")
    assert duties.duty(funnel, "gone", "first_touch").sentence("") == "nobody must look at it"


SPANS = [
    (0, "0 minutes"), (60, "1 minute"), (7_199, "119 minutes"), (7_200, "2 hours"),
    (172_799, "47 hours"), (172_800, "2 days"), (-86_400 * 28, "28 days"),
]  # fmt: skip


@pytest.mark.parametrize(("seconds", "shown"), SPANS)
def test_a_span_is_in_the_largest_unit_that_comes_to_two(seconds, shown):
    assert duties.span(seconds) == shown
