"""The gateway before and after it knows who speaks, as an ASGI application without Kafka."""

import asyncio
import gzip
import time
import zlib

import httpx
import orjson
import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from streams.intake import publishing, routes
from streams.intake.bodies import gunzip
from streams.intake.buckets import Buckets, network
from streams.intake.gateway import application
from streams.intake.problems import ProblemError
from streams.settings import Settings
from streams.sources.proof import bearer_token, equal
from streams.sources.registry import SOURCES
from streams.sources.vendor import Call
from tests.attack.server import SECRETS, Acknowledging
from tests.support import signing
from tests.support.counters import value_of
from tests.support.gateways import BEARER, EVENT, TOKEN, Gateway, events, problem

# ------------------------------------------------------------ what broke parsers
BREAKING = [
    # str.isdigit knows it, int does not.
    ("/v1/hubspot", b"[]", {"X-HubSpot-Request-Timestamp": b"\xb2"}),
    # int refuses more than 4300 digits.
    ("/v1/hubspot", b"[]", {"X-HubSpot-Request-Timestamp": "9" * 5000}),
    ("/v1/hubspot", b"[]", {"X-HubSpot-Request-Timestamp": "-5"}),
    (
        "/v1/hubspot",
        b"[]",
        {"X-HubSpot-Signature-v3": b"\xff\xfe", "Host": "[", "X-HubSpot-Request-Timestamp": "1"},
    ),
    # orjson reads it and does not write it.
    ("/v1/google", b'{"google_key": "x", "a": ' + b"[" * 300 + b"]" * 300 + b"}", {}),
    ("/v1/google", b"[" * 500_000, {}),
    ("/v1/google", b'{"a":' * 100_000, {}),
    ("/v1/google", b'{"google_key": "\\ud83d"}', {}),
    ("/v1/google", b'{"google_key": ' + b"9" * 10_000 + b"}", {}),
    ("/v1/google", b"\xff\xfe{", {}),
    ("/v1/google", b"{}", {"Content-Encoding": "gzip"}),
    ("/v1/segment", b"{}", {"X-Signature": b"\xe9\xff"}),
    ("/v1/meta", b"{}", {"X-Hub-Signature-256": b"sha256=\xff"}),
    ("/v1/events", b"{}", {"Authorization": b"Bearer \xff\xfe"}),
    ("/v1/events", b"{}", {"Authorization": "Basic Og=="}),
    ("/v1/salesforce", b"{}", {"Authorization": b"\xff"}),
    ("/v1/segment", b"{}", {"Content-Length": b"\xb2"}),
    ("/v1/segment", b"{}", {"Content-Length": "-1"}),
    ("/v1/segment", b"{}", {"Content-Length": "9" * 5000}),
    ("/v1/spend/%00", b"{}", BEARER),
    ("/v1/spend/%ED%A0%80", b"{}", BEARER),
    ("/v1/%00", b"{}", {}),
]


@pytest.mark.parametrize(("path", "body", "headers"), BREAKING, ids=range(len(BREAKING)))
def test_what_breaks_a_parser_is_refused_as_the_senders_move(path, body, headers):
    answer = Gateway().post(path, body, headers)
    assert 400 <= answer.status_code < 500
    assert answer.json()["detail"]


def test_a_handshake_of_any_bytes_is_refused():
    for query in (
        "hub.verify_token=%ff%fe&hub.mode=subscribe",
        "hub.mode=%ED%A0%80",
        "hub.challenge=" + "x" * 1001,
    ):
        assert 400 <= Gateway()("GET", f"/v1/meta?{query}").status_code < 500


@given(st.binary(max_size=40), st.text(max_size=40))
def test_no_signature_check_raises_whatever_a_stranger_sends(raw, text):
    stranger = raw.decode("latin-1")
    headers = {
        scheme.header.lower(): stranger
        for vendor in SOURCES.values()
        for route in vendor.routes
        for scheme in route.schemes
    }
    for vendor in SOURCES.values():
        for route in vendor.routes:
            for secrets in ((), ("secret",), ("secret", "the one before")):
                for shown in (headers, dict.fromkeys(headers, text)):
                    call = Call(stranger, shown, {stranger: text}, raw, 0)
                    assert (
                        route.proof is None
                        or route.proof(call, lambda _name, secrets=secrets: secrets) is None
                    )
                    assert (
                        route.handshake is None
                        or route.handshake(
                            {"hub.verify_token": text}, lambda _name, secrets=secrets: secrets
                        )
                        is None
                    )
    assert bearer_token(text) != "secret-token"
    assert not equal("\ud83d", stranger)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "google_key", "\u00e9"]), JSON), max_size=6),
    st.integers(min_value=0, max_value=6),
    st.booleans(),
)
def test_the_key_of_a_google_lead_is_cut_out_and_everything_else_stays(members, place, spaced):
    import json

    members = [(name, value) for name, value in members if name != "google_key"]
    place = min(place, len(members))
    comma, colon = (" ,\n ", " : ") if spaced else (",", ":")
    texts = [f"{json.dumps(name)}{colon}{json.dumps(value)}" for name, value in members]
    key = '"google_key": "k\\u00e9y"'
    body = "{" + comma.join([*texts[:place], key, *texts[place:]]) + "}"
    kept = signing.proven("google", "k\u00e9y", body.encode())
    assert json.loads(kept) == dict(members)
    assert b"k\\u00e9y" not in kept
    assert all(text.encode() in kept for text in texts)


