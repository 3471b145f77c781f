"""Who may state what: an event's authority is its channel's, from the token to the fold."""

from types import SimpleNamespace

import orjson
import pytest

from schemas.events import EventType, LeadEvent, to_event
from streams.agents.normalise import normalise
from streams.domain.definition import prepare
from streams.intake.speakers import Speakers
from streams.settings import Settings
from streams.sources.adapter import RESERVED, Connection
from streams.sources.registry import SOURCES
from tests.support.bounds import BOUND, SALESFORCE, SHOP
from tests.support.gateways import BEARER, EVENT, TOKEN, Gateway, events, problem
from tests.support.stories import T0, fold
from tests.support.variants import stages, variant

# every way to write a vendor's name that would end as that name in a fact
SPELLINGS = [
    f"{before}{name}{after}"
    for name in sorted(RESERVED)
    for before in ("", "/", "//")
    for after in ("", "/")
]


def tokens(written):
    return Settings(ingest_token=TOKEN, ingest_tokens=written)


def record(body, source="cloudevents", **headers):
    sent = [
        ("leadstream-source", source.encode()),
        *((name, text.encode()) for name, text in headers.items()),
    ]
    return SimpleNamespace(headers=sent, value=orjson.dumps(body), timestamp=T0)


def heard(outs):
    """Turn what normalise sends into the events of one lead's history."""
    return [
        to_event(LeadEvent.model_validate(orjson.loads(out.value)["event"]), "lead") for out in outs
    ]


def test_every_vendor_that_is_read_is_reserved():
    assert set(SOURCES) - {"cloudevents"} == RESERVED


@pytest.mark.parametrize("source", [*SPELLINGS, *(one.upper() for one in SPELLINGS)])
def test_a_cloudevent_can_not_be_of_a_vendor_however_its_name_is_written(source):
    found = normalise(record({**EVENT, "source": source}), Connection())
    assert not found.outs
    assert "vendor's name" in found.rejected[0].reason


@pytest.mark.parametrize(
    "source",
    [
        "https://salesforce.com",
        "urn:salesforce",
        " salesforce",
        "sales-force",
        "salesforce#",
        "salesforce2",
        "\u017falesforce",
    ],
)
def test_a_name_that_only_looks_like_it_is_another_name(source):
    found = normalise(record({**EVENT, "source": source}), Connection())
    assert all(event.body != "salesforce" for event in heard(found.outs))
    assert '"source":"salesforce"' not in heard(found.outs)[0].body


def test_a_vendor_named_in_a_body_moves_nobody_where_its_authority_is_needed():
    """From record to fold: mql is Salesforce's to decide, and a token holder claims its name."""
    definitions = prepare(variant(**stages(mql={"authority": ("salesforce",)})))
    created = {**EVENT, "time": "2026-01-05T08:00:00Z"}
    reach = {
        **EVENT,
        "id": "2",
        "type": "leadstream.lead.stage_reported",
        "time": "2026-01-05T08:00:01Z",
        "data": {"email": "a@example.com", "stage": "mql"},
    }
    in_binary = {
        "ce_specversion": "1.0",
        "ce_id": "3",
        "ce_type": reach["type"],
        "ce_time": reach["time"],
        "ce_source": "Salesforce/",
    }
    records = [
        record(created),
        record(reach),
        record([{**reach, "source": one} for one in SPELLINGS]),
        record(reach["data"], **in_binary),
    ]
    taken = [event for one in records for event in heard(normalise(one, Connection()).outs)]
    assert [event.type for event in taken] == [EventType.CREATED, EventType.STAGE_REPORTED]
    assert fold(taken, until=0.1, under=definitions).state["stage"] == "inquiry"


def test_an_event_takes_back_only_what_its_own_source_has_sent():
    void = {
        **EVENT,
        "type": "leadstream.void",
        "data": {"email": "a@example.com", "voids": "salesforce:default:lead:1"},
    }
    assert "voids" in normalise(record(void), Connection()).rejected[0].reason
    assert normalise(
        record({**void, "data": {**void["data"], "voids": "erp:1"}}), Connection()
    ).outs


# ------------------------------------------------------------ tokens
def test_the_sender_learns_at_once_that_a_name_is_a_vendors():
    gateway = Gateway()
    assert "vendor's name" in problem(events(gateway, {**EVENT, "source": "SalesForce"}), 422)
    assert not gateway.producer.records


def test_a_named_token_speaks_for_its_name_and_for_no_other_and_no_other_for_its():
    gateway, shop = Gateway(), {**EVENT, "source": "/Shop/"}
    assert events(gateway, shop, BOUND).status_code == 202
    assert events(gateway, EVENT).status_code == 202  # the token of all others
    assert "its own token" in problem(events(gateway, EVENT, BOUND), 403)
    assert "its own token" in problem(events(gateway, [shop, EVENT], BOUND), 403)
    assert "its own token" in problem(events(gateway, shop), 403)
    assert "its own token" in problem(events(gateway, [EVENT, shop]), 403)
    assert problem(gateway.post("/v1/salesforce", b"{}", BOUND), 401)
    assert len(gateway.producer.records) == 2


def test_a_vendors_own_token_opens_its_relay_and_closes_it_to_the_token_of_all_others():
    gateway = Gateway(ingest_tokens=tokens(f"salesforce={SALESFORCE}").ingest_tokens)
    own = {"Authorization": f"Bearer {SALESFORCE}"}
    assert gateway.post("/v1/salesforce", b"{}", own).status_code == 202
    assert gateway.post("/v1/salesforce", b"{}", BEARER).status_code == 401
    assert gateway.post("/v1/spend/google", b"{}", BEARER).status_code == 202
    assert gateway.post("/v1/spend/google", b"{}", own).status_code == 401
    # It is its route's token, not its name's.
    assert events(gateway, {**EVENT, "source": "salesforce"}, own).status_code == 422


def test_nothing_opens_where_no_token_is_set():
    shut = Speakers(Settings())
    assert [shut.named(sent) for sent in ("", "Bearer ", "Bearer x")] == [None] * 3
    assert not shut.may_relay("Bearer ", "salesforce")


@pytest.mark.parametrize(
    "written",
    ["shop", f"=  {SHOP}", f"Shop={SHOP}", "shop=short", f"a={SHOP},b={SHOP}", f"a={TOKEN}"],
)
def test_tokens_that_can_not_be_read_are_refused_and_not_shown(written):
    with pytest.raises(ValueError, match="LEADSTREAM_INGEST_TOKENS") as error:
        Speakers(tokens(written))
    assert SHOP not in str(error.value)
