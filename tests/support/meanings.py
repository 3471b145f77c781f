"""What tests share of vendors meaning."""

from schemas.events import EventType as E

AT = "2026-01-31T09:00:00Z"


GUID = "5F0E1C2D-0000-4000-8000-000000000001"


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
    listed = [
        {"name": name.replace("_", " ").title(), "value": value}
        for name, value in attributes.items()
    ]
    return {
        "id": 1, "marketoGUID": "g", "leadId": lead, "activityDate": AT, "activityTypeId": kind,
        "primaryAttributeValue": about, "primaryAttributeValueId": 88, "attributes": listed,
    }  # fmt: skip


def dynamics(message, entity, attributes=None, words=None, given=(), back=(), key=GUID):
    target = {
        "Id": key, "LogicalName": entity,
        "Attributes": [{"key": name, "value": value} for name, value in (attributes or {}).items()],
        "FormattedValues": [{"key": name, "value": value} for name, value in (words or {}).items()],
    }  # fmt: skip
    parameters = [
        {"key": "Target", "value": target},
        *({"key": name, "value": value} for name, value in dict(given).items()),
    ]
    return {
        "MessageName": message, "PrimaryEntityName": entity, "PrimaryEntityId": key,
        "OrganizationId": "ORG", "OperationCreatedOn": "/Date(1769850000000+0000)/",
        "InputParameters": parameters,
        "OutputParameters": [{"key": name, "value": value} for name, value in dict(back).items()],
    }  # fmt: skip


def calendly(event, **payload):
    uri = "https://api.calendly.com/scheduled_events/EEEEEE/invitees/IIIIII"
    return {
        "event": event,
        "created_at": AT,
        "payload": {"uri": uri, "email": "a@b.example", "created_at": AT, **payload},
    }


def ga4(name, **params):
    return {
        "client_id": "1.2",
        "timestamp_micros": "1769850000000123",
        "events": [{"name": name, "params": params}],
    }


