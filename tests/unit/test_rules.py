"""The rules of docs/design/moves.md beside the moves (test_lifecycle.py), one row a rule.

They say how clocks run, who decides, and what a lead is.
"""

from datetime import date

import orjson
import pytest

from schemas.gates import Rule
from schemas.stages import Timer
from streams.domain.definition import prepare
from tests.support.stories import (
    DAY,
    DEAL,
    DEFINITION,
    MQL,
    T0,
    E,
    facts,
    fold,
    history,
    path,
    stage,
)
from tests.support.variants import FIRST, gate, stages, variant

HUMAN, INBOUND, AUTOMATED = ({"direction": name} for name in ("human", "inbound", "automated"))
HOUR = 1 / 24

# (rule, what is said by day, told until day, clock, what the last of its name says). T0 is a
# Monday, 09:00 in Paris; in 2026 summer time begins on 29 March, so 90 days of wall time from
# January are an hour short.
CLOCKS = [
    ("a first touch is due in one business day",
        [(0, E.STAGE_REPORTED, MQL)], 0.1,
        "mql.first_touch", {"due_at": T0 + 9 * DAY // 24, "status": "open"}),
    ("warned after 75 percent",
        [(0, E.STAGE_REPORTED, MQL)], 7 * HOUR,
        "mql.first_touch", {"status": "warned"}),
    ("not warned at 74 percent",
        [(0, E.STAGE_REPORTED, MQL)], 6.66 * HOUR,
        "mql.first_touch", {"status": "open"}),
    ("breached after 100 percent",
        [(0, E.STAGE_REPORTED, MQL)], 10 * HOUR,
        "mql.first_touch", {"status": "breached"}),
    ("in time at the due instant",
        [(0, E.STAGE_REPORTED, MQL), (9 * HOUR, E.TOUCH, HUMAN)], 1,
        "mql.first_touch", {"status": "met"}),
    ("escalated after 150 percent",
        [(0, E.STAGE_REPORTED, MQL)], 1.2,
        "mql.first_touch", {"status": "escalated"}),
    ("not escalated before 150 percent",
        [(0, E.STAGE_REPORTED, MQL)], 1.1,
        "mql.first_touch", {"status": "breached"}),
    ("a human touch meets the first-touch clock",
        [(0, E.STAGE_REPORTED, MQL), (0.1, E.TOUCH, HUMAN)], 1,
        "mql.first_touch", {"status": "met"}),
    ("an inbound touch does not",
        [(0, E.STAGE_REPORTED, MQL), (0.1, E.TOUCH, INBOUND)], 1.1,
        "mql.first_touch", {"status": "breached"}),
    ("nor does an automated one",
        [(0, E.STAGE_REPORTED, MQL), (0.1, E.TOUCH, AUTOMATED)], 1.1,
        "mql.first_touch", {"status": "breached"}),
    ("an acceptance meets it too",
        [(0, E.STAGE_REPORTED, MQL), (0.1, E.ACCEPTED, {})], 1,
        "mql.first_touch", {"status": "met"}),
    ("a decision is due in three business days",
        [(0, E.STAGE_REPORTED, MQL)], 0.1,
        "mql.decision", {"due_at": T0 + 2 * DAY + 9 * DAY // 24}),
    ("a human touch is no decision",
        [(0, E.STAGE_REPORTED, MQL), (0.1, E.TOUCH, HUMAN)], 3,
        "mql.decision", {"status": "breached"}),
    ("a rejection is",
        [(0, E.STAGE_REPORTED, MQL), (0.1, E.REJECTED, {"reason": "no-fit"})], 3,
        "mql.decision", {"status": "met"}),
    ("a late decision stays breached and says when",
        [(0, E.STAGE_REPORTED, MQL), (3, E.ACCEPTED, {})], 4,
        "mql.decision", {"status": "breached", "stopped_at": T0 + 3 * DAY}),
    ("work on an accepted lead is due in ten business days",
        [(0, E.ACCEPTED, {})], 0.1,
        "sal.working", {"due_at": T0 + 11 * DAY + 9 * DAY // 24}),
    ("leaving sal meets it",
        [(0, E.ACCEPTED, {}), (1, E.OPPORTUNITY_CREATED, DEAL)], 2,
        "sal.working", {"status": "met"}),
    ("qualifying is due in seven days of wall time",
        [(0, E.STAGE_REPORTED, stage("salesqualifiedlead"))], 1,
        "sql.qualifying", {"due_at": T0 + 7 * DAY}),
    ("an opportunity stalls after 30 days without activity",
        [(0, E.OPPORTUNITY_CREATED, DEAL)], 31,
        "opportunity.stalled", {"status": "breached", "restarting": True}),
    ("activity restarts it",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (29, E.TOUCH, INBOUND)], 60,
        "opportunity.stalled", {"due_at": T0 + 59 * DAY}),
    ("a customer is to be accepted in two business days",
        [(0, E.OPPORTUNITY_WON, DEAL)], 0.1,
        "customer.acceptance", {"due_at": T0 + DAY + 9 * DAY // 24}),
    ("and onboarded in 30 days",
        [(0, E.OPPORTUNITY_WON, DEAL),
         (5, E.TOUCH, {"kind": "onboarded", "direction": "human"})], 6,
        "customer.onboarding", {"status": "met"}),
    ("nurturing wants a touch of ours every 30 days",
        [(0, E.CREATED, {}), (10, E.TOUCH, INBOUND)], 40,
        "nurturing.nurture_touch", {"status": "breached"}),
    ("a recycled lead is reviewed after 90 days",
        [(0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, {"reason": "not-ready"})], 95,
        "recycled.review", {"due_at": T0 + 91 * DAY - DAY // 24, "status": "breached"}),
    ("an acceptance by customer success meets its clock",
        [(0, E.OPPORTUNITY_WON, DEAL), (0.2, E.ACCEPTED, {})], 3,
        "customer.acceptance", {"status": "met"}),
    ("a deal that is reopened was idle while it was lost",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (20, E.OPPORTUNITY_LOST, DEAL),
         (80, E.OPPORTUNITY_STAGE_CHANGED, {"deal": {"id": "d1", "stage": "late"}})], 81,
        "opportunity.stalled", {"status": "escalated", "stopped_at": T0 + 80 * DAY}),
    ("a touch of a lost deal counts once the loss is voided",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (20, E.OPPORTUNITY_LOST, DEAL), (25, E.TOUCH, HUMAN),
         (40, E.OPPORTUNITY_STAGE_CHANGED, {"deal": {"id": "d1", "stage": "late"}})], 72,
        "opportunity.stalled", {"due_at": T0 + 70 * DAY}),
    ("a touch of a recycled lead counts once the recycling is taken back",
        [(0, E.STAGE_REPORTED, MQL), (15, E.TOUCH, HUMAN), (20, E.ACCEPTED, {})], 21,
        "mql.first_touch", {"stopped_at": T0 + 15 * DAY}),
    ("an opt-out takes no breach back",
        [(0, E.CREATED, {}), (60, E.CONSENT, {"granted": False})], 61,
        "nurturing.nurture_touch", {"status": "escalated", "stopped_at": None}),
    ("a consent starts the nurture clock again",
        [(0, E.CREATED, {}), (5, E.CONSENT, {"granted": False}),
         (6, E.CONSENT, {"granted": True})], 100,
        "nurturing.nurture_touch", {"status": "escalated", "due_at": T0 + 36 * DAY}),
    ("disqualified is a decision, however the CRM says it",
        [(0, E.STAGE_REPORTED, MQL),
         (0.1, E.STAGE_REPORTED, {"stage": "disqualified", "reason": "spam"})], 3,
        "mql.decision", {"status": "met"}),
    ("a timer that ends a stage cancels what still runs",
        [(0, E.STAGE_REPORTED, MQL)], 15,
        "mql.decision", {"status": "escalated", "stopped_at": None}),
]  # fmt: skip


def clock(folded, name):
    found = [
        stated
        for _, stated, _ in facts(folded, "clock")
        if f"{stated['stage']}.{stated['clock']}" == name
    ]
    return found[-1] if found else None


@pytest.mark.parametrize(
    ("stated", "until", "name", "expected"),
    [row[1:] for row in CLOCKS],
    ids=[row[0] for row in CLOCKS],
)
def test_clock(stated, until, name, expected):
    found = clock(fold(history(*stated), until), name)
    assert found is not None
    assert {key: found[key] for key in expected} == expected


NONE = [
    ("a nurture touch in time makes no fact",
        [(0, E.CREATED, {}), (20, E.TOUCH, AUTOMATED)], 45,
        "nurturing.nurture_touch"),
    ("an opted-out lead has no nurture clock",
        [(0, E.CREATED, {}), (5, E.CONSENT, {"granted": False})], 100,
        "nurturing.nurture_touch"),
    ("an opportunity that moves in time never stalled",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (20, E.OPPORTUNITY_WON, DEAL)], 100,
        "opportunity.stalled"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stated", "until", "name"), [row[1:] for row in NONE], ids=[row[0] for row in NONE]
)
def test_no_clock(stated, until, name):
    assert clock(fold(history(*stated), until), name) is None


VENDORS = [
    ("hubspot",
        {"subscriber": "inquiry", "lead": "inquiry", "marketingqualifiedlead": "mql",
         "salesqualifiedlead": "sql", "opportunity": "opportunity", "customer": "customer"}),
    ("salesforce",
        {"Open": "inquiry", "Open - Not Contacted": "inquiry", "Working": "sal",
         "Working - Contacted": "sal", "Closed - Converted": "sql"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "word", "to"), [(s, word, to) for s, words in VENDORS for word, to in words.items()]
)
def test_a_vendors_stage_is_the_agreed_stage(source, word, to):
    assert (
        fold(history((0, E.STAGE_REPORTED, {"source": source, "stage": word})), 0.01).state["stage"]
        == to
    )


def test_salesforces_closed_not_converted_is_a_rejection():
    stated = history(
        (0, E.STAGE_REPORTED, MQL),
        (1, E.STAGE_REPORTED, {"source": "salesforce", "stage": "Closed - Not Converted"}),
    )
    assert facts(fold(stated, 2), "handoff")[0][1]["outcome"] == "rejected"


REASONS = {
    "not-ready": "recycled",
    "no-fit": "disqualified",
    "competitor": "disqualified",
    "duplicate": "disqualified",
    "spam": "disqualified",
}


@pytest.mark.parametrize(("reason", "to"), REASONS.items())
@pytest.mark.parametrize(
    "standing", [(0, E.STAGE_REPORTED, MQL), (0, E.ACCEPTED, {})], ids=["mql", "sal"]
)
def test_a_rejections_reason_decides_where_the_lead_goes(standing, reason, to):
    folded = fold(history(standing, (1, E.REJECTED, {"reason": reason})), 2)
    assert folded.state["stage"] == to
    assert folded.state["excluded"] == (reason if reason in ("duplicate", "spam") else "")
    assert folded.state["suppressed"] == (reason if reason in ("competitor", "spam") else "")


def test_nurturing_and_evangelist_stand_beside_the_ladder_so_passing_them_by_is_no_skip():
    implied = facts(fold(history((0, E.OPPORTUNITY_WON, DEAL)), 1), "journey")[0][1]["implied"]
    assert implied == ["inquiry", "mql", "opportunity", "sal", "sql"]


def test_what_happens_to_a_churned_customer_is_the_end_until_somebody_qualifies_it_by_hand():
    churned = [
        (0, E.OPPORTUNITY_WON, DEAL),
        (10, E.STAGE_REPORTED, {**stage("churned"), "source": "cloudevents"}),
    ]
    assert (
        fold(history(*churned, (20, E.TOUCH, {"kind": "demo_form"})), 30).state["stage"]
        == "churned"
    )
    assert fold(history(*churned, (20, E.ACCEPTED, {})), 21).state["journey"] == 2


def test_origin_is_the_leads_and_never_changes_while_source_and_channel_are_the_journeys():
    ad = {
        "source": "google",
        "marketing": {"platform": "google", "campaign": "c"},
        "kind": "ad_lead_form",
    }
    stated = [
        (0, E.CREATED, {"origin": "Partner"}),
        (1, E.STAGE_REPORTED, MQL),
        (2, E.REJECTED, {"reason": "not-ready"}),
        (200, E.TOUCH, ad),
    ]
    journeys = [fact for _, fact, _ in facts(fold(history(*stated), 201), "journey")]
    assert [(one["lead_origin"], one["source"]) for one in journeys] == [
        ("partner", ""),
        ("partner", "google"),
    ]


@pytest.mark.parametrize("name", ["facebook", "fb", "meta"])
def test_a_sources_aliases_are_one_source(name):
    stated = history((0, E.CREATED, {"marketing": {"utm_source": name, "utm_medium": "social"}}))
    assert facts(fold(stated, 0.1), "journey")[0][1]["source"] == "meta"


def test_what_no_rule_of_the_source_table_matches_is_shown_as_unattributed():
    assert facts(fold(history((0, E.CREATED, {})), 0.1), "journey")[0][1]["source"] == ""


def test_an_opening_balance_is_marked_and_its_clocks_start_at_the_cut_over():
    folded = fold(history((0, E.SNAPSHOT, stage("opportunity"))), 31)
    assert facts(folded, "journey")[0][1]["opening"] is True
    assert facts(folded, "transition")[0][1]["opening"] is True
    assert clock(folded, "opportunity.stalled")["due_at"] == T0 + 30 * DAY


def test_a_hand_off_has_two_sides_and_a_joint_stage_two_owners():
    for team in ("marketing", "sales"):
        stated = history(
            (0, E.STAGE_REPORTED, MQL), (0.1, E.ACCEPTED, {"attributes": {"team": team}})
        )
        assert [note["what"] for _, note, _ in facts(fold(stated, 0.2), "note")] == []


def test_a_journey_disqualified_as_spam_leaves_the_denominators_however_the_crm_says_it():
    stated = history(
        (0, E.STAGE_REPORTED, MQL),
        (0.1, E.STAGE_REPORTED, {"stage": "disqualified", "reason": "spam"}),
    )
    folded = fold(stated, 1)
    assert facts(folded, "journey")[0][1]["excluded"] == "spam"
    assert facts(folded, "handoff")[0][1]["outcome"] == "rejected"


def test_a_first_word_that_no_mapping_knows_is_counted():
    folded = fold(history((0, E.STAGE_REPORTED, stage("odd"))), 0.1)
    assert [note["what"] for _, note, _ in facts(folded, "note")] == ["unmapped"]


@pytest.mark.parametrize("field", ["account", "segment"])
def test_the_gate_is_asked_whenever_it_may_read_something_new(field):
    rules = (*FIRST.gates["ready"].all, Rule(name=field, field=field, op="known"))
    under = prepare(variant(**gate(all=rules)))
    stated = history((0, E.CREATED, {"kind": "demo_form"}), (0.1, E.ASSIGNED, {field: "acme"}))
    assert [path(fold(stated[:count], 0.2, under)) for count in (1, 2)] == [
        "inquiry",
        "inquiry mql",
    ]


def test_an_implied_entry_that_is_reported_begins_its_clocks_and_timers_then():
    stated = history((0, E.TOUCH, {"kind": "page_view"}), (0.3, E.CREATED, {}))
    assert (
        fold(stated, 0.31).state["timer_at"]
        == fold(history((0.3, E.CREATED, {})), 0.31).state["timer_at"]
    )


def test_an_open_episode_keeps_where_its_rejection_leads():
    later = FIRST.model_copy(
        update={
            "version": "2",
            "effective_from": date(2026, 1, 6),
            "rejections": {**FIRST.rejections, "no-fit": "recycled"},
        }
    )
    stated = history((0, E.STAGE_REPORTED, MQL), (3, E.REJECTED, {"reason": "no-fit"}))
    assert fold(stated, 4, prepare(FIRST, later)).state["stage"] == "disqualified"


def test_a_loss_is_taken_back_for_90_days_also_where_no_timer_ends_it():
    under = prepare(variant(**stages(lost={"timer": None})))
    journeys = [
        fold(
            history(
                (0, E.OPPORTUNITY_CREATED, DEAL),
                (1, E.OPPORTUNITY_LOST, DEAL),
                (day, E.OPPORTUNITY_WON, DEAL),
            ),
            400,
            under,
        ).state["journey"]
        for day in (80, 300)
    ]
    assert journeys == [1, 2]


def test_a_write_by_a_team_that_does_not_own_the_stage_is_flagged_and_not_lost():
    stated = history((0, E.CREATED, {}), (0.1, E.ACCEPTED, {"attributes": {"team": "sales"}}))
    folded = fold(stated, 0.2)
    assert folded.state["stage"] == "sal"
    assert [note["what"] for _, note, _ in facts(folded, "note")] == ["not the owner"]


def test_a_deal_of_two_leads_is_influenced_for_whoever_is_not_its_primary_contact():
    stated = history(
        (0, E.CREATED, {}), (0.1, E.OPPORTUNITY_WON, {"deal": {"id": "x", "role": "influencer"}})
    )
    assert facts(fold(stated, 0.2), "deal")[0][1]["role"] == "influencer"


def test_a_test_lead_is_kept_and_flagged():
    folded = fold(history((0, E.CREATED, {"test": True, "kind": "demo_form"})), 0.1)
    assert folded.state["test"] is True
    assert {fact["test"] for _, fact, _ in facts(folded, "transition")} == {True}


def test_equal_timestamps_go_by_the_stage_they_speak_of():
    folded = fold(
        history(
            (0, E.OPPORTUNITY_WON, DEAL),
            (0, E.ACCEPTED, {}),
            (0, E.STAGE_REPORTED, MQL),
            (0, E.CREATED, {}),
        ),
        0.1,
    )
    assert path(folded).replace("*", "") == "inquiry mql sal sql opportunity customer"
    assert [stated["to"] for _, stated, _ in facts(folded, "transition") if stated["implied"]] == [
        "sql",
        "opportunity",
    ]


def test_equal_rank_goes_by_the_sources_sequence():
    first, second = history((0, E.STAGE_REPORTED, stage("customer")), (0, E.STAGE_REPORTED, MQL))
    folded = fold([first._replace(sequence=2), second._replace(sequence=1)], 0.1)
    assert "echo" not in [note["what"] for _, note, _ in facts(folded, "note")]


def test_a_suppressed_lead_never_passes_the_gate():
    stated = history((0, E.CREATED, {"attributes": {"persona": "student"}, "kind": "demo_form"}))
    assert fold(stated, 0.1).state["stage"] == "inquiry"


def test_hot_is_who_asks_for_a_demo_or_a_call_and_nobody_else():
    kinds = {
        kind: fold(history((0, E.CREATED, {"kind": kind})), 0.1).state["hot"]
        for kind in FIRST.scoring.points
    }
    assert {kind for kind, hot in kinds.items() if hot} == {
        "demo_form",
        "contact_form",
        "call_requested",
    }


def folded_under(definitions, *stated, until=400.0):
    from streams.domain import row

    current = row.Row("lead")
    for event in history(*stated):
        current = row.advance(current, event, definitions).row
    return row.state_of(row.tick(current, int(T0 + until * DAY), definitions).row, definitions)


WHO = [
    (
        "source",
        (0, E.CREATED, {"kind": "demo_form"}),
        "inquiry",
        {"gate": True, "source": False, "moved": False},
    ),
    ("source", (0, E.STAGE_REPORTED, MQL), "mql", {"gate": False, "source": True, "moved": True}),
    (
        "gate",
        (0, E.STAGE_REPORTED, MQL),
        "inquiry",
        {"gate": False, "source": True, "moved": False},
    ),
    ("gate", (0, E.CREATED, {"kind": "demo_form"}), "mql", None),
    ("either", (0, E.STAGE_REPORTED, MQL), "mql", {"gate": False, "source": True, "moved": True}),
    ("either", (0, E.CREATED, {"kind": "demo_form"}), "mql", None),
]


@pytest.mark.parametrize(("decided_by", "stated", "stands", "disagreement"), WHO)
def test_who_decides_and_whoever_disagrees_is_a_fact(decided_by, stated, stands, disagreement):
    folded = folded_under(
        prepare(variant(**stages(mql={"decided_by": decided_by}))), stated, until=0.1
    )
    assert folded.state["stage"] == stands
    found = [fact for _, fact, _ in facts(folded, "disagreement")]
    assert (
        [{key: fact[key] for key in disagreement} for fact in found]
        == ([disagreement] if disagreement else [])
        if disagreement
        else not found
    )


def test_a_system_without_authority_over_a_stage_moves_nobody_and_what_it_stated_is_kept():
    definitions = prepare(variant(**stages(mql={"authority": ("salesforce",)})))
    folded = folded_under(definitions, (0, E.CREATED, {}), (0.1, E.STAGE_REPORTED, MQL), until=0.2)
    assert folded.state["stage"] == "inquiry"
    assert [note["what"] for _, note, _ in facts(folded, "note")] == ["no authority"]
    heard = folded_under(
        definitions,
        (0, E.CREATED, {}),
        (0.1, E.STAGE_REPORTED, {"source": "salesforce", "stage": "mql"}),
        until=0.2,
    )
    assert heard.state["stage"] == "mql"


def test_a_changed_definition_binds_new_episodes_and_leaves_open_ones_their_own():
    from datetime import date

    shorter = stages(mql={"timer": Timer(after="2 days", to="recycled")})
    definitions = prepare(FIRST, variant(version="2", effective_from=date(2026, 1, 8), **shorter))
    before = folded_under(definitions, (0, E.STAGE_REPORTED, MQL), until=20)
    after = folded_under(definitions, (4, E.STAGE_REPORTED, MQL), until=20)
    assert [at for at, stated, _ in facts(before, "transition") if stated["to"] == "recycled"] == [
        T0 + 14 * DAY
    ]
    assert [at for at, stated, _ in facts(after, "transition") if stated["to"] == "recycled"] == [
        T0 + 6 * DAY
    ]
    assert [stated["version"] for _, stated, _ in facts(before, "clock")][:1] == ["1"]
    assert [stated["version"] for _, stated, _ in facts(after, "clock")][:1] == ["2"]


GATES = [
    (
        {"all": (Rule(name="big", field="attributes.size", op=">=", value=100),)},
        {"attributes": {"size": "250"}},
        True,
    ),
    (
        {"all": (Rule(name="big", field="attributes.size", op=">=", value=100),)},
        {"attributes": {"size": "many"}},
        False,
    ),
    ({"all": (Rule(name="big", field="attributes.size", op=">=", value=100),)}, {}, False),
    (
        {
            "any": (
                Rule(name="a", field="segment", op="in", value=("x", "y")),
                Rule(name="b", field="hot", op="==", value=True),
            )
        },
        {"segment": "y"},
        True,
    ),
    (
        {
            "any": (
                Rule(name="a", field="segment", op="in", value=("x", "y")),
                Rule(name="b", field="hot", op="==", value=True),
            )
        },
        {"segment": "z"},
        False,
    ),
    ({"none": (Rule(name="known", field="account", op="known"),)}, {"account": "acme"}, False),
    ({"none": (Rule(name="known", field="account", op="known"),)}, {}, True),
    ({"all": (Rule(name="cheap", field="score", op="<", value=40),)}, {}, True),
    ({"all": (Rule(name="not x", field="segment", op="!=", value="x"),)}, {"segment": "x"}, False),
    (
        {"all": (Rule(name="origin", field="origin", op="not in", value=("sales",)),)},
        {"origin": "partner"},
        True,
    ),
]


@pytest.mark.parametrize(("rules", "stated", "passes"), GATES)
def test_a_gate_is_named_rules_and_says_what_each_saw(rules, stated, passes):
    changed = gate(**{"all": (), "any": (), "none": (), **rules})
    folded = folded_under(
        prepare(variant(**changed)), (0, E.CREATED, {"kind": "form", **stated}), until=0.1
    )
    assert (folded.state["stage"] == "mql") is passes
    if passes:
        decision = facts(folded, "decision")[0][1]
        assert {rule["rule"] for rule in decision["rules"]} == {
            rule.name for each in rules.values() for rule in each
        }
        assert all(rule["need"] for rule in decision["rules"])


def test_a_decision_under_a_reported_qualification_says_which_rules_failed():
    decision = facts(fold(history((0, E.STAGE_REPORTED, MQL)), 0.1), "decision")[0][1]
    assert [(rule["rule"], rule["passed"], rule["value"]) for rule in decision["rules"]] == [
        ("score", False, "0"),
        ("suppressed", True, ""),
    ]


def test_a_firm_without_a_marketing_department_gives_every_stage_to_sales():
    to_sales = stages(**{name: {"owner": "sales"} for name in FIRST.stages})
    folded = folded_under(
        prepare(variant(**to_sales)), (0, E.STAGE_REPORTED, MQL), (1, E.ACCEPTED, {}), until=2
    )
    assert {stated["owner_team"] for _, stated, _ in facts(folded, "transition")} == {"sales"}


def test_facts_carry_the_version_under_which_they_were_decided():
    folded = fold(history((0, E.CREATED, {"kind": "demo_form"}), (1, E.ACCEPTED, {})), 2)
    for kind in ("journey", "transition", "clock", "handoff", "decision"):
        assert {
            orjson.loads(fact.content)["version"]
            for fact in folded.facts.values()
            if fact.kind == kind
        } == {"1"}, kind
    assert DEFINITION.first.funnel.version == "1"


def test_a_touch_at_the_very_instant_of_the_hand_off_came_before_it():
    folded = fold(history((0, E.STAGE_REPORTED, MQL), (0, E.TOUCH, HUMAN)), 2)
    assert clock(folded, "mql.first_touch")["status"] == "escalated"


def test_of_two_contents_of_one_event_the_smallest_counts_whichever_came_first():
    early, late = history((0, E.CREATED, {"kind": "form"}), (1, E.CREATED, {"kind": "form"}))
    twice = [early, late._replace(id=early.id)]
    for order in (twice, twice[::-1]):
        folded = fold(order, 2)
        assert folded.state["score"] == 30
        assert [
            at for at, stated, _ in facts(folded, "transition") if stated["to"] == "inquiry"
        ] == [T0]


def test_a_clock_is_judged_up_to_the_last_thing_that_happened_though_no_watermark_rose():
    from streams.domain import row

    current = row.Row("lead")
    for event in history((0, E.STAGE_REPORTED, MQL), (2, E.TOUCH, INBOUND)):
        current = row.advance(current, event, DEFINITION).row
    assert clock(row.state_of(current, DEFINITION), "mql.first_touch")["status"] == "escalated"


def test_the_diagram_in_the_documentation_is_drawn_from_the_table():
    from streams.domain.drawing import mermaid
    from tests.conftest import ROOT

    assert mermaid(DEFINITION.first) in (ROOT / "docs" / "lifecycle.md").read_text()


def test_a_qualification_that_the_gate_refuses_leaves_the_present_episode_as_it_was():
    definitions = prepare(variant(**stages(mql={"decided_by": "gate"})))
    stated = [
        (0, E.CREATED, {"kind": "demo_form"}),
        (20, E.STAGE_REPORTED, MQL),
        (21, E.ACCEPTED, {}),
    ]
    refused = folded_under(definitions, *stated[:2], until=200)
    assert clock(refused, "recycled.review")["status"] == "escalated"
    assert [one["gate"] for _, one, _ in facts(refused, "disagreement")] == [False]
    taken_back = folded_under(definitions, *stated, until=22)
    assert (taken_back.state["stage"], taken_back.state["journey"]) == ("sal", 1)


def test_a_gate_that_changes_during_an_episode_judges_the_next_one():
    from datetime import date

    stricter = gate(all=(Rule(name="score", field="score", op=">=", value=70),))
    definitions = prepare(FIRST, variant(version="2", effective_from=date(2026, 1, 8), **stricter))
    form = (5, E.TOUCH, {"kind": "demo_form"})
    assert (
        folded_under(definitions, (0, E.CREATED, {}), form, until=6).state["stage"] == "mql"
    )  # nurturing began under version 1
    assert folded_under(definitions, (4, E.CREATED, {}), form, until=6).state["stage"] != "mql"


def test_what_comes_after_an_erasure_is_not_even_kept():
    from streams.domain import row

    erase, late = history((1, E.ERASE, {}), (0.5, E.CREATED, {"kind": "form"}))
    erased = row.advance(row.Row("lead"), erase, DEFINITION).row
    assert row.advance(erased, late, DEFINITION).row is erased
