"""Inputs as real systems send them, from the body to the lead's story: a case and its answer.

The bodies lie in tests/cases; all persons in them are invented.
"""

import json
from pathlib import Path

import orjson
import pytest

from streams.agents.normalise import normalise
from streams.sources.registry import connection
from tests.conftest import ROOT, SHARED
from tests.support.kafka import record
from tests.support.resolving import World

CASES = ROOT / "tests" / "cases"
RECEIVED = 1_795_700_000_000
ZONE = "Europe/Paris"


def outcome(source, *bodies):
    """Play bodies through normalise, identity and the fold; return the world and the refused."""
    world, refused, ignored = World(), [], []
    for body in bodies:
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = [("leadstream-source", source.encode())]
        effects = normalise(
            record(raw, headers=headers, timestamp=RECEIVED), connection(lambda _name: "", ZONE)
        )
        refused += [one.reason for one in effects.rejected]
        ignored += effects.ignored
        for out in effects.outs:
            if out.topic == "lead.events":
                world.takes(orjson.loads(out.value)["event"])
    world.stamp = RECEIVED
    return world, refused, ignored


def leads(world):
    return [folded for folded in world.facts().values() if folded.state]


def facts(folded, kind):
    return [orjson.loads(fact.content) for fact in folded.facts.values() if fact.kind == kind]


def deals(folded):
    return {deal["deal"]: deal for deal in facts(folded, "deal") if deal.get("role") == "primary"}


def case(*parts):
    return CASES.joinpath(*parts).read_bytes()


def test_every_case_that_lies_beside_the_checkout_has_its_place_here():
    if not (SHARED / "cases").is_dir():
        pytest.skip(
            "the cases' collection is no part of the product: put ../shared beside the checkout"
        )
    assert {path.name for path in (SHARED / "cases").iterdir() if path.is_dir()} == {
        path.name for path in CASES.iterdir()
    }


def bodies(*parts):
    return json.loads(case(*parts))


def one(world, refused=()):
    assert refused == () or list(refused) == []
    (lead,) = leads(world)
    return lead


def test_a_company_is_known_and_not_ours():
    world, refused, ignored = outcome("hubspot", case("hubspot_company_association", "body.json"))
    assert (len(leads(world)), refused, ignored) == (1, [], ["association company-contact"])


@pytest.mark.parametrize(
    "parts",
    [
        ("hubspot_merge_in_place", "body.json"),
        ("hubspot_merge_new_object_id", "body.json"),
        ("hubspot_merge_new_object_id", "body-with-deletions.json"),
    ],
    ids="/".join,
)
def test_a_merge_of_records_is_one_open_lead_with_the_address_of_the_one_that_is_left(parts):
    raw = bodies(*parts)
    lead = one(*outcome("hubspot", raw)[:2])
    merge = next(part for part in raw if part["subscriptionType"] == "contact.merge")
    assert lead.state["stage"] in ("inquiry", "nurturing", "mql", "recycled")
    assert not [move for move in facts(lead, "transition") if move["to"] == "disqualified"]
    assert lead.state["record_url"].endswith(f"/{merge['newObjectId']}")


def test_hubspots_present_format_is_read_like_the_old_one():
    lead = one(*outcome("hubspot", case("hubspot_generic_object_events", "body.json"))[:2])
    assert "mql" in [move["to"] for move in facts(lead, "transition")]
    lead = one(*outcome("hubspot", case("hubspot_association_without_type_name", "body.json"))[:2])
    assert lead.state["stage"] == "opportunity"


def test_a_lead_stands_by_the_deals_that_are_left():
    lead = one(*outcome("hubspot", case("hubspot_duplicate_deal_deleted", "body.json"))[:2])
    assert (lead.state["stage"], lead.state["journey"]) == ("opportunity", 1)
    assert [deal["status"] for deal in deals(lead).values()] == ["open"]


def test_a_deleted_deal_is_in_no_figure():
    lead = one(*outcome("hubspot", case("hubspot_won_deal_deleted", "body.json"))[:2])
    assert deals(lead) == {}
    assert {"customer", "opportunity"}.isdisjoint(move["to"] for move in facts(lead, "transition"))


def test_merged_deals_are_one():
    lead = one(*outcome("hubspot", case("hubspot_deals_merged", "body.json"))[:2])
    assert [(deal["amount"], deal["status"]) for deal in deals(lead).values()] == [("8000", "open")]


