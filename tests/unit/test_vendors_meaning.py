"""What bodies of CRM, marketing and web systems mean: a row for each thing that somebody there does."""

import pytest

from schemas.events import EventType as E
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES

RECEIVED = 1_795_000_000_000
AT = "2026-01-31T09:00:00Z"
GUID = "5F0E1C2D-0000-4000-8000-000000000001"


def read(vendor, body, **options):
    return SOURCES[vendor].normalise(body, RECEIVED, Connection(**options))


def meaning(found):
    """Give what an event means, shortly: its type, and what tells it from others of that type."""
    parts = (found.kind, found.direction, found.stage, found.reason, found.granted, found.score, found.owner)
    return (found.type, *(part for part in parts if part is not None))


def pipedrive(action, entity, now, before=None, **meta):
    stated = {
        "action": action,
        "entity": entity,
        "entity_id": "5",
        "company_id": "1",
        "timestamp": AT,
        "host": "acme.example",
    }
    return {"meta": {**stated, **meta}, "data": now, "previous": before}


def marketo(kind, about=None, lead=7, **attributes):
    listed = [{"name": name.replace("_", " ").title(), "value": value} for name, value in attributes.items()]
    return {
        "id": 1, "marketoGUID": "g", "leadId": lead, "activityDate": AT, "activityTypeId": kind, "primaryAttributeValue": about,
        "primaryAttributeValueId": 88, "attributes": listed,
    }  # fmt: skip


def dynamics(message, entity, attributes=None, words=None, given=(), back=(), key=GUID):
    target = {
        "Id": key, "LogicalName": entity, "Attributes": [{"key": name, "value": value} for name, value in (attributes or {}).items()],
        "FormattedValues": [{"key": name, "value": value} for name, value in (words or {}).items()],
    }  # fmt: skip
    parameters = [
        {"key": "Target", "value": target},
        *({"key": name, "value": value} for name, value in dict(given).items()),
    ]
    return {
        "MessageName": message, "PrimaryEntityName": entity, "PrimaryEntityId": key, "OrganizationId": "ORG", "OperationCreatedOn": "/Date(1769850000000+0000)/",
        "InputParameters": parameters, "OutputParameters": [{"key": name, "value": value} for name, value in dict(back).items()],
    }  # fmt: skip


def calendly(event, **payload):
    uri = "https://api.calendly.com/scheduled_events/EEEEEE/invitees/IIIIII"
    return {
        "event": event,
        "created_at": AT,
        "payload": {"uri": uri, "email": "a@b.example", "created_at": AT, **payload},
    }


def ga4(name, **params):
    return {"client_id": "1.2", "timestamp_micros": "1769850000000123", "events": [{"name": name, "params": params}]}


def snowplow(name, **fields):
    return {"event_id": "e", "event_name": name, "domain_userid": "d1", "derived_tstamp": AT, **fields}


def reference(kind, key=GUID):
    return {"__type": "EntityReference", "Id": key, "LogicalName": kind}


def option(value):
    return {"__type": "OptionSetValue", "Value": value}


OPEN = {"id": 5, "status": "open", "stage_id": 2, "value": 900, "currency": "EUR", "person_id": 3}
PHONE_CALL = {"id": 5, "type": "call", "person_id": 3, "done": True}
REGARDING = {"regardingobjectid": reference("lead"), "statecode": option(1)}
WON = {
    "Attributes": [
        {"key": "actualrevenue", "value": {"Value": 1200.0}},
        {"key": "opportunityid", "value": reference("opportunity")},
    ]
}

