"""Messages on their way: a real mail server and a real receiver of requests, on loopback."""

import asyncio
import hashlib
import hmac
import logging

import pytest

from schemas.notice_book import Book
from schemas.wire.models.webhook import Webhook
from streams.embedded.home import free_port
from streams.notify import channels, sending
from streams.notify.sending import FAILED, REFUSED, STALE, TAKEN, Senders
from streams.notify.wording import Words
from tests.support.noticing import BOOK, HOUR, MINUTE, MONDAY, Desk, alert, cold, rules
from tests.support.receiving import mail_server, web_server

SECRET = "a secret of this test"


@pytest.fixture
def box():
    with mail_server() as one:
        yield one


@pytest.fixture
def hook():
    with web_server() as one:
        yield one


def message(**more):
    desk = Desk()
    desk.hear(alert(), **more)
    (one,) = desk.compose(MONDAY + MINUTE, **more)
    return one


def of_crm():
    return message(rules=rules(breach={"to": ["crm"]}))


def words(**book):
    return Words(Book.model_validate({**BOOK.model_dump(), **book}), "Europe/Paris")


def test_a_mail_has_the_messages_own_id_each_time_it_is_sent(box):
    one = message()
    for _ in range(2):
        channels.send("ann@example.com", box.url, one, words())
    assert box.ids() == [f"<{one.id}@leadstream>"] * 2
    mail = box.mails[0]
    assert mail.get_all("Message-ID") == [f"<{one.id}@leadstream>"]
    assert (mail["To"], mail["Auto-Submitted"]) == ("ann@example.com", "auto-generated")
    assert mail["Subject"] == "Hot lead, 1 minute late: Ann must call"
    assert "Stage: MQL, a hot lead" in mail.get_payload(decode=True).decode()


def test_a_name_in_any_script_reaches_the_mail(box):
    book = {"owners": {"11": {"name": "Zoë 東京", "to": "ann@example.com"}}}
    channels.send("ann@example.com", box.url, message(), words(**book))
    text = box.mails[0].get_payload(decode=True).decode()
    assert "Zoë 東京 must call" in text


def test_a_name_from_outside_forges_no_header_and_no_line(box):
    one = message()
    line = one.lines[0].model_copy(update={"owner": "x\r\nBcc: eve@example.com\r\n\r\nPay here"})
    channels.send("ann@example.com", box.url, one.model_copy(update={"lines": (line,)}), words())
    (mail,) = box.mails
    assert mail["Bcc"] is None
    assert mail["Subject"].endswith("x Bcc: eve@example.com Pay here must call")


def test_what_apprise_posts_has_the_messages_id_too(hook):
    one = message()
    channels.send(hook.url.replace("http:", "json:"), "", one, words())
    assert hook.ids() == [one.id]


def test_a_mail_server_that_is_away_or_refuses_has_not_taken_it(box):
    box.away = True
    with pytest.raises(channels.NotTaken, match="mail server"):
        channels.send("ann@example.com", box.url, message(), words())
    nowhere = f"mailto://127.0.0.1:{free_port()}?from=a@example.com"
    nowhere = f"mailto://127.0.0.1:{free_port()}?from=a@example.com"
    with pytest.raises(channels.Unreachable, match="mail server is away"):
        channels.send("ann@example.com", nowhere, message(), words())


def test_a_webhook_is_signed_and_its_document_is_the_models(hook):
    one = of_crm()
    channels.post(hook.url, SECRET, one, words())
    ((headers, body),) = hook.posts
    stamp, _, digest = headers[channels.SIGNATURE].partition(",v1=")
    signed = stamp.removeprefix("t=").encode() + b"." + body
    assert hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() == digest
    assert headers[channels.IDEMPOTENCY] == one.id
    document = Webhook.model_validate_json(body, extra="forbid")
    assert (document.id, document.what, document.level) == (one.id, "raised", "breach")
    assert (document.lead.owner, document.lead.asks) == ("11", "call")


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_webhook_that_may_take_it_later_has_not_taken_it(hook, status):
    hook.answers = [status]
    with pytest.raises(channels.NotTaken, match=str(status)):
        channels.post(hook.url, SECRET, of_crm(), words())


@pytest.mark.parametrize("status", [400, 401, 404, 410, 302])
def test_a_webhook_that_refuses_is_not_asked_again(hook, status):
    hook.answers = [status]
    with pytest.raises(channels.Refused, match=str(status)):
        channels.post(hook.url, SECRET, of_crm(), words())


def test_a_webhook_where_nobody_is_was_certainly_not_taken():
    with pytest.raises(channels.Unreachable):
        channels.post(f"http://127.0.0.1:{free_port()}/", SECRET, of_crm(), words())


def test_nothing_is_posted_unsigned(hook):
    with pytest.raises(channels.NotTaken, match="LEADSTREAM_NOTIFY_SECRET"):
        channels.post(hook.url, "", of_crm(), words())
    assert not hook.posts


