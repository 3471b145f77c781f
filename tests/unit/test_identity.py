"""Whose event it is: what is asked, held, released and joined, case by case, and the limits."""

from dataclasses import replace
from itertools import permutations

import orjson
import pytest

from schemas.events import LeadEvent
from streams.agents.normalise import Ignored, normalise, normalise_import
from streams.agents.resolve import Resolve
from streams.domain import alias_row, identity
from streams.domain.alias_row import HELD_EVENTS, HELD_MS, SHARED_LEADS
from streams.domain.aliases import ordered
from streams.domain.identity import Relation
from streams.engine.commit import MAX_RECORD
from streams.settings import Settings
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES
from tests.support import kafka
from tests.support.resolving import KEY, World

DAY = 86_400_000


JANE, ANON, CLICK, USER = "email:jane@x.example", "segment:anon:1", "gclid:1", "segment:user:1"


def test_an_event_that_names_nobody_is_held_and_goes_to_whom_its_alias_turns_out_to_be():
    world = World()
    world.happens(ANON, name="first")
    world.happens(ANON, name="second")
    assert world.leads() == set()
    world.happens(JANE, ANON)
    assert world.released() == ["first", "second"]
    assert world.leads() == {frozenset({JANE})}


def test_an_event_that_is_held_and_comes_again_is_counted_and_not_held_twice():
    world = World()
    record = {
        "record": "event",
        "event": {
            "id": "visit",
            "aliases": [ANON],
            "type": "touch",
            "occurred_at": 1,
            "source": "segment",
        },
        "received_at": 1,
    }
    first = identity.resolve(world.row(ANON), record, 1, 1, KEY)
    again = identity.resolve(first.row, record, 2, 2, KEY)
    assert [(one.held, one.repeated) for one in (first, again)] == [(1, 0), (0, 1)]
    assert again.row == first.row


def test_an_event_that_names_nobody_asks_its_other_aliases_and_is_answered_where_one_knows():
    world = World()
    world.happens(JANE, CLICK)
    world.happens(ANON, CLICK, name="visit")
    assert world.released() == ["visit"]


def test_an_alias_that_was_asked_answers_as_soon_as_it_knows():
    world = World()
    world.happens(ANON, CLICK, name="visit")
    assert world.released() == []
    world.happens(JANE, CLICK)
    assert world.released() == ["visit"]


def test_a_weak_alias_leads_to_the_first_that_it_learns_and_the_next_shares_it():
    world = World()
    world.happens(JANE, CLICK)
    world.happens(USER, CLICK)
    world.happens(CLICK, name="whose")
    leads = [touch.lead for touch in world.touches if touch.record.get("name") == "whose"]
    assert leads == [world.id(JANE)]
    assert world.leads_to == [(CLICK, world.id(JANE), "leads"), (CLICK, world.id(USER), "shares")]
    assert len(world.leads()) == 2


def test_a_weak_alias_of_one_origin_is_shared_by_nobody():
    world = World()
    for _ in range(3):
        world.happens(JANE, CLICK)
    assert world.leads_to == [(CLICK, world.id(JANE), "leads")]


def test_at_most_fifty_events_are_held_and_each_beyond_is_counted():
    world = World()
    for _ in range(HELD_EVENTS + 3):
        world.happens(ANON)
    assert (len(world.row(ANON).held), world.row(ANON).expired) == (HELD_EVENTS, 3)
    world.happens(JANE, ANON)
    assert len(world.released()) == HELD_EVENTS


def test_a_held_event_that_this_release_can_not_read_keeps_no_other_from_its_lead():
    """It raised when its alias learnt its lead, so that none of the others was ever released."""
    world = World()
    for name in ("first", "second", "third"):
        world.happens(ANON, name=name)
    known = world.row(ANON)
    older = tuple(
        (
            since,
            {**one, "event": {**one["event"], "type": "gone"}}
            if one["event"]["id"] == "second"
            else one,
        )
        for since, one in known.held
    )
    world.rows.put(ANON, replace(known, held=older))
    world.happens(JANE, ANON)
    assert world.released() == ["first", "third"]


