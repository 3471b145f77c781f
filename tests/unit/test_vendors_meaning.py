"""What bodies of CRM, marketing and web systems mean: a row for each thing somebody there does."""

import pytest

from schemas.events import EventType as E
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES
from tests.support.meanings import (
    AT,
    GUID,
    OPEN,
    ROWS,
    calendly,
    dynamics,
    ga4,
    marketo,
    pipedrive,
)

RECEIVED = 1_795_000_000_000


def read(vendor, body, **options):
    return SOURCES[vendor].normalise(body, RECEIVED, Connection(**options))


def meaning(found):
    """Return what an event means, shortly: its type, and what tells it from others of that type."""
    parts = (
        found.kind,
        found.direction,
        found.stage,
        found.reason,
        found.granted,
        found.score,
        found.owner,
    )
    return (found.type, *(part for part in parts if part is not None))


@pytest.mark.parametrize(("vendor", "body", "wanted"), ROWS.values(), ids=ROWS)
def test_a_vendors_body_means_what_a_person_there_did(vendor, body, wanted):
    found = read(vendor, body)
    assert [meaning(event) for event in found.events] == wanted
    assert found.rejected == []
    assert found.events or found.ignored, "what is known and not ours is counted"


def test_who_a_body_names_is_written_as_identity_reads_it():
    named = {
        "pipedrive": read(
            "pipedrive",
            pipedrive("create", "person", {"id": 5, "emails": [{"value": "A@B.example"}]}),
        ),
        "marketo": read("marketo", marketo(32, merge_ids=["8"]), marketo_account="123-ABC"),
        "dynamics": read("dynamics", dynamics("Create", "lead", {"emailaddress1": "a@b.example"})),
        "calendly": read("calendly", calendly("invitee.created")),
    }
    assert {vendor: found.events[0].aliases for vendor, found in named.items()} == {
        "pipedrive": ("pipedrive:1:person:5", "email:a@b.example"),
        "marketo": ("marketo:123-ABC:lead:7", "marketo:123-ABC:lead:8"),
        "dynamics": (f"dynamics:org:lead:{GUID.lower()}", "email:a@b.example"),
        "calendly": ("email:a@b.example", "calendly:anon:IIIIII"),
    }


def test_a_retry_of_pipedrive_is_the_same_event_and_another_change_is_another():
    change = pipedrive("change", "deal", {**OPEN, "stage_id": 3}, {"stage_id": 2}, attempt=1)
    again = pipedrive("change", "deal", {**OPEN, "stage_id": 3}, {"stage_id": 2}, attempt=2)
    other = pipedrive("change", "deal", {**OPEN, "stage_id": 4}, {"stage_id": 3}, attempt=1)
    one, two, three = (read("pipedrive", body).events[0].id for body in (change, again, other))
    assert one == two != three


def test_a_cancelled_meeting_takes_back_the_meeting_and_no_more():
    booked, meeting = read("calendly", calendly("invitee.created")).events
    (gone,) = read("calendly", calendly("invitee.canceled")).events
    assert gone.voids == meeting.id != booked.id


def test_a_body_of_dynamics_that_was_too_large_says_that_the_record_must_be_read_again():
    body = {**dynamics("Update", "lead"), "InputParameters": None}
    found = read("dynamics", body)
    assert found.events == []
    assert "read it again" in found.rejected[0][0]


def test_two_equal_events_of_one_ga4_body_are_two_and_the_body_sent_again_is_the_same_two():
    body = ga4("page_view")
    body["events"] *= 2
    one, two = (read("ga4", body).events for _ in range(2))
    assert len({event.id for event in one}) == 2
    assert [event.id for event in one] == [event.id for event in two]


def test_lines_of_snowplow_are_read_each_by_itself():
    bad = "a\tb"
    found = SOURCES["snowplow"].normalise(
        SOURCES["snowplow"].decode(f"{bad}\n{bad}\n".encode()), RECEIVED, Connection()
    )
    assert [reason for reason, _ in found.rejected] == [
        "2 columns, and an enriched event has 131"
    ] * 2


