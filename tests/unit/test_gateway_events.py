"""What a sender of CloudEvents learns of each event: its id, the wrong field, and a suggestion."""

import gzip
import json

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from streams.agents.normalise import normalise
from streams.intake.judging import wrong
from streams.sources.adapter import Connection, decoded
from tests.support.gateways import BEARER, EVENT, Gateway, events, problem
from tests.support.kafka import record
from tests.support.spoiling import JUNK, spoiled

DATA = EVENT["data"]
WITHOUT = {name: value for name, value in EVENT.items() if name != "type"}


def refusal(event, headers=None):
    """Post one event that is wrong; return what is said about it."""
    gateway = Gateway()
    answer = events(gateway, event, headers)
    detail = problem(answer, 422)
    assert not gateway.producer.records
    (refused,) = answer.json()["refused"]
    assert detail == f"no event of it can be taken: {refused['reason']}"
    assert refused["field"] in refused["reason"]
    return refused


@pytest.mark.parametrize(
    ("event", "field", "hint"),
    [
        ({**EVENT, "type": "leadstream.lead.craeted"}, "type", "leadstream.lead.created"),
        ({**EVENT, "type": "lead.created"}, "type", "leadstream.lead.created"),
        ({**EVENT, "type": "something.else"}, "type", ""),
        ({**EVENT, "data": {"emial": "a@example.com"}}, "data.emial", "email"),
        ({**EVENT, "data": {"kind": "form"}}, "data", ""),
        ({**EVENT, "data": {**DATA, "emial": "b@example.com"}}, "data.emial", "email"),
        (
            {**EVENT, "data": {**DATA, "deal": {"id": "1", "amuont": "5"}}},
            "data.deal.amuont",
            "amount",
        ),
        (
            {**EVENT, "data": {**DATA, "marketing": {"utm_sorce": "x"}}},
            "data.marketing.utm_sorce",
            "utm_source",
        ),
        ({**EVENT, "data": {**DATA, "direction": "inbuond"}}, "data.direction", "inbound"),
        ({**EVENT, "data": {**DATA, "score": "many"}}, "data.score", ""),
        ({**EVENT, "data": {**DATA, "type": "touch"}}, "data.type", "type"),
        ({**EVENT, "data": {**DATA, "occurred_at": 5}}, "data.occurred_at", "time"),
        ({**EVENT, "data": "text"}, "data", ""),
        ({**EVENT, "time": "yesterday"}, "time", ""),
        ({**EVENT, "time": "1950-01-01T00:00:00Z"}, "time", ""),
        ({**EVENT, "source": "hubspot"}, "source", ""),
        ({**EVENT, "id": ""}, "id", ""),
        ({**WITHOUT, "typ": "leadstream.touch"}, "type", "typ"),
        ({**EVENT, "specversion": "0.3"}, "specversion", ""),
        (
            {**EVENT, "data": {**DATA, "voids": "other:1"}, "type": "leadstream.void"},
            "data.voids",
            "",
        ),
    ],
)
def test_a_refused_event_is_named_with_its_field_and_what_was_perhaps_meant(event, field, hint):
    refused = refusal(event)
    shown = (refused["index"], refused["id"], refused["field"], refused["hint"])
    assert shown == (0, event["id"], field, hint)
    assert f"did you mean {hint}?" in refused["reason"] or not hint


def test_an_email_beside_the_data_is_no_extension_where_it_is_all_that_names_the_lead():
    refused = refusal({**EVENT, "data": {}, "email": "a@example.com"})
    assert "write it into `data`" in refused["reason"]