def test_a_win_that_is_taken_back_and_lost_was_none():
    lead = one(*outcome("hubspot", case("hubspot_won_reopened_lost", "body.json"))[:2])
    assert lead.state["stage"] == "lost"
    assert [deal["status"] for deal in deals(lead).values()] == ["lost"]
    assert "customer" not in [move["to"] for move in facts(lead, "transition")]
    assert [clock for clock in facts(lead, "clock") if clock["stage"] == "customer"] == []


@pytest.mark.parametrize(
    ("source", "parts", "stage"),
    [
        ("hubspot", ("hubspot_restore", "body.json"), "mql"),
        ("salesforce", ("salesforce_undelete", "bodies.json"), "sal"),
    ],
)
def test_what_was_restored_stands_as_before_in_the_same_journey(source, parts, stage):
    raw = bodies(*parts)
    lead = one(*outcome(source, raw)[:2])
    assert lead.state["journey"] == 1
    moves = [move["to"] for move in facts(lead, "transition")]
    assert "disqualified" not in moves
    assert stage in moves


def test_an_owner_that_was_cleared_is_no_assignment():
    world, refused, _ = outcome("hubspot", case("hubspot_owner_cleared", "body.json"))
    (handoff,) = facts(one(world, refused), "handoff")
    assert handoff["assigned_at"] is None


def test_what_a_machine_computes_keeps_no_deal_fresh():
    world, refused, ignored = outcome(
        "hubspot", case("hubspot_sync_keeps_stalled_deal_fresh", "body.json")
    )
    (clock, *_) = [
        clock
        for clock in facts(one(world, refused), "clock")
        if (clock["stage"], clock["clock"]) == ("opportunity", "stalled")
    ]
    assert clock["status"] in ("breached", "escalated")
    assert len(ignored) == 28


def test_amounts_that_were_cleared_are_unknown_and_machines_decimals_are_rounded():
    world, refused, _ = outcome(
        "hubspot", case("hubspot_amount_cleared_and_long_decimals", "body.json")
    )
    found = {
        name.rpartition(":")[2]: deal["amount"]
        for lead in leads(world)
        for name, deal in deals(lead).items()
    }
    assert refused == []
    assert found == {"32743017": None, "32743018": "33.333333", "32743019": "12500000"}
    world, refused, _ = outcome("salesforce", *bodies("salesforce_amount_nulled", "bodies.json"))
    assert refused == []
    assert [deal["amount"] for lead in leads(world) for deal in deals(lead).values()] == [None]


def test_a_close_date_is_the_day_in_the_reporting_zone():
    world, refused, _ = outcome("hubspot", case("hubspot_close_date_zone", "body.json"))
    assert [deal["close_date"] for deal in deals(one(world, refused)).values()] == ["2026-12-01"]


def test_a_blank_stage_is_no_word():
    lead = one(*outcome("hubspot", case("hubspot_stage_cleared_then_lower", "body.json"))[:2])
    assert not [note for note in facts(lead, "note") if note["what"] == "unmapped"]
    assert lead.state["stage"] == "sql"


@pytest.mark.parametrize(
    ("source", "name"), [("salesforce", "bodies.json"), ("hubspot", "hubspot.json")]
)
def test_a_crms_word_that_a_lead_is_closed_ends_it_at_any_stage_before_the_deal(source, name):
    lead = one(*outcome(source, bodies("salesforce_rejected_before_mql", name))[:2])
    assert lead.state["stage"] == "disqualified"
    assert facts(lead, "handoff") == []


def test_ids_of_15_and_18_characters_are_one_record():
    world = World()
    for source, name in (("cloudevents", "export.json"), ("salesforce", "cdc.json")):
        headers = [("leadstream-source", source.encode())]
        effects = normalise(
            record(case("salesforce_15_and_18", name), headers=headers, timestamp=RECEIVED),
            connection(lambda _name: "", ZONE),
        )
        assert effects.rejected == ()
        for out in effects.outs:
            world.takes(orjson.loads(out.value)["event"])
    world.stamp = RECEIVED
    (lead,) = leads(world)
    assert lead.state["conflicts"] == 0


@pytest.mark.parametrize("name", ["cometd.json", "eventbridge.json"])
def test_a_change_event_is_read_in_whatever_it_is_wrapped(name):
    lead = one(*outcome("salesforce", case("salesforce_envelopes", name))[:2])
    reasons = [move["why"] for move in facts(lead, "transition") if move["to"] == "inquiry"]
    assert reasons == ["lead.created"]