def test_half_an_emoji_costs_no_google_lead_and_is_stored_as_it_came():
    gateway = Gateway()
    body = (
        b'{"lead_id": "7", "google_key": "google-key", "form_id": 1, "x": "An \\ud83d", "n": 1e999}'
    )
    assert gateway.post("/v1/google", body).status_code == 202
    assert gateway.stored[2] == body.replace(b'"google_key": "google-key", ', b"")


# ------------------------------------------------------------ proofs
@pytest.mark.parametrize(
    "sent", [f"bearer {TOKEN}", f"BEARER   {TOKEN}", f"Bearer {TOKEN} ", f"Bearer {TOKEN}"]
)
def test_the_scheme_of_a_token_knows_no_case_and_no_number_of_spaces(sent):
    assert Gateway().post("/v1/salesforce", b"{}", {"Authorization": sent}).status_code == 202


@pytest.mark.parametrize(
    "sent", ["", "Bearer", "Bearer ", f"Bearer{TOKEN}", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x"]
)
def test_any_other_one_is_refused(sent):
    answer = Gateway().post("/v1/salesforce", b"{}", {"Authorization": sent})
    assert "secret" in problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Bearer"


def hubspot_headers(uri, body):
    stamp = str(int(time.time() * 1000))
    return {
        "X-HubSpot-Signature-v3": signing.hubspot_sign("hubspot-secret", "POST", uri, body, stamp),
        "X-HubSpot-Request-Timestamp": stamp,
    }


@pytest.mark.parametrize(("path", "signed"), [
    ("/v1/hubspot", "/v1/hubspot"), ("/v1/hubspot/", "/v1/hubspot/"),
    ("/v1/hubspot?a=b&c=%3A%20", "/v1/hubspot?a=b&c=:%20"),
])  # fmt: skip
def test_hubspot_signs_the_address_that_it_knows_with_its_query_and_slash(path, signed):
    gateway = Gateway(public_url="https://leads.example")
    assert (
        gateway.post(
            path, b"[]", hubspot_headers(f"https://leads.example{signed}", b"[]")
        ).status_code
        == 202
    )


def test_a_path_with_a_slash_behind_it_is_the_same_path():
    assert Gateway().post("/v1/salesforce/", b"{}", BEARER).status_code == 202


@pytest.mark.parametrize("headers", [{}, {"Content-Encoding": "gzip"}])
def test_a_proven_body_that_is_empty_is_refused(headers):
    gateway = Gateway()
    body = gzip.compress(b"") if headers else b""
    assert "empty" in problem(gateway.post("/v1/salesforce", body, {**BEARER, **headers}), 400)
    assert not gateway.producer.records


def test_a_wrong_method_is_answered_with_every_right_one():
    answer = Gateway()("DELETE", "/v1/meta")
    assert problem(answer, 405)
    assert answer.headers["allow"] == "GET, POST"


# ------------------------------------------------------------ compressed bodies
def test_a_compressed_body_is_stored_decoded_and_its_signature_may_be_of_either():
    plain = b'{"type": "page", "anonymousId": "a"}'
    packed = gzip.compress(plain)
    for signed in (plain, packed):
        gateway = Gateway()
        headers = {
            "Content-Encoding": "GZip",
            "X-Signature": signing.segment("segment-secret", signed),
        }
        assert gateway.post("/v1/segment", packed, headers).status_code == 202
        assert gateway.stored[2] == plain


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "compress", "\xff"])
def test_another_encoding_is_refused_with_those_that_are_taken(encoding):
    answer = Gateway().post(
        "/v1/salesforce", b"x", {**BEARER, "Content-Encoding": encoding.encode("latin-1")}
    )
    assert "gzip" in problem(answer, 415)
    assert answer.headers["accept-encoding"] == "gzip, identity"