def test_a_held_event_that_this_release_can_not_read_is_a_letter_that_its_alias_takes_again():
    held = {
        "record": "event",
        "event": {"id": "e", "type": "gone", "occurred_at": 1, "source": "s", "aliases": [ANON]},
        "received_at": 1,
    }
    before = alias_row.AliasRow(ANON, held=((1, held),))
    link = {
        "record": "link",
        "word": "link",
        "id": "",
        "at": 0,
        "sequence": 0,
        "origin": [1, "", "origin", ""],
    }
    logic = Resolve(KEY, lambda _what, _number: None)
    effects = logic.record(
        kafka.record(orjson.dumps(link), "lead.events", ANON.encode()), alias_row.dump(before), 5
    )
    assert [orjson.loads(one.body) for one in effects.rejected] == [held]
    assert alias_row.load(ANON, effects.row, lambda _name: None).held == ()


def test_each_held_event_is_given_up_thirty_days_after_it_came():
    world = World()
    for day in (0, 20):
        world.now = 1 + day * DAY
        world.happens(ANON, name=f"day{day}")
    known = world.row(ANON)
    assert known.next_due == 1 + HELD_MS
    assert alias_row.expire(known, known.next_due) == known
    after = alias_row.expire(known, known.next_due + 1)
    assert ([record["event"]["id"] for _, record in after.held], after.expired) == (["day20"], 1)
    assert after.next_due == 1 + 20 * DAY + HELD_MS
    assert alias_row.expire(after, after.next_due + 1).held == ()


def test_a_crm_record_has_a_row_of_its_own_and_an_address_lives_with_whom_it_was_first_seen():
    world = World()
    lead, contact = "salesforce:o:lead:L1", "salesforce:o:contact:C1"
    world.happens(lead, contact, JANE)
    assert world.row(contact).origin.house == ""
    assert world.row(JANE).origin.house == world.id(lead)


def test_a_merge_of_three_records_makes_one_lead_of_them():
    world, records = World(), tuple(f"hubspot:1:contact:{n}" for n in range(3))
    for record in records:
        world.happens(record)
    world.happens(*records, kind="merge")
    assert world.leads() == {frozenset(records)}
    world.happens(*records[:2], kind="unmerge")
    assert len(world.leads()) == 2


def info(world, number, other):
    for n in range(number):
        world.happens(
            *(
                (other.format(n=n), "email:info@x.example")
                if "contact" in other
                else ("email:info@x.example", other.format(n=n))
            )
        )


@pytest.mark.parametrize("other", ["hubspot:1:account{n}:7", "segment:user:{n}", "meta:lead:{n}"])
def test_an_address_that_twenty_share_joins_no_more_whether_it_names_the_event_or_is_named(other):
    world = World()
    info(world, SHARED_LEADS, other)
    assert (len(world.leads()), world.leads_to) == (1, [])
    info(world, SHARED_LEADS + 5, other)
    assert world.row("email:info@x.example").shared == 5
    assert {(alias, what) for alias, _, what in world.leads_to} == {
        ("email:info@x.example", "full")
    }
    assert len(world.leads_to) == SHARED_LEADS  # told once
    late = other.format(n=SHARED_LEADS + 1)
    world.happens(late)
    assert frozenset({late}) in world.leads()


def test_a_contact_may_stand_on_any_number_of_deals():
    world = World()
    world.happens("hubspot:1:contact:1")
    for number in range(SHARED_LEADS + 5):
        world.happens(
            "hubspot:1:contact:1",
            f"hubspot:1:deal:{number}",
            kind="identity.linked",
            deal={"id": f"hubspot:1:deal:{number}"},
        )
    assert [len(known) for known in world.leads()] == [SHARED_LEADS + 6]


def hubspot(world, number, subscription, **fields):
    part = {
        "portalId": 1,
        "subscriptionId": 1,
        "eventId": number,
        "occurredAt": number,
        "subscriptionType": subscription,
        **fields,
    }
    found = SOURCES["hubspot"].normalise([part], 1 << 41, Connection())
    assert found.rejected == []
    for event in found.events:
        world.stamp += 1
        world.takes(event.model_dump(mode="json", exclude_none=True, exclude_defaults=True))


def on_deal(world, number, contact, **fields):
    hubspot(
        world,
        number,
        "contact.associationChange",
        associationType="CONTACT_TO_DEAL",
        fromObjectId=contact,
        toObjectId=9,
        **fields,
    )


def deals(world):
    """Return {lead: [(role, amount)]} of all deals."""
    found = {}
    for lead, folded in world.facts().items():
        about = [
            orjson.loads(fact.content) for fact in folded.facts.values() if fact.kind == "deal"
        ]
        found[lead] = sorted((one["role"], one.get("amount")) for one in about)
    return found


