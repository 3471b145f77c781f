"""What tests share of vendors parts."""

from types import SimpleNamespace

from schemas import deadletters
from streams.agents.normalise import normalise
from streams.engine.breaker import Breakers, Limits
from streams.engine.letters import Failures, Post
from streams.engine.stateless import Stateless
from streams.engine.worker import Hooks
from streams.sources.adapter import Connection
from tests.support.kafka import record
from tests.support.records import HERE

DAY = "2026-01-31"


INSIGHT = {
    "account_id": "1",
    "date_start": DAY,
    "date_stop": DAY,
    "spend": "1.50",
    "campaign_id": "7",
}


COST = {
    "customer": {"id": "1", "currencyCode": "EUR"},
    "campaign": {"id": "7"},
    "segments": {"date": DAY},
    "metrics": {"costMicros": "1000000"},
}


CHANGE = {"field": "leadgen", "value": {"leadgen_id": "1", "created_time": 1_700_000_000}}


CONTACT = {
    "subscriptionType": "contact.creation", "portalId": 1, "objectId": 1, "eventId": 1,
    "subscriptionId": 1, "occurredAt": 1_700_000_000_000,
}  # fmt: skip


PAGE = {"type": "page", "messageId": "m", "anonymousId": "a", "timestamp": "2026-01-31T09:00:00Z"}


CLOUD = {
    "specversion": "1.0",
    "id": "1",
    "source": "shop",
    "type": "leadstream.touch",
    "data": {"email": "a@b.example", "kind": "form"},
}


SALESFORCE = {
    "ChangeEventHeader": {
        "entityName": "Lead", "changeType": "CREATE", "recordIds": ["00Q1"], "transactionKey": "t",
        "commitTimestamp": 1_700_000_000_000,
    },
    "Email": "a@b.example",
}  # fmt: skip


RESPONSE = {
    "id": "abc-5", "submittedAt": 1_700_000_000_000,
    "versionedLeadGenFormUrn": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:12,1)",
    "form": {"content": {"questions": [{"questionId": 1, "predefinedField": "EMAIL"}]}},
    "formResponse": {
        "answers": [
            {"questionId": 1, "answerDetails": {"textQuestionAnswer": {"answer": "a@b.example"}}}
        ],
    },
}  # fmt: skip


COSTS = {
    "dateRange": {
        "start": {"year": 2026, "month": 1, "day": 31},
        "end": {"year": 2026, "month": 1, "day": 31},
    },
    "pivotValues": ["urn:li:sponsoredCampaign:7"], "costInLocalCurrency": "1.50",
}  # fmt: skip


TAG = {"name": "generate_lead", "timestamp_micros": "1700000000123456", "params": {"gclid": "g"}}


ENRICHED = {
    "event_id": "e",
    "event_name": "page_view",
    "domain_userid": "d",
    "derived_tstamp": "2026-01-31T09:00:00.000Z",
}


ACTIVITY = {
    "id": 1,
    "marketoGUID": "g1",
    "leadId": 5,
    "activityDate": "2026-01-31T09:00:00Z",
    "activityTypeId": 1,
    "attributes": [],
}


PERSON = {
    "meta": {
        "action": "create", "entity": "person", "entity_id": "5", "company_id": "1",
        "timestamp": "2026-01-31T09:00:00Z",
    },
    "data": {"id": 5, "emails": [{"value": "a@b.example"}]}, "previous": None,
}  # fmt: skip


CONTEXT = {
    "MessageName": "Create", "PrimaryEntityName": "lead", "PrimaryEntityId": "5f0e-1",
    "OrganizationId": "o",
    "OperationCreatedOn": "/Date(1769850000000)/",
    "InputParameters": [
        {
            "key": "Target",
            "value": {"Attributes": [{"key": "emailaddress1", "value": "a@b.example"}]},
        },
    ],
}  # fmt: skip


BOOKING = {
    "event": "invitee.created", "created_at": "2026-01-31T09:00:00Z",
    "payload": {
        "email": "a@b.example",
        "uri": "https://api.calendly.com/scheduled_events/AAAAAA/invitees/BBBBBB",
    },
}  # fmt: skip


# source, a good part, what makes it bad, and the body of several
BODIES = {
    "google's cost rows": (
        "google",
        COST,
        {"segments": {}},
        lambda *parts: [{"results": list(parts)}],
    ),
    "meta's insights": ("meta", INSIGHT, {"spend": "much"}, lambda *parts: {"data": list(parts)}),
    "meta's changes": (
        "meta",
        CHANGE,
        {"value": {}},
        lambda *parts: {"object": "page", "entry": [{"id": "9", "changes": list(parts)}]},
    ),
    "hubspot's events": ("hubspot", CONTACT, {"occurredAt": "soon"}, lambda *parts: list(parts)),
    "segment's batch": (
        "segment",
        PAGE,
        {"timestamp": "soon"},
        lambda *parts: {"batch": list(parts)},
    ),
    "cloudevents": ("cloudevents", CLOUD, {"time": "soon"}, lambda *parts: list(parts)),
    "salesforce": ("salesforce", SALESFORCE, {"ChangeEventHeader": {}}, lambda *parts: list(parts)),
    "linkedin's responses": (
        "linkedin",
        RESPONSE,
        {"submittedAt": "soon"},
        lambda *parts: {"elements": list(parts)},
    ),
    "linkedin's costs": (
        "linkedin",
        COSTS,
        {"costInLocalCurrency": "much"},
        lambda *parts: {"elements": list(parts)},
    ),
    "ga4": (
        "ga4",
        TAG,
        {"timestamp_micros": "soon"},
        lambda *parts: {"client_id": "1.2", "events": list(parts)},
    ),
    "snowplow": ("snowplow", ENRICHED, {"derived_tstamp": "soon"}, lambda *parts: list(parts)),
    "marketo": (
        "marketo",
        ACTIVITY,
        {"activityDate": "soon"},
        lambda *parts: {"result": list(parts)},
    ),
    "pipedrive": ("pipedrive", PERSON, {"meta": {}}, lambda *parts: list(parts)),
    "dynamics": ("dynamics", CONTEXT, {"OperationCreatedOn": "soon"}, lambda *parts: list(parts)),
    "calendly": ("calendly", BOOKING, {"created_at": "soon"}, lambda *parts: list(parts)),
}


def outcome(source, value, headers=()):
    """Return the letters of one record, opened, and how many other records it became."""
    turn = lambda one: normalise(one, Connection())  # noqa: E731 - as the worker binds it
    post = Post("lead.deadletters", "normalise", lambda _record: source)
    breakers = Breakers("normalise", Limits(), "lead.parked", "lead.sources")
    worker = SimpleNamespace(
        post=post, breakers=breakers, turn=turn, hooks=Hooks(), failures=Failures("normalise")
    )
    sent = record(
        value,
        HERE.topic,
        headers=[("leadstream-source", source.encode()), *headers],
        timestamp=1_769_900_000_000,
    )
    outs = Stateless.one(worker, HERE, sent)
    letters = [out for out in outs if out.topic == "lead.deadletters"]
    return [
        (deadletters.described(out.headers), deadletters.opened(out.value)) for out in letters
    ], len(outs) - len(letters)
