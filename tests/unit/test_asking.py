"""Asking a vendor's API over sockets on loopback: at its rate, and again where that helps."""

import asyncio
import time
from email.utils import formatdate

import orjson
import pytest
from prometheus_client import REGISTRY

from streams.intake import asking
from streams.intake.asking import Asker, NotRetrieved, Pace
from streams.settings import Settings
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES
from tests.support import retrieving
from tests.support.api import Api, Reply, until

QUICK = {
    "retriever_pause": 0.01,
    "retriever_longest": 0.05,
    "retriever_token_pause": 0.05,
    "retriever_deadline": 5.0,
    "retriever_attempts": 3,
}


@pytest.fixture
def api():
    made = Api("meta")
    yield made
    made.close()


def settings(api, vendor="meta", **more):
    return Settings(
        **{
            f"{vendor}_api": api.address,
            f"{vendor}_token": "good",
            "retriever_rates": f"{vendor}=1000",
            **QUICK,
            **more,
        }
    )


def complete(api, path="/11", vendor="meta", read=None, **more):
    """Ask for one record; return the bodies that were published."""
    asks = SOURCES[vendor].retrieval.wanted(retrieving.NOTIFICATIONS[vendor], Connection())
    (ask,) = [ask for ask in asks if ask.path == path]
    return asyncio.run(_complete(ask, vendor, read or (lambda: settings(api, vendor, **more))))


async def _complete(ask, vendor, read):
    asker, bodies = Asker(SOURCES[vendor], SOURCES[vendor].retrieval, read), []

    async def publish(body):
        bodies.append(orjson.loads(body))

    try:
        await asker.complete(ask, publish)
    finally:
        await asker.close()
    return bodies


def counted(what, vendor="meta"):
    return (
        REGISTRY.get_sample_value("leadstream_retrievals_total", {"source": vendor, "what": what})
        or 0
    )


def test_a_record_is_asked_for_with_the_token_and_its_answer_is_published(api):
    assert complete(api) == [retrieving.meta_lead("11")]
    (_, path, headers) = api.asked[0]
    request = (path, headers["Authorization"], headers["Accept-Encoding"])
    assert request == ("/11", "Bearer good", "identity")


def test_pages_are_followed_to_the_last():
    api = Api("hubspot")
    bodies = complete(api, "/crm/v3/objects/deals/7", "hubspot")
    api.close()
    contacts = [
        one["id"]
        for (part,) in bodies
        for one in part["object"]["associations"]["contacts"]["results"]
    ]
    assert contacts == ["5", "6"]
    assert api.paths() == [
        "/crm/v3/objects/deals/7",
        "/crm/v3/objects/deals/7/associations/contacts",
    ]


def test_pages_that_never_end_are_an_end():
    api = Api("hubspot")
    path = "/crm/v3/objects/deals/7/associations/contacts"
    api.script[path] = [Reply(200, {"results": [], "paging": {"next": {"after": "p2"}}})] * 200
    with pytest.raises(NotRetrieved, match="pages"):
        complete(api, "/crm/v3/objects/deals/7", "hubspot")
    api.close()
    assert len(api.asked) == asking.MOST_PAGES


@pytest.mark.parametrize("header", ["1", lambda: formatdate(time.time() + 2, usegmt=True)])
def test_too_many_requests_wait_as_long_as_the_vendor_says_and_are_not_given_up(api, header):
    text = header if isinstance(header, str) else header()
    api.script["/11"] = [Reply(429, {}, (("Retry-After", text),))]
    assert complete(api, retriever_attempts=1) == [retrieving.meta_lead("11")]
    (first, *_), (second, *_) = api.asked
    assert second - first > 0.9


def test_too_many_requests_that_name_no_time_wait_a_growing_pause(api):
    before = counted("limited")
    api.script["/11"] = [Reply(429, {})] * 5
    assert complete(api, retriever_attempts=1) == [retrieving.meta_lead("11")]
    assert counted("limited") - before == 5


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(503, {}),
        Reply(500, b"<html>"),
        Reply(hangs_up=True),
        Reply(200, b"half an an"),
        Reply(seconds=9.0),
    ],
)
def test_a_vendor_that_is_not_well_is_asked_again(api, trouble):
    before = counted("retried")
    api.script["/11"] = [trouble, trouble]
    assert complete(api, retriever_deadline=1.0) == [retrieving.meta_lead("11")]
    assert counted("retried") - before == 2


def test_attempts_end_and_the_reason_says_whose_move_it_is(api):
    api.script["/11"] = [Reply(503, {})] * 9
    with pytest.raises(
        NotRetrieved, match=r"meta answers 503, 3 times: replay the letter once the vendor is well"
    ) as error:
        complete(api)
    assert error.value.what == "given_up"
    assert len(api.asked) == 3


def test_a_vendor_that_nobody_reaches_is_given_up_too(api):
    api.close()
    with pytest.raises(NotRetrieved, match=r"meta can't be reached \(ConnectError\), 3 times"):
        complete(api)


def test_an_answer_that_drips_ends_with_the_deadline(api):
    api.script["/11"] = [Reply(200, retrieving.meta_lead("11"), drips=0.2)]
    began = time.monotonic()
    with pytest.raises(NotRetrieved, match=r"does not answer within 0\.5 s"):
        complete(api, retriever_deadline=0.5, retriever_attempts=1)
    assert time.monotonic() - began < 3


