"""What each vendor is asked for a notification, and what its answer becomes. All of it is pure."""

import os

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.agents.normalise import normalise
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES
from streams.sources.retrieval import Verdict, by_status, named_error
from tests.support import retrieving
from tests.support.kafka import record

EXAMPLES = int(os.environ.get("LEADSTREAM_EXAMPLES", "300"))
RETRIEVED = {name: one for name, one in SOURCES.items() if one.retrieval}
ORG = Connection(salesforce_api="https://acme.my.salesforce.com")


def wanted(vendor, body):
    return SOURCES[vendor].retrieval.wanted(body, ORG)


def answered(vendor, ask, answer):
    return SOURCES[vendor].retrieval.answers(ask, answer)


def read(vendor, body):
    """Return the events that normalise makes of a body."""
    made = normalise(record(body, headers=[("leadstream-source", vendor.encode())]), ORG)
    assert not made.rejected
    return [orjson.loads(out.value)["event"] for out in made.outs]


def test_four_vendors_are_asked_at_the_address_of_their_options_with_a_token_that_opens_no_route():
    assert set(RETRIEVED) == {"hubspot", "linkedin", "meta", "salesforce"}
    for vendor in RETRIEVED.values():
        assert vendor.retrieval.address in vendor.options
        assert vendor.retrieval.token not in vendor.secrets  # a home would make one at random


# ---------------------------------------------------------------- Meta
def test_each_lead_of_a_webhook_of_metas_is_asked_once():
    asks = wanted("meta", retrieving.META_WEBHOOK)
    assert [ask.path for ask in asks] == ["/11", "/12"]
    assert "field_data" in dict(asks[0].params)["fields"]


def test_a_lead_of_metas_is_published_as_it_came_and_names_its_address():
    (ask, _) = wanted("meta", retrieving.META_WEBHOOK)
    found = answered("meta", ask, retrieving.meta_lead("11"))
    assert found.following is None
    created, linked = read("meta", found.bodies[0])
    assert created["id"] == "meta:lead:11"
    assert linked["aliases"] == ["meta:lead:11", "email:kim@a.example"]


@pytest.mark.parametrize(
    ("status", "error", "verdict"),
    [
        (400, {"code": 190}, Verdict.TOKEN),
        (400, {"code": 200}, Verdict.TOKEN),
        (400, {"code": 4}, Verdict.LATER),
        (403, {"code": 80_005}, Verdict.LATER),
        (400, {"code": 100, "error_subcode": 33}, Verdict.GONE),
        (400, {"code": 100}, Verdict.REFUSED),
        (500, {"code": 2}, Verdict.AGAIN),
        (400, {"code": 9_000, "is_transient": True}, Verdict.AGAIN),
        (404, "no object", Verdict.GONE),
    ],
)
def test_metas_errors_differ_by_their_code(status, error, verdict):
    assert SOURCES["meta"].retrieval.judged(status, {"error": error}) is verdict


# ---------------------------------------------------------------- HubSpot
def test_hubspot_is_asked_for_contacts_that_were_made_and_for_deals_that_name_nobody():
    asks = wanted("hubspot", retrieving.HUBSPOT_DELIVERY)
    paths = [ask.path for ask in asks]
    assert paths == [
        "/crm/v3/objects/contacts/5",
        "/crm/v3/objects/deals/7",
        "/crm/v3/objects/deals/8",
    ]
    assert "email" in dict(asks[0].params)["properties"].split(",")
    assert asks[1].params == (("associations", "contacts"),)


def test_only_the_portal_of_the_token_is_asked_for_where_several_send():
    body = [
        retrieving.hubspot_event("contact.creation", 5, 1),
        retrieving.hubspot_event("contact.creation", 5, 1, portalId=34),
    ]
    asks = SOURCES["hubspot"].retrieval.wanted(body, Connection(hubspot_portal="34"))
    assert [ask.key for ask in asks] == ["34:contact:5"]


def test_a_contact_of_hubspots_is_published_with_portal_and_type_and_names_its_address():
    ask = wanted("hubspot", retrieving.HUBSPOT_DELIVERY)[0]
    found = answered("hubspot", ask, retrieving.hubspot_contact("5"))
    (body,) = found.bodies
    assert orjson.loads(body)[0].keys() == {"portalId", "objectTypeId", "object"}
    assert found.following is None
    assert read("hubspot", body)[-1]["aliases"] == ["hubspot:33:contact:5", "email:kim@a.example"]


def test_the_contacts_of_a_deal_come_page_by_page_and_each_page_says_whose_the_deal_is():
    ask = wanted("hubspot", retrieving.HUBSPOT_DELIVERY)[1]
    first = answered("hubspot", ask, retrieving.hubspot_deal("7", ["5"], after="p2"))
    assert (first.following.path, dict(first.following.params)["after"]) == (
        "/crm/v3/objects/deals/7/associations/contacts",
        "p2",
    )
    second = answered(
        "hubspot",
        first.following,
        {"results": [{"id": "6", "type": "deal_to_contact"}], "paging": {"next": {"after": "p3"}}},
    )
    page = (second.following.path, dict(second.following.params)["after"])
    assert page == (first.following.path, "p3")
    third = answered(
        "hubspot", second.following, {"results": [{"id": "9", "type": "deal_to_contact"}]}
    )
    assert third.following is None
    linked = [
        event["aliases"]
        for page in (first, second, third)
        for body in page.bodies
        for event in read("hubspot", body)
    ]
    assert linked == [[f"hubspot:33:contact:{key}", "hubspot:33:deal:7"] for key in "569"]