def snowplow(name, **fields):
    return {
        "event_id": "e",
        "event_name": name,
        "domain_userid": "d1",
        "derived_tstamp": AT,
        **fields,
    }


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
    "a person was added": (
        "pipedrive", pipedrive("create", "person", {"id": 5, "emails": [{"value": "a@b.example"}]}),
        [(E.CREATED, "crm", "inbound")],
    ),
    "version 1 says it in its own words": (
        "pipedrive",
        {
            "v": 1,
            "meta": {
                "action": "added", "object": "person", "id": 5, "company_id": 1,
                "timestamp": 1769850000,
            },
            "current": {"id": 5}, "previous": None,
        },
        [(E.CREATED, "crm", "inbound")],
    ),
    "a person has another owner": (
        "pipedrive", pipedrive("change", "person", {"id": 5, "owner_id": 8}, {"owner_id": 7}),
        [(E.ASSIGNED, "8")],
    ),
    "a person has another address": (
        "pipedrive",
        pipedrive(
            "change", "person", {"id": 5, "emails": [{"value": "c@d.example"}]}, {"emails": []}
        ),
        [(E.LINKED,)],
    ),
    "a person unsubscribed": (
        "pipedrive",
        pipedrive(
            "change", "person", {"id": 5, "marketing_status": "unsubscribed"},
            {"marketing_status": "subscribed"},
        ),
        [(E.CONSENT, False)],
    ),
    "a counter of a person changed": (
        "pipedrive",
        pipedrive("change", "person", {"id": 5, "open_deals_count": 2}, {"open_deals_count": 1}),
        [],
    ),
    "a person was deleted": (
        "pipedrive", pipedrive("delete", "person", None, {"id": 5}), [(E.DELETED,)]
    ),
    "two persons became one": (
        "pipedrive", pipedrive("delete", "person", None, {"id": 5}, merged_to_id="9"), [(E.MERGE,)]
    ),
    "a deal was opened for a person": (
        "pipedrive", pipedrive("create", "deal", OPEN), [(E.LINKED,), (E.OPPORTUNITY_CREATED,)]
    ),
    "a deal moved": (
        "pipedrive", pipedrive("change", "deal", {**OPEN, "stage_id": 3}, {"stage_id": 2}),
        [(E.OPPORTUNITY_STAGE_CHANGED,)],
    ),
    "a deal was won": (
        "pipedrive", pipedrive("change", "deal", {**OPEN, "status": "won"}, {"status": "open"}),
        [(E.OPPORTUNITY_WON,)],
    ),
    "a deal was lost": (
        "pipedrive",
        pipedrive(
            "change", "deal", {**OPEN, "status": "lost", "lost_reason": "Price"},
            {"status": "open"},
        ),
        [(E.OPPORTUNITY_LOST, "Price")],
    ),
    "a lost deal was reopened": (
        "pipedrive", pipedrive("change", "deal", OPEN, {"status": "lost"}),
        [(E.OPPORTUNITY_STAGE_CHANGED,)],
    ),
    "a deal was deleted": (
        "pipedrive", pipedrive("delete", "deal", None, {"id": 5}), [(E.OPPORTUNITY_DELETED,)]
    ),
    "a call was done": (
        "pipedrive", pipedrive("change", "activity", PHONE_CALL, {"done": False}),
        [(E.TOUCH, "call", "human")],
    ),
    "a call was planned": (
        "pipedrive", pipedrive("create", "activity", {**PHONE_CALL, "done": False}), []
    ),
    "a done call was edited": (
        "pipedrive", pipedrive("change", "activity", PHONE_CALL, {"subject": "x"}), []
    ),
    "a lead came into the inbox": (
        "pipedrive", pipedrive("create", "lead", {"id": "u-1", "person_id": 3}, entity_id="u-1"),
        [(E.CREATED, "crm", "inbound")],
    ),
    "an organisation changed": (
        "pipedrive", pipedrive("change", "organization", {"id": 5}, {}), []
    ),
    # Marketo
    "somebody filled in a form": ("marketo", marketo(2, "Demo"), [(E.CREATED, "form", "inbound")]),
    "a newsletter was sent": ("marketo", marketo(6), [(E.TOUCH, "email_sent", "automated")]),
    "a salesperson wrote": ("marketo", marketo(39), [(E.TOUCH, "email", "human")]),
    "a mail program opened a mail": ("marketo", marketo(10), []),
    "a robot clicked": ("marketo", marketo(11, is_bot_activity="true"), []),
    "a person clicked": ("marketo", marketo(11), [(E.TOUCH, "email_click", "inbound")]),
    "somebody unsubscribed": ("marketo", marketo(9), [(E.CONSENT, False)]),
    "a lead's stage changed": (
        "marketo", marketo(13, "Lead Status", new_value="MQL"), [(E.STAGE_REPORTED, "MQL")]
    ),
    "a lead's stage was cleared": ("marketo", marketo(13, "Lead Status", old_value="MQL"), []),
    "another field changed": ("marketo", marketo(13, "Shoe Size", new_value="44"), []),
    "an address changed": (
        "marketo", marketo(13, "Email Address", new_value="a@b.example"), [(E.LINKED,)]
    ),
    "the score changed": (
        "marketo", marketo(22, "Lead Score", new_value="35"), [(E.SCORE_CHANGED, 35.0)]
    ),
    "some other score changed": ("marketo", marketo(22, "Product Score", new_value="35"), []),
    "two leads became one": ("marketo", marketo(32, merge_ids="[8, 9]"), [(E.MERGE,)]),
    "a lead was deleted": ("marketo", marketo(37), [(E.DELETED,)]),
    "a contact was put on a deal": (
        "marketo", marketo(34, role="Buyer", is_primary="true"), [(E.LINKED,)]
    ),
    "a contact was taken off a deal": ("marketo", marketo(35), [(E.UNMERGE,)]),
    # Dynamics
    "a lead was made": (
        "dynamics", dynamics("Create", "lead", {"emailaddress1": "a@b.example"}),
        [(E.CREATED, "crm", "inbound")],
    ),
    "a lead's status changed": (
        "dynamics",
        dynamics("Update", "lead", {"statuscode": option(2)}, {"statuscode": "Contacted"}),
        [(E.STAGE_REPORTED, "Contacted")],
    ),
    "a lead was qualified into a contact and a deal": (
        "dynamics",
        dynamics(
            "QualifyLead", "lead", given={"LeadId": reference("lead")},
            back={
                "CreatedEntities": [
                    reference("contact", "C1-1111"), reference("opportunity", "D1-1111")
                ],
            },
        ),
        [(E.STAGE_REPORTED, "Qualified"), (E.MERGE,), (E.LINKED,)],
    ),
    "a lead was disqualified": (
        "dynamics", dynamics("Update", "lead", {"statecode": option(2)}),
        [(E.STAGE_REPORTED, "Disqualified")],
    ),
    "a lead opted out": (
        "dynamics", dynamics("Update", "lead", {"donotbulkemail": True}), [(E.CONSENT, False)]
    ),
    "a lead was assigned": (
        "dynamics",
        dynamics("Assign", "lead", given={"Assignee": reference("systemuser", "U-1234")}),
        [(E.ASSIGNED, "u-1234")],
    ),
    "two contacts became one": (
        "dynamics", dynamics("Merge", "contact", given={"SubordinateId": "0A0A-1"}), [(E.MERGE,)]
    ),
    "a lead was deleted there": ("dynamics", dynamics("Delete", "lead"), [(E.DELETED,)]),
    "an opportunity was made for a contact": (
        "dynamics",
        dynamics(
            "Create", "opportunity",
            {"estimatedvalue": {"Value": 10.0}, "parentcontactid": reference("contact")},
        ),
        [(E.LINKED,), (E.OPPORTUNITY_CREATED,)],
    ),
    "an opportunity was won": (
        "dynamics",
        dynamics(
            "Win", "opportunity", given={"OpportunityClose": WON},
            key="00000000-0000-0000-0000-000000000000",
        ),
        [(E.OPPORTUNITY_WON,)],
    ),
    "a phone call was completed": (
        "dynamics", dynamics("Update", "phonecall", REGARDING), [(E.TOUCH, "call", "human")]
    ),
    "a customer called": (
        "dynamics", dynamics("Update", "phonecall", {**REGARDING, "directioncode": False}),
        [(E.TOUCH, "call", "inbound")],
    ),
    "a phone call was planned": (
        "dynamics", dynamics("Create", "phonecall", {"regardingobjectid": reference("lead")}), []
    ),
    "an account changed": ("dynamics", dynamics("Update", "account", {"name": "x"}), []),
    # Calendly
    "a meeting was booked": (
        "calendly", calendly("invitee.created"),
        [(E.CREATED, "meeting_booked", "inbound"), (E.TOUCH, "meeting", "human")],
    ),
    "a meeting was booked anew": (
        "calendly", calendly("invitee.created", old_invitee="https://api.calendly.com/x"),
        [(E.TOUCH, "meeting", "human")],
    ),
    "a meeting was cancelled": (
        "calendly", calendly("invitee.canceled", cancellation={"reason": "ill"}), [(E.VOID, "ill")]
    ),
    "nobody came": ("calendly", calendly("invitee_no_show.created"), [(E.VOID, "no-show")]),
    # GA4
    "a lead was generated": ("ga4", ga4("generate_lead"), [(E.CREATED, "form", "inbound")]),
    "a page was seen": (
        "ga4", ga4("page_view", page_location="https://a.example/x?gclid=g7"),
        [(E.TOUCH, "page_view", "inbound")],
    ),
    "a page stayed open": ("ga4", ga4("user_engagement"), []),
    "a lead was disqualified by analytics": (
        "ga4", ga4("disqualify_lead", disqualified_lead_reason="no budget"),
        [(E.STAGE_REPORTED, "disqualify_lead", "no budget")],
    ),
    # Snowplow
    "a form with an address was sent": (
        "snowplow",
        snowplow(
            "submit_form",
            unstruct_event_com_snowplowanalytics_snowplow_submit_form_1={
                "formId": "demo", "elements": [{"name": "email", "value": "a@b.example"}]
            },
        ),
        [(E.CREATED, "demo_form", "inbound")],
    ),
    "a search was sent": (
        "snowplow",
        snowplow(
            "submit_form",
            unstruct_event_com_snowplowanalytics_snowplow_submit_form_1={
                "formId": "search", "elements": []
            },
        ),
        [(E.TOUCH, "form", "inbound")],
    ),
    "a page pinged": ("snowplow", snowplow("page_ping"), []),
    "a robot saw a page": (
        "snowplow",
        snowplow(
            "page_view", contexts_com_iab_snowplow_spiders_and_robots_1=[{"spiderOrRobot": True}]
        ),
        [],
    ),
    "a structured event has its action's name": (
        "snowplow", snowplow("event", se_action="play"), [(E.TOUCH, "play", "inbound")]
    ),
}  # fmt: skip
