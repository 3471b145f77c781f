"""Notifications that carry only an id, and the vendors' documented answers (synthetic)."""

META_WEBHOOK = {
    "object": "page",
    "entry": [
        {
            "id": "1",
            "time": 1_790_000_000,
            "changes": [
                {"field": "leadgen", "value": {"leadgen_id": "11", "created_time": 1_790_000_000}},
                {"field": "leadgen", "value": {"leadgen_id": 11, "created_time": 1_790_000_000}},
                {"field": "feed", "value": {"leadgen_id": "13"}},
                {"field": "leadgen"},
                {"field": "leadgen", "value": {"leadgen_id": "me", "created_time": 1_790_000_000}},
            ],
        },
        "no entry",
        {
            "id": "2",
            "changes": [
                {"field": "leadgen", "value": {"leadgen_id": "12", "created_time": 1_790_000_001}}
            ],
        },
    ],
}


def hubspot_event(kind, key, number, **more):
    return {
        "eventId": number,
        "subscriptionId": 1,
        "portalId": 33,
        "occurredAt": 1_790_000_000_000,
        "subscriptionType": kind,
        "objectId": key,
        **more,
    }


HUBSPOT_DELIVERY = [
    hubspot_event("contact.creation", 5, 1),
    hubspot_event("contact.creation", 5, 1, attemptNumber=1),
    hubspot_event(
        "contact.propertyChange", 6, 2, propertyName="email", propertyValue="a@b.example"
    ),
    hubspot_event("deal.creation", 7, 3),
    hubspot_event("deal.propertyChange", 7, 4, propertyName="dealstage", propertyValue="won"),
    hubspot_event("deal.propertyChange", 10, 5, propertyName="hs_score", propertyValue="1"),
    hubspot_event("object.creation", 8, 6, objectTypeId="0-3"),
    hubspot_event("company.creation", 9, 7),
    {"objectId": 9},
]
LINKEDIN_NOTIFICATION = {
    "type": "LEAD_ACTION",
    "leadGenFormResponse": "urn:li:leadGenFormResponse:1a2b-4",
    "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:12,1)",
    "owner": {"sponsoredAccount": "urn:li:sponsoredAccount:1"},
    "leadAction": "CREATED",
    "occurredAt": 1_790_000_000_000,
}
LINKEDIN_FORM = {"content": {"questions": [{"questionId": 1, "predefinedField": "EMAIL"}]}}


def salesforce_gap(change, entity, *keys):
    return {
        "ChangeEventHeader": {
            "entityName": entity,
            "recordIds": list(keys),
            "changeType": change,
            "transactionKey": "t-1",
            "sequenceNumber": 1,
            "commitTimestamp": 1_790_000_000_000,
        },
        "Status": None,
    }


NOTIFICATIONS = {
    "meta": META_WEBHOOK,
    "hubspot": HUBSPOT_DELIVERY,
    "linkedin": LINKEDIN_NOTIFICATION,
    "salesforce": salesforce_gap("GAP_UPDATE", "Lead", "00Q5f000005bwLFEAY"),
}


def meta_lead(key):
    return {
        "id": key,
        "created_time": "2026-09-21T13:33:20+0000",
        "form_id": "3",
        "field_data": [{"name": "email", "values": ["kim@a.example"]}],
    }


def hubspot_contact(key):
    return {
        "id": key,
        "properties": {"email": "kim@a.example", "company": "Acme"},
        "createdAt": "2026-09-21T13:33:20.000Z",
        "updatedAt": "2026-09-21T13:33:21.000Z",
        "archived": False,
    }


def hubspot_deal(key, contacts, after=None):
    results = [{"id": one, "type": "deal_to_contact"} for one in contacts]
    paging = {"paging": {"next": {"after": after, "link": "https://x.example"}}} if after else {}
    return {
        "id": key,
        "properties": {},
        "createdAt": "2026-09-21T13:33:20.000Z",
        "updatedAt": "2026-09-21T13:33:21.000Z",
        "associations": {"contacts": {"results": results, **paging}},
    }


def linkedin_response(key):
    text = {"textQuestionAnswer": {"answer": "kim@a.example"}}
    return {
        "id": key,
        "submittedAt": 1_790_000_000_000,
        "versionedLeadGenFormUrn": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:12,1)",
        "formResponse": {"answers": [{"questionId": 1, "answerDetails": text}]},
    }


def salesforce_lead(key):
    return {
        "attributes": {"type": "Lead", "url": f"/services/data/v60.0/sobjects/Lead/{key}"},
        "Id": key,
        "Email": "kim@a.example",
        "Status": "Open",
        "CreatedDate": "2026-09-21T13:33:20.000+0000",
        "SystemModstamp": "2026-09-21T13:33:21.000+0000",
    }


def answer(vendor, path):
    """Answer a GET of a path as the vendor's API would."""
    key = path.rpartition("/")[2]
    match vendor:
        case "meta":
            return meta_lead(key)
        case "hubspot" if path.endswith("/associations/contacts"):
            return {"results": [{"id": "6", "type": "deal_to_contact"}]}
        case "hubspot" if "/deals/" in path:
            return hubspot_deal(key, ["5"], after="p2")
        case "hubspot":
            return hubspot_contact(key)
        case "linkedin":
            return LINKEDIN_FORM if "leadForms" in path else linkedin_response(key)
        case "salesforce":
            return salesforce_lead(key)
    raise LookupError(vendor)