def test_a_next_page_of_another_host_is_not_followed():
    ask = wanted("hubspot", retrieving.HUBSPOT_DELIVERY)[1]
    deal = retrieving.hubspot_deal("7", ["5"], after="p2")
    deal["associations"]["contacts"]["paging"]["next"]["link"] = "https://elsewhere.example/steal"
    assert answered("hubspot", ask, deal).following.path.startswith("/crm/")


# ---------------------------------------------------------------- LinkedIn
def test_linkedin_is_asked_for_the_response_and_then_for_its_form():
    (ask,) = wanted(
        "linkedin",
        [
            retrieving.LINKEDIN_NOTIFICATION,
            {**retrieving.LINKEDIN_NOTIFICATION, "leadAction": "DELETED"},
        ],
    )
    assert ask.path == "/leadFormResponses/1a2b-4"
    assert dict(ask.headers)["LinkedIn-Version"].isdigit()
    first = answered("linkedin", ask, retrieving.linkedin_response("1a2b-4"))
    assert (first.bodies, first.following.path) == ((), "/leadForms/12")
    second = answered("linkedin", first.following, retrieving.LINKEDIN_FORM)
    assert second.following is None
    created, linked = read("linkedin", second.bodies[0])
    assert created["id"] == "linkedin:lead:1a2b-4"
    assert linked["aliases"] == ["linkedin:lead:1a2b-4", "email:kim@a.example"]


def test_a_response_of_linkedins_whose_form_is_gone_is_published_without_it():
    (ask,) = wanted("linkedin", retrieving.LINKEDIN_NOTIFICATION)
    form = answered("linkedin", ask, retrieving.linkedin_response("1a2b-4")).following
    assert not form.needed
    (body,) = answered("linkedin", form, None).bodies
    assert "form" not in orjson.loads(body)[0]
    # The lone address of its answers.
    assert read("linkedin", body)[1]["aliases"][-1] == "email:kim@a.example"


# ---------------------------------------------------------------- Salesforce
@pytest.mark.parametrize(
    "wrap",
    [
        lambda part: part,
        lambda part: {"data": {"payload": part}},
        lambda part: {"events": [part, part]},
    ],
)
def test_salesforce_is_asked_for_each_record_of_a_gap_event(wrap):
    asks = wanted(
        "salesforce",
        wrap(
            retrieving.salesforce_gap("GAP_UPDATE", "Lead", "00Q5f000005bwLF", "00Q5f000005bwLGEAY")
        ),
    )
    keys = [ask.path.rpartition("/")[2] for ask in asks]
    assert keys == ["00Q5f000005bwLFEAY", "00Q5f000005bwLGEAY"]
    assert asks[0].path.startswith("/services/data/v")


@pytest.mark.parametrize(
    ("change", "entity"),
    [
        ("GAP_DELETE", "Lead"),
        ("UPDATE", "Lead"),
        ("GAP_UPDATE", "Account"),
        ("GAP_OVERFLOW", "Lead"),
    ],
)
def test_salesforce_is_not_asked_for_what_the_event_says_or_no_record_can(change, entity):
    assert (
        wanted("salesforce", retrieving.salesforce_gap(change, entity, "00Q5f000005bwLFEAY")) == ()
    )


def test_a_record_of_salesforces_is_published_as_it_came():
    (ask,) = wanted(
        "salesforce", retrieving.salesforce_gap("GAP_UPDATE", "Lead", "00Q5f000005bwLFEAY")
    )
    (body,) = answered("salesforce", ask, retrieving.salesforce_lead("00Q5f000005bwLFEAY")).bodies
    assert {event["type"] for event in read("salesforce", body)} >= {
        "lead.created",
        "lead.stage_reported",
    }


def test_a_gap_event_is_a_letter_where_nobody_reads_the_record_again_and_else_counted():
    gap = retrieving.salesforce_gap("GAP_UPDATE", "Lead", "00Q5f000005bwLFEAY")
    without = SOURCES["salesforce"].normalise(gap, 1_800_000_000_000, Connection())
    with_one = SOURCES["salesforce"].normalise(gap, 1_800_000_000_000, ORG)
    kept = ("read it again" in without.rejected[0][0], with_one.rejected, with_one.ignored)
    assert kept == (True, [], ["GAP_UPDATE"])