def test_a_deal_with_two_contacts_is_the_first_ones_and_the_second_influenced_it():
    world = World()
    for number, contact in enumerate((1, 2), 1):
        hubspot(world, number, "contact.creation", objectId=contact)
    hubspot(world, 10, "deal.creation", objectId=9)
    hubspot(
        world, 11, "deal.propertyChange", objectId=9, propertyName="amount", propertyValue="100"
    )
    on_deal(world, 12, 1)
    on_deal(world, 13, 2)
    one, two = world.id("hubspot:1:contact:1"), world.id("hubspot:1:contact:2")
    assert deals(world) == {one: [("primary", "100")], two: [("influenced", None)]}
    assert all(folded.state["conflicts"] == 0 for folded in world.facts().values())
    on_deal(world, 14, 1, associationRemoved=True)
    assert deals(world) == {one: [], two: [("primary", "100")]}
    on_deal(world, 15, 1)
    assert deals(world) == {one: [("influenced", None)], two: [("primary", "100")]}
    on_deal(world, 16, 2, associationRemoved=True)
    assert deals(world) == {one: [("primary", "100")], two: []}


def test_the_amount_of_a_deal_when_it_was_created_is_the_first_that_is_stated():
    world = World()
    hubspot(world, 1, "deal.creation", objectId=9)
    for number, amount in ((2, "100"), (3, "250")):
        hubspot(
            world,
            number,
            "deal.propertyChange",
            objectId=9,
            propertyName="amount",
            propertyValue=amount,
        )
    (deal_fact,) = [
        orjson.loads(fact.content)
        for folded in world.facts().values()
        for fact in folded.facts.values()
        if fact.kind == "deal"
    ]
    assert (deal_fact["amount_opened"], deal_fact["amount"]) == ("100", "250")


def test_two_leads_that_salesforce_converted_into_one_contact_are_one_and_no_conflict():
    world = World()
    for number in (1, 2):
        header = {
            "entityName": "Lead",
            "recordIds": [f"L{number}"],
            "changeType": "UPDATE",
            "transactionKey": f"t{number}",
            "commitTimestamp": number,
        }
        body = {"ChangeEventHeader": header, "IsConverted": True, "ConvertedContactId": "C1"}
        for event in (
            SOURCES["salesforce"].normalise(body, 1 << 41, Connection(salesforce_org="o")).events
        ):
            world.stamp += 1
            world.takes(event.model_dump(mode="json", exclude_none=True, exclude_defaults=True))
    assert world.leads() == {
        frozenset({"salesforce:o:lead:L1", "salesforce:o:lead:L2", "salesforce:o:contact:C1"})
    }


PATTERNS = Settings(ignored_aliases="email:info@*, phone:+33123456789 ,").ignored()


@pytest.mark.parametrize(
    ("aliases", "left"),
    [
        (("email:info@x.example", "segment:user:1"), ["segment:user:1"]),
        (("email:jane@x.example", "phone:+33123456789"), ["email:jane@x.example"]),
        (("email:information@x.example",), ["email:information@x.example"]),
        (("email:info@x.example",), None),
    ],
)
def test_an_alias_that_is_to_be_ignored_names_nobody_and_an_event_without_another_is_counted(
    aliases, left
):
    counted = []
    ignored = Ignored(PATTERNS, lambda what, number: counted.append((what, number)))
    event = LeadEvent(id="e", type="touch", occurred_at=1, source="segment", aliases=aliases)
    imported = kafka.record(event.model_dump_json())
    body = {
        "specversion": "1.0",
        "id": "e",
        "source": "s",
        "type": "leadstream.touch",
        "data": {"aliases": aliases},
    }
    live = kafka.record(orjson.dumps(body))
    for effects in (normalise(live, Connection(), ignored), normalise_import(imported, ignored)):
        assert effects.rejected == ()
        named = [orjson.loads(out.value)["event"]["aliases"] for out in effects.outs]
        assert named == ([left] if left else [])
        assert [out.key.decode() for out in effects.outs] == (left or [])
    assert counted == [("ignored", left is None)] * 2