ROWS = {
    # Pipedrive
    "a person was added": ("pipedrive", pipedrive("create", "person", {"id": 5, "emails": [{"value": "a@b.example"}]}), [(E.CREATED, "crm", "inbound")]),
    "version 1 says it in its own words": (
        "pipedrive",
        {"v": 1, "meta": {"action": "added", "object": "person", "id": 5, "company_id": 1, "timestamp": 1769850000}, "current": {"id": 5}, "previous": None},
        [(E.CREATED, "crm", "inbound")],
    ),
    "a person has another owner": ("pipedrive", pipedrive("change", "person", {"id": 5, "owner_id": 8}, {"owner_id": 7}), [(E.ASSIGNED, "8")]),
    "a person has another address": (
        "pipedrive", pipedrive("change", "person", {"id": 5, "emails": [{"value": "c@d.example"}]}, {"emails": []}), [(E.LINKED,)],
    ),
    "a person unsubscribed": (
        "pipedrive", pipedrive("change", "person", {"id": 5, "marketing_status": "unsubscribed"}, {"marketing_status": "subscribed"}), [(E.CONSENT, False)],
    ),
    "a counter of a person changed": ("pipedrive", pipedrive("change", "person", {"id": 5, "open_deals_count": 2}, {"open_deals_count": 1}), []),
    "a person was deleted": ("pipedrive", pipedrive("delete", "person", None, {"id": 5}), [(E.DELETED,)]),
    "two persons became one": ("pipedrive", pipedrive("delete", "person", None, {"id": 5}, merged_to_id="9"), [(E.MERGE,)]),
    "a deal was opened for a person": ("pipedrive", pipedrive("create", "deal", OPEN), [(E.LINKED,), (E.OPPORTUNITY_CREATED,)]),
    "a deal moved": ("pipedrive", pipedrive("change", "deal", {**OPEN, "stage_id": 3}, {"stage_id": 2}), [(E.OPPORTUNITY_STAGE_CHANGED,)]),
    "a deal was won": ("pipedrive", pipedrive("change", "deal", {**OPEN, "status": "won"}, {"status": "open"}), [(E.OPPORTUNITY_WON,)]),
    "a deal was lost": (
        "pipedrive", pipedrive("change", "deal", {**OPEN, "status": "lost", "lost_reason": "Price"}, {"status": "open"}), [(E.OPPORTUNITY_LOST, "Price")],
    ),
    "a lost deal was reopened": ("pipedrive", pipedrive("change", "deal", OPEN, {"status": "lost"}), [(E.OPPORTUNITY_STAGE_CHANGED,)]),
    "a deal was deleted": ("pipedrive", pipedrive("delete", "deal", None, {"id": 5}), [(E.OPPORTUNITY_DELETED,)]),
    "a call was done": ("pipedrive", pipedrive("change", "activity", PHONE_CALL, {"done": False}), [(E.TOUCH, "call", "human")]),
    "a call was planned": ("pipedrive", pipedrive("create", "activity", {**PHONE_CALL, "done": False}), []),
    "a done call was edited": ("pipedrive", pipedrive("change", "activity", PHONE_CALL, {"subject": "x"}), []),
    "a lead came into the inbox": ("pipedrive", pipedrive("create", "lead", {"id": "u-1", "person_id": 3}, entity_id="u-1"), [(E.CREATED, "crm", "inbound")]),
    "an organisation changed": ("pipedrive", pipedrive("change", "organization", {"id": 5}, {}), []),
    # Marketo
    "somebody filled in a form": ("marketo", marketo(2, "Demo"), [(E.CREATED, "form", "inbound")]),
    "a newsletter was sent": ("marketo", marketo(6), [(E.TOUCH, "email_sent", "automated")]),
    "a salesperson wrote": ("marketo", marketo(39), [(E.TOUCH, "email", "human")]),
    "a mail program opened a mail": ("marketo", marketo(10), []),
    "a robot clicked": ("marketo", marketo(11, is_bot_activity="true"), []),
    "a person clicked": ("marketo", marketo(11), [(E.TOUCH, "email_click", "inbound")]),
    "somebody unsubscribed": ("marketo", marketo(9), [(E.CONSENT, False)]),
    "a lead's stage changed": ("marketo", marketo(13, "Lead Status", new_value="MQL"), [(E.STAGE_REPORTED, "MQL")]),
    "a lead's stage was cleared": ("marketo", marketo(13, "Lead Status", old_value="MQL"), []),
    "another field changed": ("marketo", marketo(13, "Shoe Size", new_value="44"), []),
    "an address changed": ("marketo", marketo(13, "Email Address", new_value="a@b.example"), [(E.LINKED,)]),
    "the score changed": ("marketo", marketo(22, "Lead Score", new_value="35"), [(E.SCORE_CHANGED, 35.0)]),
    "some other score changed": ("marketo", marketo(22, "Product Score", new_value="35"), []),
    "two leads became one": ("marketo", marketo(32, merge_ids="[8, 9]"), [(E.MERGE,)]),
    "a lead was deleted": ("marketo", marketo(37), [(E.DELETED,)]),
    "a contact was put on a deal": ("marketo", marketo(34, role="Buyer", is_primary="true"), [(E.LINKED,)]),
    "a contact was taken off a deal": ("marketo", marketo(35), [(E.UNMERGE,)]),
    # Dynamics
    "a lead was made": ("dynamics", dynamics("Create", "lead", {"emailaddress1": "a@b.example"}), [(E.CREATED, "crm", "inbound")]),
    "a lead's status changed": ("dynamics", dynamics("Update", "lead", {"statuscode": option(2)}, {"statuscode": "Contacted"}), [(E.STAGE_REPORTED, "Contacted")]),
    "a lead was qualified into a contact and a deal": (
        "dynamics",
        dynamics("QualifyLead", "lead", given={"LeadId": reference("lead")}, back={"CreatedEntities": [reference("contact", "C1-1111"), reference("opportunity", "D1-1111")]}),
        [(E.STAGE_REPORTED, "Qualified"), (E.MERGE,), (E.LINKED,)],
    ),
    "a lead was disqualified": ("dynamics", dynamics("Update", "lead", {"statecode": option(2)}), [(E.STAGE_REPORTED, "Disqualified")]),
    "a lead opted out": ("dynamics", dynamics("Update", "lead", {"donotbulkemail": True}), [(E.CONSENT, False)]),
    "a lead was assigned": ("dynamics", dynamics("Assign", "lead", given={"Assignee": reference("systemuser", "U-1234")}), [(E.ASSIGNED, "u-1234")]),
    "two contacts became one": ("dynamics", dynamics("Merge", "contact", given={"SubordinateId": "0A0A-1"}), [(E.MERGE,)]),
    "a lead was deleted there": ("dynamics", dynamics("Delete", "lead"), [(E.DELETED,)]),
    "an opportunity was made for a contact": (
        "dynamics", dynamics("Create", "opportunity", {"estimatedvalue": {"Value": 10.0}, "parentcontactid": reference("contact")}), [(E.LINKED,), (E.OPPORTUNITY_CREATED,)],
    ),
    "an opportunity was won": (
        "dynamics", dynamics("Win", "opportunity", given={"OpportunityClose": WON}, key="00000000-0000-0000-0000-000000000000"), [(E.OPPORTUNITY_WON,)],
    ),
    "a phone call was completed": ("dynamics", dynamics("Update", "phonecall", REGARDING), [(E.TOUCH, "call", "human")]),
    "a customer called": ("dynamics", dynamics("Update", "phonecall", {**REGARDING, "directioncode": False}), [(E.TOUCH, "call", "inbound")]),
    "a phone call was planned": ("dynamics", dynamics("Create", "phonecall", {"regardingobjectid": reference("lead")}), []),
    "an account changed": ("dynamics", dynamics("Update", "account", {"name": "x"}), []),
    # Calendly
    "a meeting was booked": ("calendly", calendly("invitee.created"), [(E.CREATED, "meeting_booked", "inbound"), (E.TOUCH, "meeting", "human")]),
    "a meeting was booked anew": ("calendly", calendly("invitee.created", old_invitee="https://api.calendly.com/x"), [(E.TOUCH, "meeting", "human")]),
    "a meeting was cancelled": ("calendly", calendly("invitee.canceled", cancellation={"reason": "ill"}), [(E.VOID, "ill")]),
    "nobody came": ("calendly", calendly("invitee_no_show.created"), [(E.VOID, "no-show")]),
    # GA4
    "a lead was generated": ("ga4", ga4("generate_lead"), [(E.CREATED, "form", "inbound")]),
    "a page was seen": ("ga4", ga4("page_view", page_location="https://a.example/x?gclid=g7"), [(E.TOUCH, "page_view", "inbound")]),
    "a page stayed open": ("ga4", ga4("user_engagement"), []),
    "a lead was disqualified by analytics": ("ga4", ga4("disqualify_lead", disqualified_lead_reason="no budget"), [(E.STAGE_REPORTED, "disqualify_lead", "no budget")]),
    # Snowplow
    "a form with an address was sent": (
        "snowplow",
        snowplow("submit_form", unstruct_event_com_snowplowanalytics_snowplow_submit_form_1={"formId": "demo", "elements": [{"name": "email", "value": "a@b.example"}]}),
        [(E.CREATED, "demo_form", "inbound")],
    ),
    "a search was sent": (
        "snowplow", snowplow("submit_form", unstruct_event_com_snowplowanalytics_snowplow_submit_form_1={"formId": "search", "elements": []}), [(E.TOUCH, "form", "inbound")],
    ),
    "a page pinged": ("snowplow", snowplow("page_ping"), []),
    "a robot saw a page": ("snowplow", snowplow("page_view", contexts_com_iab_snowplow_spiders_and_robots_1=[{"spiderOrRobot": True}]), []),
    "a structured event has its action's name": ("snowplow", snowplow("event", se_action="play"), [(E.TOUCH, "play", "inbound")]),
}  # fmt: skip