@pytest.mark.parametrize("connection", [Connection(), ORG])
@pytest.mark.parametrize(
    ("change", "entity", "types"),
    [
        ("GAP_DELETE", "Lead", ["lead.deleted"]),
        ("GAP_UNDELETE", "Lead", ["lead.restored"]),
        ("GAP_DELETE", "Opportunity", ["opportunity.deleted"]),
        ("GAP_UNDELETE", "Opportunity", ["opportunity.restored"]),
        ("GAP_DELETE", "Task", []),
    ],
)
def test_a_gap_that_is_a_deletion_or_its_end_says_that_whether_the_record_is_read_or_not(
    change, entity, types, connection
):
    found = SOURCES["salesforce"].normalise(
        retrieving.salesforce_gap(change, entity, "00Q5f000005bwLFEAY"),
        1_800_000_000_000,
        connection,
    )
    assert ([event.type.value for event in found.events], found.rejected) == (types, [])


def test_a_record_that_came_back_is_read_again():
    assert (
        len(
            wanted(
                "salesforce",
                retrieving.salesforce_gap("GAP_UNDELETE", "Lead", "00Q5f000005bwLFEAY"),
            )
        )
        == 1
    )


def test_salesforces_limit_of_a_day_comes_as_403_and_is_no_wrong_token():
    judged = SOURCES["salesforce"].retrieval.judged
    assert judged(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]) is Verdict.LATER
    assert judged(403, [{"errorCode": "INSUFFICIENT_ACCESS"}]) is Verdict.TOKEN


# ---------------------------------------------------------------- every vendor
@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, "taken"), (401, "token"), (403, "token"), (404, "gone"), (410, "gone"),
        (429, "later"), (408, "again"), (503, "again"), (400, "refused"), (302, "refused"),
    ],
)  # fmt: skip
def test_a_status_means_what_http_says(status, verdict):
    assert by_status(status, None) == verdict


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        "no",
        {},
        {"error": "no"},
        {"error": {"message": "kim@a.example"}},
        [{"errorCode": "X" * 90}],
    ],
)
def test_an_error_is_named_by_a_word_of_the_vendors_and_never_by_a_sentence(answer):
    assert len(named_error(answer)) <= 60
    assert "@" not in named_error(answer)


@pytest.mark.parametrize("vendor", RETRIEVED)
@pytest.mark.parametrize("answer", [None, [], "text", {}, {"data": []}, {"id": None}, [{"id": 1}]])
def test_an_answer_of_another_shape_is_refused_and_publishes_nothing(vendor, answer):
    (ask, *_) = wanted(vendor, retrieving.NOTIFICATIONS[vendor])
    with pytest.raises((ValueError, LookupError, TypeError, AttributeError)):
        answered(vendor, ask, answer)


@pytest.mark.parametrize("vendor", RETRIEVED)
def test_a_retriever_wants_nothing_of_its_own_answers(vendor):
    asks, bodies = list(wanted(vendor, retrieving.NOTIFICATIONS[vendor])), []
    while asks:
        found = answered(vendor, asks[0], retrieving.answer(vendor, asks[0].path))
        bodies += found.bodies
        asks = [*([found.following] if found.following else []), *asks[1:]]
    assert bodies
    for body in bodies:
        assert wanted(vendor, orjson.loads(body)) == ()


# Words of all notifications, so that what is drawn gets further than the first look.
NAMES = st.sampled_from(
    ["entry", "changes", "field", "value", "leadgen_id", "leadAction", "leadGenFormResponse",
     "subscriptionType", "eventType", "objectId", "objectTypeId", "portalId", "propertyName",
     "ChangeEventHeader", "changeType", "entityName", "recordIds", "payload", "data", "events",
     "attributes"],
)  # fmt: skip
VALUES = st.sampled_from(
    ["leadgen", "CREATED", "urn:li:leadGenFormResponse:1a-4", "..", "7", "٣", "contact.creation",
     "deal.propertyChange", "dealstage", "object.creation", "0-3", "GAP_UPDATE", "Lead",
     "00Q5f000005bwLFEAY", "000000000000000AAA"],
)  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | VALUES | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=40,
)


def replaced(body, path, other):
    """Return a body in which one value, found by going down a path of numbers, is another."""
    if not path or not isinstance(body, (list, dict)) or not body:
        return other
    keys = list(range(len(body))) if isinstance(body, list) else sorted(body)
    key = keys[path[0] % len(keys)]
    made = body.copy()
    made[key] = replaced(body[key], path[1:], other)
    return made


@pytest.mark.parametrize("vendor", RETRIEVED)
@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_whatever_comes_wanted_does_not_raise_and_asks_for_no_id_twice(vendor, data):
    known = st.builds(
        replaced,
        st.just(retrieving.NOTIFICATIONS[vendor]),
        st.lists(st.integers(0, 5), max_size=6),
        ANY,
    )
    body = data.draw(ANY | known | st.lists(known, max_size=3))
    asks = wanted(vendor, body)
    assert len({ask.key for ask in asks}) == len(asks)
    assert len({(ask.path, ask.carried) for ask in asks}) == len(asks)
    for ask in asks:
        assert ask.path.startswith("/")
        assert ".." not in ask.path
        assert ask.path.isascii()


@pytest.mark.parametrize("vendor", RETRIEVED)
def test_a_body_that_is_nested_very_deep_is_asked_for_nothing(vendor):
    deep = {}
    for _ in range(5_000):
        deep = {"payload": deep, "entry": [deep], "data": deep}
    assert wanted(vendor, deep) == ()