def test_an_opt_out_in_salesforce_is_one():
    lead = one(*outcome("salesforce", *bodies("salesforce_opt_out", "bodies.json"))[:2])
    assert lead.state["opted_out"]


def test_a_contact_role_says_whose_a_deal_is():
    world, refused, _ = outcome("salesforce", *bodies("salesforce_contact_role", "bodies.json"))
    assert one(world, refused).state["stage"] == "customer"


@pytest.mark.parametrize(
    "name", ["body-null.json", "body-object_Object.json", "body-undefined.json"]
)
def test_a_placeholder_names_nobody(name):
    world, refused, _ = outcome("segment", case("segment_placeholder_user_ids", name))
    assert (len(leads(world)), refused) == (3, [])


def test_a_groups_traits_are_the_accounts():
    world, refused, _ = outcome("segment", case("segment_group_traits", "body.json"))
    assert (len(leads(world)), refused) == (3, [])
    assert {lead.state["account"] for lead in leads(world)} == {"Acme"}


@pytest.mark.parametrize(
    "parts",
    [
        ("segment_alias", "body.json"),
        ("segment_alias", "body-anonymous.json"),
        ("segment_user_id_is_email", "body.json"),
    ],
    ids="/".join,
)
def test_two_ids_of_one_person_are_one_lead(parts):
    one(*outcome("segment", case(*parts))[:2])


def test_an_optional_detail_never_costs_its_event():
    world, refused, _ = outcome("segment", case("segment_phone_number_type", "body.json"))
    assert one(world, refused).state["hot"]


def test_an_event_without_an_id_collides_with_none():
    """As segment_no_message_id describes it."""
    events = [
        {
            "type": "track",
            "event": name,
            "userId": "nomid-1",
            "properties": {"email": "nomid@example.com"},
        }
        for name in ("Pricing Viewed", "Form Submitted", "Trial Started")
    ]
    world, refused, _ = outcome("segment", *events)
    assert one(world, refused).state["events"] == 3


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("segment", ("segment_lone_surrogate", "body.json")),
        ("hubspot", ("segment_lone_surrogate", "hubspot-body.json")),
        ("google", ("google_lone_surrogate", "body.json")),
    ],
)
def test_half_an_emoji_costs_nothing(source, parts):
    assert one(*outcome(source, case(*parts))[:2]).state["events"] >= 1


def test_a_cloudevents_data_may_be_base64_or_json_in_a_text():
    for name in ("cloudevents_data_base64", "cloudevents_string_data"):
        assert one(*outcome("cloudevents", case(name, "body.json"))[:2]).state["hot"]


def test_metas_test_lead_is_one_and_counted_nowhere():
    lead = one(*outcome("meta", *bodies("meta_test_lead", "bodies.json"))[:2])
    assert facts(lead, "journey")[0]["test"]


def test_metas_leads_are_known_by_their_work_address_and_a_blank_answer_is_none():
    world, refused, _ = outcome("meta", *bodies("meta_work_email_and_blank", "bodies.json"))
    assert refused == []
    assert {"email:we.603900011@example.com", "email:bl.603900011@example.com"} <= set(
        world.rows.heads
    )


def test_a_page_of_leads_is_read_as_leads():
    lead = one(*outcome("meta", case("meta_bulk_page", "body.json"))[:2])
    assert lead.state["stage"] in ("inquiry", "mql")


def test_all_spellings_of_an_address_are_one():
    from streams.sources.values import email_alias

    assert (
        len({email_alias(text) for text in bodies("email_spellings", "spellings.json").values()})
        == 1
    )


def test_a_clock_over_the_change_of_time_is_right():
    lead = one(*outcome("cloudevents", case("sla_over_dst", "body.json"))[:2])
    assert [
        clock["status"] for clock in facts(lead, "clock") if clock["clock"] == "first_touch"
    ] == ["met"]


def test_no_case_is_left_out():
    if not CASES.is_dir():
        pytest.skip("the cases are no part of the product: put ../shared beside the checkout")
    text = Path(__file__).read_text()
    folders = {path.name for path in CASES.iterdir() if path.is_dir()} - {"csv"}
    assert [name for name in sorted(folders) if name not in text] == []