# --- senders ----------------------------------------------------------------------------------


def outcomes(messages, book, count, patience=0.05, stands=lambda _: True, again=False):
    """Give the first outcomes of some messages, and the channels that fail after them."""

    async def run():
        senders = Senders(lambda: book, stands, SECRET, patience)
        try:
            for one in messages:
                senders.take(one, again=again)
            async with asyncio.timeout(30):
                return [await senders.outcomes.get() for _ in range(count)], dict(senders.failing)
        finally:
            await senders.stop()

    return asyncio.run(run())


def test_a_channel_that_is_away_holds_up_no_other(box, monkeypatch):
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.02)
    bad = f"json://127.0.0.1:{free_port()}/"
    book = words(mail=box.url, owners={"11": {"name": "Ann", "to": [bad, "ann@example.com"]}})
    desk = Desk()
    desk.hear(cold())
    (one,) = desk.compose(MONDAY + HOUR, book=book.book)
    found, failing = outcomes([one], book, 2, patience=1.0)
    assert {(each.channel, each.what) for each in found} == {
        ("json.0", FAILED),
        ("mailto.1", TAKEN),
    }
    assert [*failing] == [("owner:11", "json.0")]
    assert found[0].what == TAKEN


def test_a_message_is_tried_again_until_it_is_taken(hook, monkeypatch):
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.01)
    hook.answers = [503, 500, 429]
    found, failing = outcomes([of_crm()], words(crm=hook.url), 1, patience=20)
    assert found[0].what == TAKEN
    assert len(set(hook.ids())) == 1
    assert (len(hook.posts), failing) == (4, {})


def test_what_is_refused_is_posted_once(hook):
    hook.answers = [422]
    found, failing = outcomes([of_crm()], words(crm=hook.url), 1)
    assert (found[0].what, len(hook.posts), failing) == (REFUSED, 1, {})


def test_a_channel_that_failed_is_tried_once_a_message_until_it_is_well(hook, monkeypatch):
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.01)
    hook.answers = [500, 500]
    first, second, third = (of_crm().model_copy(update={"id": f"{n:032x}"}) for n in range(3))
    found, failing = outcomes([first, second, third], words(crm=hook.url), 3, patience=0.001)
    assert [one.what for one in found] == [FAILED, FAILED, TAKEN]
    assert (len(hook.posts), failing) == (3, {})


def test_what_does_not_stand_any_more_is_not_tried(hook):
    found, _ = outcomes([of_crm()], words(crm=hook.url), 1, stands=lambda _: False)
    assert (found[0].what, hook.posts) == (STALE, [])


def test_what_was_tried_before_a_restart_is_tried_although_it_does_not_stand(hook):
    found, _ = outcomes([of_crm()], words(crm=hook.url), 1, stands=lambda _: False, again=True)
    assert (found[0].what, len(hook.posts)) == (TAKEN, 1)


def test_what_may_have_been_taken_is_tried_on_although_it_does_not_stand_any_more(
    hook, monkeypatch
):
    monkeypatch.setattr(sending, "FIRST_PAUSE", 0.01)
    hook.answers = [500]
    found, _ = outcomes(
        [of_crm()], words(crm=hook.url), 1, patience=20, stands=lambda _: not hook.posts
    )
    assert (found[0].what, len(hook.posts)) == (TAKEN, 2)


def test_a_channel_that_left_the_book_is_given_up_at_once():
    found, failing = outcomes([of_crm()], words(crm=""), 1)
    assert (found[0].what, failing) == (FAILED, {})


def test_no_log_names_an_address_or_a_secret(box, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    box.away = True
    bad = f"json://user:{SECRET.replace(' ', '_')}@127.0.0.1:{free_port()}/"
    book = words(mail=box.url, owners={"11": {"name": "Ann", "to": [bad, "ann@example.com"]}})
    one = message(book=book.book)
    outcomes([one], book, 2, patience=0.01)
    ours = [record for record in caplog.records if not record.name.startswith(("mail.", "asyncio"))]
    assert ours
    assert not [
        one for one in ours if "ann@example" in one.getMessage() or "secret" in one.getMessage()
    ]


# --- the book ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "mail", "says"),
    [
        ("ann@example.com", "mailto://smtp.example.com?from=a@example.com", ""),
        ("ann@example.com", "", "names no server"),
        ("ann", "", "neither an address"),
        ("nosuch://x", "", "can't read this nosuch://"),
        ("json://example.com/x", "", ""),
    ],
)
def test_an_address_of_the_book_is_checked(address, mail, says):
    found = channels.problem(address, mail)
    assert says in found
    assert bool(says) is bool(found)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://crm.example.com/hook", True),
        ("http://127.0.0.1:8080/hook", True),
        ("http://crm.example.com/hook", False),
        ("ftp://crm.example.com", False),
        ("https://", False),
        ("https://[", False),
    ],
)
def test_a_webhook_is_https_but_on_loopback(url, good):
    assert (channels.web_problem(url) == "") is good