@pytest.mark.parametrize(("vendor", "body", "wanted"), ROWS.values(), ids=ROWS)
def test_a_vendors_body_means_what_a_person_there_did(vendor, body, wanted):
    found = read(vendor, body)
    assert [meaning(event) for event in found.events] == wanted
    assert found.rejected == []
    assert found.events or found.ignored, "what is known and not ours is counted"


def test_who_a_body_names_is_written_as_identity_reads_it():
    named = {
        "pipedrive": read("pipedrive", pipedrive("create", "person", {"id": 5, "emails": [{"value": "A@B.example"}]})),
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
    assert [reason for reason, _ in found.rejected] == ["2 columns, and an enriched event has 131"] * 2


def test_linkedins_costs_by_day_are_spend_and_a_longer_row_is_refused():
    day = {"year": 2026, "month": 1, "day": 31}
    row = {
        "dateRange": {"start": day, "end": day},
        "pivotValues": ["urn:li:sponsoredCampaign:7"],
        "costInLocalCurrency": "12.50",
        "clicks": 3,
    }
    week = {**row, "dateRange": {"start": day, "end": {**day, "month": 2, "day": 6}}}
    found = read("linkedin", {"elements": [row, week]}, linkedin_account="9", linkedin_currency="USD")
    (cost,) = found.spend
    assert (cost.platform, cost.account, cost.campaign, cost.amount, cost.currency, cost.clicks) == (
        "linkedin",
        "9",
        "7",
        "12.5",
        "USD",
        3,
    )
    assert "is no day" in found.rejected[0][0]


def test_records_as_the_crms_apis_give_them_say_who_somebody_is():
    hubspot = {"id": "5", "properties": {"email": "a@b.example", "company": "Acme"}, "createdAt": AT, "updatedAt": AT}
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
    assert (linked.aliases, linked.deal.id) == (("hubspot:1:contact:5", "hubspot:1:deal:7"), "hubspot:1:deal:7")


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
        {"portalId": 1, "objectTypeId": "0-1", "object": {"id": 5, "properties": {}, "createdAt": AT, "updatedAt": AT}}
    ]
    assert read("hubspot", webhook).events[0].id == read("hubspot", record).events[0].id