def test_linkedins_costs_by_day_are_spend_and_a_longer_row_is_refused():
    day = {"year": 2026, "month": 1, "day": 31}
    row = {
        "dateRange": {"start": day, "end": day},
        "pivotValues": ["urn:li:sponsoredCampaign:7"],
        "costInLocalCurrency": "12.50",
        "clicks": 3,
    }
    week = {**row, "dateRange": {"start": day, "end": {**day, "month": 2, "day": 6}}}
    found = read(
        "linkedin", {"elements": [row, week]}, linkedin_account="9", linkedin_currency="USD"
    )
    (cost,) = found.spend
    assert (
        cost.platform,
        cost.account,
        cost.campaign,
        cost.amount,
        cost.currency,
        cost.clicks,
    ) == (
        "linkedin",
        "9",
        "7",
        "12.5",
        "USD",
        3,
    )
    assert "is no day" in found.rejected[0][0]


def test_records_as_the_crms_apis_give_them_say_who_somebody_is():
    hubspot = {
        "id": "5",
        "properties": {"email": "a@b.example", "company": "Acme"},
        "createdAt": AT,
        "updatedAt": AT,
    }
    found = read("hubspot", [{"portalId": 1, "objectTypeId": "0-1", "object": hubspot}]).events
    assert [event.type for event in found] == [E.CREATED, E.LINKED]
    assert found[1].aliases == ("hubspot:1:contact:5", "email:a@b.example")
    deal = {
        "id": "7",
        "properties": {},
        "updatedAt": AT,
        "associations": {"contacts": {"results": [{"id": "5", "type": "deal_to_contact"}]}},
    }
    (linked,) = read("hubspot", [{"portalId": 1, "objectTypeId": "0-3", "object": deal}]).events
    assert (linked.aliases, linked.deal.id) == (
        ("hubspot:1:contact:5", "hubspot:1:deal:7"),
        "hubspot:1:deal:7",
    )


def test_a_webhook_and_the_record_that_is_read_afterwards_make_one_creation():
    webhook = [
        {
            "subscriptionType": "contact.creation",
            "portalId": 1,
            "objectId": 5,
            "eventId": 1,
            "subscriptionId": 1,
            "occurredAt": 1,
        }
    ]
    record = [
        {
            "portalId": 1,
            "objectTypeId": "0-1",
            "object": {"id": 5, "properties": {}, "createdAt": AT, "updatedAt": AT},
        }
    ]
    assert read("hubspot", webhook).events[0].id == read("hubspot", record).events[0].id


def test_a_cost_of_any_platform_comes_as_a_cloudevent_and_a_wrong_field_is_named():
    cost = {
        "platform": "fair",
        "account": "1",
        "day": "2026-01-31",
        "amount": "900.50",
        "currency": "EUR",
    }
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": "shop",
        "type": "leadstream.spend",
        "data": cost,
    }
    found = read(
        "cloudevents",
        [
            event,
            {**event, "data": {**cost, "curency": "EUR"}},
            {**event, "data": {**cost, "amount": "much"}},
        ],
    )
    assert [(one.platform, one.amount) for one in found.spend] == [("fair", "900.50")]
    assert found.rejected[0][0] == "curency: no field of ours; did you mean currency?"
    assert found.rejected[1][0].startswith("amount: ")


def test_a_time_in_another_unit_is_refused_for_what_it_is_and_costs_no_other_part():
    """It was written as a number of more than 64 bits, and took the whole body with it."""
    good, wrong = (dynamics("Create", "lead", {"emailaddress1": "a@b.example"}) for _ in range(2))
    found = read(
        "salesforce",
        [
            {
                "ChangeEventHeader": {
                    "entityName": "Lead",
                    "changeType": "CREATE",
                    "recordIds": ["00Q1"],
                    "commitTimestamp": 10**20,
                }
            }
        ],
    )
    assert found.events == []
    assert found.rejected[0][0].startswith("its time lies beyond the year 9999, if it is in ms: ")
    found = read("dynamics", [good, {**wrong, "OperationCreatedOn": "/Date(999999999999999)/"}])
    assert (len(found.events), len(found.rejected)) == (1, 1)


def test_a_salesforce_record_that_was_merged_away_is_part_of_the_one_that_is_left():
    gone = {
        "attributes": {"type": "Lead"},
        "Id": "00Q5g000001AbCd",
        "IsDeleted": True,
        "MasterRecordId": "00Q5g000001AbCe",
        "SystemModstamp": AT,
    }
    (merged,) = read("salesforce", gone).events
    assert (merged.type, [alias[:35] for alias in merged.aliases]) == (
        E.MERGE,
        ["salesforce:default:lead:00Q5g000001", "salesforce:default:lead:00Q5g000001"],
    )
    (deleted,) = read("salesforce", {**gone, "MasterRecordId": None}).events
    assert deleted.type == E.DELETED