BOMB = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
BOMB = BOMB.compress(bytes(50_000_000)) + BOMB.flush()


PACKED = gzip.compress(b"{}", mtime=0)
# Named: an id made of a body that holds the second it was packed in differs between two workers.
STREAMS = {
    "a bomb": (BOMB, 413),
    "one byte too many": (gzip.compress(bytes(1_000_001)), 413),
    "as many as are taken": (gzip.compress(bytes(1_000_000)), 202),
    "cut": (PACKED[:-1], 400),
    "not packed": (b"{}", 400),
    "empty": (b"", 400),
    "a wrong checksum": (PACKED[:-8] + bytes(8), 400),
    "more behind it": (PACKED + b"more", 400),
    "a thousand empty members": (gzip.compress(b"") * 1000, 400),
    "two members": (gzip.compress(b'{"a":') + gzip.compress(b"1}"), 202),
}


@pytest.mark.parametrize(("body", "status"), STREAMS.values(), ids=STREAMS)
def test_what_is_no_whole_gzip_stream_or_too_large_decoded_is_refused(body, status):
    assert (
        Gateway().post("/v1/salesforce", body, {**BEARER, "Content-Encoding": "gzip"}).status_code
        == status
    )


def test_a_bomb_takes_no_more_memory_than_a_body():
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(ProblemError):
        gunzip(BOMB, 1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


# ------------------------------------------------------------ sizes
def test_a_body_of_the_largest_size_fits_a_record_of_kafka_headers_and_all():
    from aiokafka.record.default_records import DefaultRecordBatchBuilder

    largest = Settings.model_fields["max_body_bytes"].metadata
    most = next(one.le for one in largest if hasattr(one, "le"))
    head = next(
        one.le for one in Settings.model_fields["max_header_bytes"].metadata if hasattr(one, "le")
    )
    size = DefaultRecordBatchBuilder.estimate_size_in_bytes(
        b"k" * 200, b"x" * most, [("ce_" + "n" * (head // 2), b"v" * (head // 2))]
    )
    assert (
        size
        <= publishing.LARGEST_RECORD
        < min(int(one.settings()["max.message.bytes"]) for one in topics.TOPICS)
    )


def test_the_producer_takes_records_as_large_as_the_topic_does():
    async def made():
        producer = publishing.kafka_producer(Settings())
        await producer.stop()
        return producer._max_request_size

    assert asyncio.run(made()) == publishing.LARGEST_RECORD


def test_what_kafka_will_never_take_is_the_senders_move_and_what_it_may_take_later_is_not():
    gateway = Gateway()
    gateway.producer.failing = MessageSizeTooLargeError()
    answer = gateway.post("/v1/salesforce", b"{}", BEARER)
    assert "send it in parts" in problem(answer, 413)
    gateway.producer.failing = KafkaConnectionError()
    answer = gateway.post("/v1/salesforce", b"{}", BEARER)
    assert "send it again" in problem(answer, 503)
    assert int(answer.headers["retry-after"]) >= 1


def test_headers_are_bounded_in_size_and_in_number():
    gateway = Gateway()
    assert "bytes" in problem(gateway.post("/v1/segment", b"", {"X-Long": "x" * 20_000}), 431)
    problem(gateway.post("/v1/segment", b"", {f"x-{number}": "" for number in range(120)}), 431)
    problem(gateway("GET", "/v1/meta?" + "x" * 20_000), 431)


def test_a_body_that_drips_is_cut_and_all_bodies_together_are_bounded():
    async def drip():
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    gateway = Gateway(body_seconds=0.1)
    assert "0.1 s" in problem(gateway.post("/v1/segment", drip()), 408)
    full = Gateway(max_buffered_bytes=10)
    answer = full.post("/v1/salesforce", b"x" * 11, BEARER)
    assert "again" in problem(answer, 503)
    statuses = [full.post("/v1/salesforce", b"x" * 10, BEARER).status_code for _ in range(3)]
    assert statuses == [202] * 3


# ------------------------------------------------------------ rates
def test_a_bucket_lets_a_burst_pass_and_says_when_the_next_token_comes():
    now = [0.0]
    buckets = Buckets(2, 3, {"slow": (0.1, 1)}, clock=lambda: now[0])
    assert [buckets.wait("a") for _ in range(4)] == [0, 0, 0, 1]
    assert buckets.wait("b") == 0
    now[0] = 0.5
    assert [buckets.wait("a") for _ in range(2)] == [0, 1]
    assert [buckets.wait("slow") for _ in range(2)] == [0, 10]


@pytest.mark.parametrize(("address", "client"), [
    ("10.0.0.1", "10.0.0.1"), ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    ("::ffff:10.0.0.1", "10.0.0.1"), ("", ""), ("unix", "unix"),
])  # fmt: skip
def test_one_client_is_an_address_or_an_ipv6_network(address, client):
    assert network(address) == client


def test_a_source_that_sends_too_often_learns_when_to_come_back_and_the_others_go_on():
    gateway = Gateway(source_rates="salesforce=0.5:2")
    ask = ("POST", "/v1/salesforce", b"{}", BEARER)
    segment = (
        "POST",
        "/v1/segment",
        b"{}",
        {"X-Signature": signing.segment("segment-secret", b"{}")},
    )
    unproven = ("POST", "/v1/salesforce", b"{}", {})
    answers = gateway.several([unproven, unproven, unproven, ask, ask, ask, segment])
    # A stranger uses up nobody's rate.
    statuses = [one.status_code for one in answers]
    assert statuses == [401, 401, 401, 202, 202, 429, 202]
    assert answers[5].headers["retry-after"] == "2"


def test_an_address_that_asks_too_often_is_turned_away_before_it_is_read_but_for_probes():
    gateway = Gateway(address_rate=0.001, address_burst=2)
    ask, probe = ("POST", "/v1/segment", b"{}", {}), ("GET", "/healthz", b"", {})
    answers = gateway.several([ask, ask, ask, probe])
    assert [one.status_code for one in answers] == [401, 401, 429, 200]
    # What is left of it after the time that three answers took.
    assert int(answers[2].headers["retry-after"]) in (999, 1000)


@pytest.mark.parametrize(
    "setting", ["hubspot", "hubspot=", "hubspot=x", "=5", "hubspot=0", "nobody=5", "hubspot=1.2.3"]
)
def test_a_rate_that_can_not_be_read_is_refused_when_the_gateway_starts(setting):
    with pytest.raises(ValueError, match="LEADSTREAM_SOURCE_RATES"):
        Gateway(source_rates=setting)


# ------------------------------------------------------------ Kafka away
def test_without_kafka_it_lives_is_not_ready_and_asks_for_a_later_time():
    gateway = Gateway()
    assert gateway("GET", "/healthz", connected=False).status_code == 200
    assert "not connected" in problem(gateway("GET", "/readyz", connected=False), 503)
    answer = gateway("POST", "/v1/salesforce", b"{}", BEARER, connected=False)
    assert "send it again" in problem(answer, 503)
    assert answer.headers["retry-after"]


def test_it_serves_while_kafka_is_away_at_the_start_and_connects_once_it_comes(monkeypatch):
    monkeypatch.setattr(publishing, "RECONNECT_SECONDS", (0,))
    made, there = [], asyncio.Event()

    class Late(Acknowledging):
        async def start(self):
            made.append(self)
            if not there.is_set():
                raise KafkaConnectionError("nobody there")

    app = application(Settings.of(SECRETS), Late)

    async def play():
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://g") as client,
        ):
            await asyncio.sleep(0)
            first = [
                (await client.get("/readyz")).status_code,
                (await client.post("/v1/salesforce", content=b"{}", headers=BEARER)).status_code,
            ]
            there.set()
            for _ in range(1000):
                await asyncio.sleep(0)
            return (
                first,
                (await client.get("/readyz")).status_code,
                (await client.post("/v1/salesforce", content=b"{}", headers=BEARER)).status_code,
            )

    assert asyncio.run(play()) == ([503, 503], 200, 202)
    assert len(made) > 1


def test_a_failed_send_or_probe_makes_it_unready_and_a_success_ready_again():
    gateway = Gateway()

    async def play():
        seen = []
        async with (
            gateway.app.router.lifespan_context(gateway.app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(gateway.app), base_url="http://g"
            ) as client,
        ):

            async def ready():
                seen.append((await client.get("/readyz")).status_code)

            async def post():
                await client.post("/v1/salesforce", content=b"{}", headers=BEARER)

            await asyncio.sleep(0)
            gateway.producer.failing = KafkaConnectionError()
            await post()
            await ready()
            gateway.producer.failing = None
            await post()
            await ready()
        return seen

    assert asyncio.run(play()) == [503, 200]

    async def no():
        return False

    gateway = Gateway()
    gateway.producer.client.force_metadata_update = no
    assert "metadata" in problem(gateway("GET", "/readyz"), 503)


def test_a_vendor_is_answered_before_its_patience_ends_though_kafka_says_nothing(monkeypatch):
    """HubSpot waits 5 s and takes silence for the whole webhook's failure; Kafka may be slower."""
    monkeypatch.setattr(routes, "ANSWERED", 0.02)
    gateway = Gateway()

    async def silent(*_record, **_named):
        return asyncio.get_running_loop().create_future()

    gateway.producer.send = silent

    async def play():
        async with (
            gateway.app.router.lifespan_context(gateway.app),
            httpx.AsyncClient(
                transport=httpx.ASGITransport(gateway.app), base_url="http://g"
            ) as client,
        ):
            await asyncio.sleep(0)
            headers = {"X-Signature": signing.segment("segment-secret", b"{}")}
            asked = client.post("/v1/segment", content=b"{}", headers=headers)
            return (await asyncio.wait_for(asked, 10)).status_code

    assert asyncio.run(play()) == 503
    impatient = {name: vendor.patience for name, vendor in SOURCES.items() if vendor.patience <= 5}
    assert impatient == {"hubspot": 5, "linkedin": 3, "segment": 5}


# ------------------------------------------------------------ who hangs up
def test_a_client_that_hangs_up_is_counted_and_leaves_no_traceback(caplog):
    from streams import metrics

    gateway = Gateway()
    counter = metrics.ACCEPTED.labels("segment", "disconnected")
    before = value_of(counter)
    messages = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/v1/segment",
        "raw_path": b"/v1/segment",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("127.0.0.1", 1),
        "server": ("g", 80),
        "scheme": "http",
    }

    async def receive():
        return next(messages)

    async def send(_message):
        pass

    asyncio.run(gateway.app(scope, receive, send))
    assert value_of(counter) == before + 1
    assert not caplog.records


def test_each_event_of_a_batch_is_judged_by_itself():
    gateway = Gateway()
    answer = events(
        gateway,
        [
            EVENT,
            {**EVENT, "type": "other"},
            5,
            {**EVENT, "extension": "allowed"},
            {**EVENT, "data": {}},
        ],
    )
    assert answer.status_code == 202
    answered = answer.json()
    assert answered["taken"] == 2
    assert [one["index"] for one in answered["refused"]] == [1, 2, 4]
    assert gateway.stored[0] == topics.RAW_CRM


@pytest.mark.parametrize("body", [
    {}, [], 5, "x", None, [[EVENT]], {**EVENT, "id": 5}, {**EVENT, "specversion": "0.3"},
    {**EVENT, "data": "text"},
    {**EVENT, "data": {"email": ["@"]}}, {**EVENT, "time": "0001-01-01T00:00:00+14:00"},
    {**EVENT, "time": "now"}, {**EVENT, "source": None},
    {**EVENT, "data": {"email": "a@" + "x" * 100_000 + ".de"}},
    {**EVENT, "data": {"aliases": [[]]}}, {**EVENT, "data": {"received_at": 1}},
])  # fmt: skip
def test_what_holds_no_event_is_not_stored_and_its_sender_knows(body):
    gateway = Gateway()
    assert problem(events(gateway, body), 422)
    assert not gateway.producer.records


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xef\xbb\xbf{}",
        b"\xff",
        b'"\\ud83d"',
        orjson.dumps({**EVENT, "data": {"kind": 0}}).replace(b"0}", b"[" * 900 + b"]" * 900 + b"}"),
    ],
)
def test_nor_is_what_is_no_json_or_nests_too_deep(raw):
    gateway = Gateway()
    problem(gateway.post("/v1/events", raw, BEARER), 422)
    assert not gateway.producer.records


def test_an_event_in_binary_mode_is_in_its_headers_and_none_of_them_can_be_one_of_ours():
    gateway = Gateway()
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "erp",
        "ce-type": "leadstream.lead.created",
        "ce-leadstream-source": "salesforce",
        "leadstream-source": "salesforce",
    }
    assert events(gateway, {"email": "a@example.com"}, headers).status_code == 202
    kept = gateway.stored[3]
    assert kept["leadstream-source"] == b"cloudevents"
    assert kept["ce_source"] == b"erp"
    assert all(name == "leadstream-source" or name.startswith("ce_") for name in kept)
    salesforce = Gateway()
    assert salesforce.post("/v1/salesforce", b"{}", {**BEARER, **headers}).status_code == 202
    assert set(salesforce.stored[3]) == {"leadstream-source"}