def test_a_cost_of_any_platform_comes_as_a_cloudevent_and_a_wrong_field_is_named():
    cost = {"platform": "fair", "account": "1", "day": "2026-01-31", "amount": "900.50", "currency": "EUR"}
    event = {"specversion": "1.0", "id": "1", "source": "shop", "type": "leadstream.spend", "data": cost}
    found = read("cloudevents", [event, {**event, "data": {**cost, "curency": "EUR"}}, {**event, "data": {**cost, "amount": "much"}}])
    assert [(one.platform, one.amount) for one in found.spend] == [("fair", "900.50")]
    assert found.rejected[0][0] == "curency: no field of ours; did you mean currency?"
    assert found.rejected[1][0].startswith("amount: ")


def test_a_time_in_another_unit_is_refused_for_what_it_is_and_costs_no_other_part():
    """It was written as a number of more than 64 bits, and took the whole body with it."""
    good, wrong = (dynamics("Create", "lead", {"emailaddress1": "a@b.example"}) for _ in range(2))
    found = read("salesforce", [{"ChangeEventHeader": {"entityName": "Lead", "changeType": "CREATE", "recordIds": ["00Q1"], "commitTimestamp": 10**20}}])
    assert found.events == []
    assert found.rejected[0][0].startswith("its time lies beyond the year 9999, if it is in ms: ")
    found = read("dynamics", [good, {**wrong, "OperationCreatedOn": "/Date(999999999999999)/"}])
    assert (len(found.events), len(found.rejected)) == (1, 1)


def test_a_salesforce_record_that_was_merged_away_is_part_of_the_one_that_is_left():
    gone = {"attributes": {"type": "Lead"}, "Id": "00Q5g000001AbCd", "IsDeleted": True, "MasterRecordId": "00Q5g000001AbCe", "SystemModstamp": AT}
    (merged,) = read("salesforce", gone).events
    assert (merged.type, [alias[:35] for alias in merged.aliases]) == (E.MERGE, ["salesforce:default:lead:00Q5g000001", "salesforce:default:lead:00Q5g000001"])
    (deleted,) = read("salesforce", {**gone, "MasterRecordId": None}).events
    assert deleted.type == E.DELETED