def test_an_import_that_is_dated_ahead_is_dated_to_its_receipt_and_keeps_what_was_stated():
    minute, at = 60_000, 1_767_600_000_000
    event = LeadEvent(
        id="e", type="touch", occurred_at=at, source="segment", aliases=("email:jane@x.example",)
    )

    def imported(received_at):
        (out,) = normalise_import(kafka.record(event.model_dump_json(), timestamp=received_at)).outs
        return orjson.loads(out.value)["event"]

    times = (imported(at - 6 * minute)["occurred_at"], imported(at - 6 * minute)["stated_at"])
    assert times == (at - 6 * minute, at)
    assert imported(at - 5 * minute)["occurred_at"] == at
    assert "stated_at" not in imported(at - 5 * minute)


def test_who_filled_in_an_ads_form_twenty_times_has_a_record_in_the_crm_all_the_same():
    world = World()
    for number in range(SHARED_LEADS + 1):
        world.happens(JANE, f"meta:lead:{number}")
    world.happens("hubspot:1:contact:1", JANE)
    assert len(world.leads()) == 1


def test_a_deal_is_named_after_the_people_of_its_crm():
    aliases = ("hubspot:1:deal:9", "hubspot:1:contact:1", JANE)
    assert ordered(aliases) == ["hubspot:1:contact:1", "hubspot:1:deal:9", JANE]


def test_a_deal_that_names_two_people_makes_nobody_one():
    world = World()
    world.happens("hubspot:1:deal:9", JANE, kind="opportunity.created", deal={"id": "d9"})
    world.happens(
        "hubspot:1:deal:9",
        "email:joe@x.example",
        kind="opportunity.stage_changed",
        deal={"id": "d9"},
    )
    world.happens("email:joe@x.example")
    assert world.leads() == {
        frozenset({"hubspot:1:deal:9", JANE}),
        frozenset({"email:joe@x.example"}),
    }


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_link_is_as_old_as_the_first_event_that_named_both_whichever_was_read_first(order):
    messages = [
        ((JANE, USER), "touch", 1),
        ((JANE, USER), "touch", 10),
        ((JANE, USER), "unmerge", 5),
    ]
    world = World()
    for number in order:
        aliases, kind, at = messages[number]
        world.happens(*aliases, kind=kind, at=at, name=f"e{number}")
    assert {len(known) for known in world.leads()} == {1}
    assert {
        fact.kind
        for folded in world.facts().values()
        for fact in folded.facts.values()
        if fact.kind == "conflict"
    } == set()


def test_an_opt_out_does_not_follow_a_deal_to_its_next_contact():
    world = World()
    one, two, deal = "hubspot:1:contact:1", "hubspot:1:contact:2", "hubspot:1:deal:9"
    for contact in (one, two):
        world.happens(contact)
    world.happens(one, kind="consent", granted=False)
    for contact, kind in ((one, "identity.linked"), (two, "identity.linked"), (one, "unmerge")):
        world.happens(contact, deal, kind=kind, deal={"id": deal})
    facts = world.facts().values()
    assert {each.state["opted_out"]: frozenset(each.state["origins"]) for each in facts} == {
        True: frozenset({world.id(one)}), False: frozenset({world.id(two), world.id(deal)}),
    }  # fmt: skip


def test_an_address_that_a_public_key_names_with_thousands_keeps_a_small_row_and_is_listed_once():
    """1,300 anonymous ids of an address made a row that no batch took: its worker always ended."""
    world = World()
    for number in range(3_000):
        world.happens(
            "email:jane@x.example", f"segment:anon:{number}-{'x' * 250}", name=f"e{number}"
        )
    head = world.rows.heads["email:jane@x.example"]
    assert max(len(head), *map(len, world.rows.pages["email:jane@x.example"].values())) < 200_000
    assert [one for one in world.leads_to if one[2] == Relation.CROWDED] == [
        ("email:jane@x.example", world.id("email:jane@x.example"), Relation.CROWDED)
    ]
    assert all(
        world.row(f"segment:anon:{number}-{'x' * 250}").origin for number in (0, 1_500, 2_999)
    )
    before = len(world.leads_to)
    world.happens("email:jane@x.example", f"segment:anon:7-{'x' * 250}")
    assert len(world.leads_to) == before  # an old one among thousands is known


def test_what_one_alias_holds_fits_a_record():
    world = World()
    for number in range(HELD_EVENTS):
        world.happens(
            ANON,
            name=f"e{number}",
            attributes={f"{n}": "x" * 500 for n in range(20)},
            url="x" * 40_000,
        )
    assert len(world.rows.heads[ANON]) < MAX_RECORD
    assert len(world.row(ANON).held) + world.row(ANON).expired == HELD_EVENTS