def test_an_answer_without_an_end_is_refused(api, monkeypatch):
    monkeypatch.setattr(asking, "LARGEST_ANSWER", 1_000)
    api.script["/11"] = [Reply(200, b"x" * 5_000)]
    with pytest.raises(NotRetrieved, match="larger than 1000 bytes"):
        complete(api)


@pytest.mark.parametrize(
    ("status", "what"), [(404, "gone"), (410, "gone"), (400, "refused"), (302, "refused")]
)
def test_what_will_never_be_answered_is_asked_once(api, status, what):
    api.script["/11"] = [
        Reply(status, {"error": {"code": 12345}}, (("Location", "https://elsewhere.example/"),))
    ]
    with pytest.raises(NotRetrieved, match=rf"meta answers {status} \(12345\)") as error:
        complete(api)
    assert error.value.what == what
    assert len(api.asked) == 1


def test_an_answer_of_another_shape_is_refused(api):
    api.script["/11"] = [Reply(200, {"id": "11"})]
    with pytest.raises(NotRetrieved, match="can't be read: the answer is no lead"):
        complete(api)


def test_what_is_not_needed_may_be_gone():
    api = Api("linkedin")
    api.script["/leadForms/12"] = [Reply(404, {})]
    ((response,),) = complete(api, "/leadFormResponses/1a2b-4", "linkedin")
    api.close()
    assert response == retrieving.linkedin_response("1a2b-4")


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_token_waits_says_which_setting_to_change_and_goes_on_once_it_is_changed(
    api, status, tmp_path, monkeypatch, caplog
):
    monkeypatch.setenv("LEADSTREAM_SECRETS_DIR", str(tmp_path))
    file = tmp_path / "leadstream_meta_token"
    file.write_text("old")
    api.script["/11"] = [Reply(status, {})] * 2

    async def change():
        retrieval = SOURCES["meta"].retrieval
        asker = Asker(SOURCES["meta"], retrieval, lambda: Settings(meta_api=api.address, **QUICK))
        bodies = []

        async def publish(body):
            bodies.append(body)

        asked = asyncio.create_task(
            asker.complete(retrieval.wanted(retrieving.META_WEBHOOK, Connection())[0], publish)
        )
        await asyncio.to_thread(until, lambda: len(api.asked) >= 4, "four requests")
        refused, waiting = asker.refused, not asked.done()
        file.write_text("good")
        async with asyncio.timeout(20):
            await asked
        await asker.close()
        return refused, waiting, asker.refused, bodies

    refused, waiting, after, bodies = asyncio.run(change())
    assert "LEADSTREAM_META_TOKEN" in refused
    assert (waiting, after, len(bodies)) == (True, "", 1)
    assert not any(token in caplog.text for token in ("old", "good"))
    assert REGISTRY.get_sample_value("leadstream_retriever_token_refused", {"source": "meta"}) == 0


def test_requests_keep_to_the_vendors_rate_and_to_so_many_at_once(api):
    body = {
        "entry": [
            {
                "changes": [
                    {"field": "leadgen", "value": {"leadgen_id": str(number)}}
                    for number in range(20, 32)
                ]
            }
        ]
    }
    asks = SOURCES["meta"].retrieval.wanted(body, Connection())

    async def all_of_them():
        asker = Asker(
            SOURCES["meta"],
            SOURCES["meta"].retrieval,
            lambda: settings(api, retriever_rates="meta=10:2"),
        )

        async def publish(_body):
            pass

        await asyncio.gather(*(asker.complete(ask, publish) for ask in asks))
        await asker.close()

    asyncio.run(all_of_them())
    stamps = sorted(stamp for stamp, *_ in api.asked)
    assert len(stamps) == 12
    assert stamps[-1] - stamps[0] > 0.9  # ten after the first two, at ten a second


def test_a_pace_gives_a_burst_then_its_rate_and_nothing_while_it_is_held():
    clock = [0.0]
    pace = Pace(2.0, 3.0, lambda: clock[0])
    assert [pace.wait() for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    clock[0] = 0.5
    pace.hold(10.0)
    assert pace.wait() == 10.0
    pace.hold(1.0)
    assert pace.wait() == 10.0
    clock[0] = 10.5
    assert pace.wait() == 0.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("999999999999", 3600.0),
        ("soon", None),
        ("-1", None),
        ("٣", None),
        (formatdate(0, usegmt=True), 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_has_a_bound(text, seconds):
    assert asking.retry_after(text) == seconds


@pytest.mark.parametrize(
    "given",
    [
        "http://graph.example",
        "graph.example",
        "https://",
        "https://x.example/?a=1",
        "https://u:p@x.example",
        "https://[",
        "https://x:y",
        "ftp://x",
    ],
)
def test_an_address_that_would_show_the_token_is_refused_by_its_setting(given):
    with pytest.raises(ValueError, match=r"LEADSTREAM_META_API is no address of https: set it to"):
        asking.address(Settings(meta_api=given), SOURCES["meta"].retrieval)


def test_a_vendor_whose_address_only_the_installation_knows_needs_it():
    with pytest.raises(ValueError, match="LEADSTREAM_SALESFORCE_API"):
        asking.address(Settings(), SOURCES["salesforce"].retrieval)
    found = asking.address(
        Settings(salesforce_api="https://acme.my.salesforce.com/"), SOURCES["salesforce"].retrieval
    )
    assert found == "https://acme.my.salesforce.com"