def test_a_batch_answers_with_the_ids_that_were_taken_and_each_refusal_with_its_own():
    gateway = Gateway()
    batch = [
        {**EVENT, "id": "first"},
        {**EVENT, "id": "second", "data": {"emial": "b@example.com", "phone": "+49 30 901820"}},
        7,
        {**EVENT, "id": "fourth"},
    ]
    answer = events(gateway, batch, {"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status_code == 202
    found = answer.json()
    assert (found["taken"], found["ids"]) == (2, ["first", "fourth"])
    assert [(one["index"], one["id"], one["field"], one["hint"]) for one in found["refused"]] == [
        (1, "second", "data.emial", "email"),
        (2, "", "event", ""),
    ]
    # As it came; what is refused becomes a letter too.
    assert orjson.loads(gateway.stored[2]) == batch
    assert gateway.stored[1] == b"first"


def test_a_packed_batch_is_judged_as_a_plain_one():
    packed = gzip.compress(orjson.dumps([EVENT]))
    answer = Gateway().post("/v1/events", packed, {**BEARER, "Content-Encoding": "gzip"})
    assert answer.json() == {"taken": 1, "ids": ["1"], "refused": []}


BINARY = {
    "ce-specversion": "1.0",
    "ce-id": "caf%C3%A9%20%22x%22",
    "ce-source": "erp",
    "ce-type": "leadstream.lead.created",
    "content-type": "application/json",
}


def test_attributes_in_headers_are_percent_encoded_as_the_http_binding_has_it():
    gateway = Gateway()
    answer = events(gateway, DATA, BINARY)
    assert answer.json()["ids"] == ['caf\u00e9 "x"']
    assert gateway.stored[3]["ce_id"] == 'caf\u00e9 "x"'.encode()
    assert "data.emial" in refusal_of(events(Gateway(), {"emial": "a@b.de", **DATA}, BINARY))


def refusal_of(answer):
    assert answer.status_code == 422
    return answer.json()["detail"]


@pytest.mark.parametrize("source", ["%68ubspot", "hub%73pot", "/%48UBSPOT/"])
def test_a_vendors_name_is_none_the_less_one_for_being_percent_encoded(source):
    gateway = Gateway()
    answer = events(gateway, DATA, {**BINARY, "ce-source": source})
    assert "vendor's name" in refusal_of(answer)
    assert not gateway.producer.records
    bound = events(gateway, DATA, {**BINARY, "ce-source": "%73hop"})
    assert bound.status_code == 403  # the shop has a token of its own


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 20), min_size=1, max_size=4), JUNK)
def test_what_is_judged_good_is_read_by_normalise_and_nothing_else_is(places, junk):
    whole = {**EVENT, "data": {**DATA, "deal": {"id": "1"}, "direction": "inbound", "score": 5}}
    body = json.dumps(spoiled(whole, places, junk)).encode()
    try:
        part = decoded(body)
    except ValueError:
        return
    found = wrong(part, 1_795_000_000_000)
    headers = [("leadstream-source", b"cloudevents")]
    made = normalise(record(body, headers=headers, timestamp=1_795_000_000_000), Connection())
    parts = part if isinstance(part, list) else [part]
    if isinstance(part, dict):
        assert bool(made.outs) is (found is None) or "says it itself" in str(found)
    assert len(made.rejected) == len(parts) or made.outs


@pytest.mark.parametrize("missing", ["ce-type", "ce-id", "ce-source", "ce-specversion"])
def test_an_attribute_that_is_missing_in_binary_mode_is_named(missing):
    answer = events(
        Gateway(), DATA, {name: text for name, text in BINARY.items() if name != missing}
    )
    assert missing.removeprefix("ce-") in refusal_of(answer)


def test_a_media_type_of_cloudevents_says_that_the_body_is_whole_whatever_headers_stand_beside_it():
    gateway = Gateway()
    answer = events(
        gateway, EVENT, {**BINARY, "content-type": "application/cloudevents+json; charset=utf-8"}
    )
    assert answer.json()["ids"] == ["1"]
    assert set(gateway.stored[3]) == {"leadstream-source"}


def test_the_openapi_document_shows_the_shape_of_an_answer_and_of_a_refusal():
    schemas = Gateway()("GET", "/openapi.json").json()["components"]["schemas"]
    assert set(schemas["Taken"]["required"]) == {"taken", "ids", "refused"}
    assert {"index", "id", "field", "reason", "hint"} == set(schemas["Refused"]["properties"])
    (example,) = schemas["Taken"]["examples"]
    assert len(example["ids"]) == example["taken"]
