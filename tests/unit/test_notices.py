"""Who is notified of what, and when (docs/design/notices.md), without Kafka, mail or a clock."""

import pytest

from schemas.wire.models.notices import Snooze
from streams.notify import deciding, timing, wording
from streams.notify.wording import Words
from tests.support.noticing import (
    BOOK,
    DAY,
    HOUR,
    LEAD,
    MINUTE,
    MONDAY,
    Desk,
    alert,
    at,
    cold,
    rules,
    view,
)

NIGHT = at("2026-01-05T23:00")
WORDS = Words(BOOK, "Europe/Paris", "https://leads.example.com")


def heard(*alerts, **more):
    desk = Desk()
    desk.hear(*alerts, **more)
    return desk


def to(messages):
    return sorted(one.to for one in messages)


def numbered(count, make=cold, **more):
    return [make(id=f"{number:016x}", lead=f"{number:032x}", **more) for number in range(count)]


# --- whom -------------------------------------------------------------------------------------


def test_the_owner_hears_of_a_breach_and_the_manager_of_an_escalation():
    desk = heard(cold())
    assert to(desk.tick(MONDAY + HOUR)) == ["owner:11"]
    desk.hear(cold("escalated", revision=2), now=MONDAY + 5 * HOUR)
    assert to(desk.tick(MONDAY + 5 * HOUR)) == ["manager:9"]


def test_where_the_book_has_no_owner_the_team_hears_of_it():
    desk = heard(cold(owner="12"))
    assert to(desk.tick(MONDAY + HOUR)) == ["team:joint"]


def test_a_team_may_be_notified_otherwise():
    own = rules(teams={"joint": {"breach": {"to": ["team", "crm"]}}})
    desk = heard(cold())
    assert to(desk.tick(MONDAY + HOUR, rules=own)) == ["crm", "team:joint"]


def test_whom_nobody_stands_for_waits_until_the_book_has_somebody():
    lonely = cold(owner="12", team="sales")
    desk = heard(lonely)
    assert desk.tick(MONDAY + HOUR) == []
    stall = desk.stalls[lonely.id]
    assert deciding.unreached(stall, view(MONDAY)) == {"owner:12"}
    more = BOOK.model_copy(update={"teams": {**BOOK.teams, "sales": BOOK.owners["11"]}})
    assert to(desk.tick(MONDAY + 2 * HOUR, book=more)) == ["team:sales"]


def test_a_test_lead_concerns_nobody():
    assert heard(cold(test=True)).tick(MONDAY + HOUR) == []


def test_whoever_was_reassigned_before_it_went_hears_nothing():
    desk = heard(cold())
    desk.hear(cold(revision=2, owner="9"), now=MONDAY)
    assert to(desk.tick(MONDAY + HOUR)) == ["owner:9"]


# --- when -------------------------------------------------------------------------------------


def test_a_short_clocks_notice_waits_a_minute_at_most_for_proof_and_no_longer():
    slow = {"delays": {"hubspot": 10 * MINUTE}}
    desk = heard(alert(), now=MONDAY, **slow)
    assert desk.tick(MONDAY + MINUTE - 1, **slow) == []
    assert to(desk.tick(MONDAY + MINUTE, **slow)) == ["owner:11"]


@pytest.mark.parametrize(
    ("delays", "wait"),
    [
        ({}, MINUTE),
        ({"hubspot": 10 * MINUTE, "snowplow": DAY}, 10 * MINUTE),
        ({"hubspot": DAY}, 15 * MINUTE),
        ({"hubspot": 0}, 0),
    ],
)
def test_a_notice_waits_for_the_usual_delay_of_the_sources_that_could_prove_it(delays, wait):
    one = cold()
    proving = rules().proving(one)
    assert "hubspot" in proving
    assert "snowplow" not in proving
    assert timing.delay(one, proving, delays, MINUTE) == wait


def test_nothing_goes_at_night_but_for_a_hot_lead_whose_clock_runs_by_day_and_night():
    desk = heard(cold(due=NIGHT), alert(id="0" * 16, due=NIGHT))
    (message,) = desk.tick(NIGHT + HOUR)
    assert [one.stall for one in message.items] == ["0" * 16]
    stall = desk.stalls[cold().id]
    assert deciding.holds(stall, stall.notices[0], view(NIGHT + HOUR)) == "quiet"
    opening = at("2026-01-06T08:00")
    assert desk.tick(opening - 1) == []
    assert to(desk.tick(opening)) == ["owner:11"]


def test_quiet_hours_may_be_switched_off():
    assert heard(cold(due=NIGHT)).tick(NIGHT + HOUR, rules=rules(quiet=False))


def test_nothing_goes_while_a_source_that_could_prove_it_is_parked():
    desk = heard(cold())
    assert desk.tick(MONDAY + HOUR, parked=frozenset({"hubspot"})) == []
    assert desk.tick(MONDAY + HOUR, parked=frozenset({"snowplow"}))


@pytest.mark.parametrize("subject", [LEAD, cold().id])
def test_a_snoozed_lead_or_clock_waits_until_the_snooze_ends(subject):
    until = MONDAY + 2 * HOUR
    snoozes = {subject: Snooze(subject=subject, until=until, by="ann", why="away", at=MONDAY)}
    desk = heard(cold())
    assert desk.tick(until - 1, snoozes=snoozes) == []
    assert desk.tick(until, snoozes=snoozes)


def test_the_shown_generation_alone_is_believed():
    desk = heard(cold(generation=2))
    assert desk.tick(MONDAY + HOUR) == []
    assert desk.tick(MONDAY + HOUR, generation=2)


def test_an_adopted_generation_repeats_nothing_and_its_word_takes_back():
    desk = heard(cold())
    assert len(desk.tick(MONDAY + HOUR)) == 1
    desk.hear(cold(generation=2), now=MONDAY + HOUR)
    assert desk.tick(MONDAY + 2 * HOUR, generation=2) == []
    met = cold("met", generation=2, revision=2, stopped_at=MONDAY - HOUR)
    desk.hear(met, now=MONDAY + 2 * HOUR)
    assert desk.tick(MONDAY + 3 * HOUR) == []
    (message,) = desk.tick(MONDAY + 3 * HOUR, generation=2)
    assert message.kind == "retraction"


# --- how many ---------------------------------------------------------------------------------


def test_what_is_ready_at_once_is_one_message_and_names_the_ten_longest():
    desk = heard(*(one for one in numbered(312)))
    (message,) = desk.tick(MONDAY + HOUR)
    assert len(message.items) == 312
    assert len(message.lines) == 10
    text = wording.text(message, WORDS)
    assert text.startswith("312 leads are late. The 10 longest:\n")
    assert "And 302 more: https://leads.example.com" in text


def test_a_weekend_is_one_message_when_the_team_comes_back():
    friday, desk, sent = at("2026-01-09T18:00"), Desk(), []
    for hour, one in enumerate(numbered(60)):
        due = friday + hour * HOUR
        desk.hear(one.model_copy(update={"due_at": due, "warn_at": due - 4 * HOUR}))
        sent += desk.tick(due + HOUR)
    assert sent == []
    monday = at("2026-01-12T08:00")
    (message,) = desk.tick(monday)
    assert len(message.items) == 60


def test_what_comes_soon_after_waits_for_the_rest_of_the_window():
    desk = heard(*numbered(2))
    first, second = list(desk.stalls.values())
    desk.stalls = {first.id: first}
    assert len(desk.tick(MONDAY + HOUR)) == 1
    desk.stalls[second.id] = second
    assert desk.tick(MONDAY + HOUR + 4 * MINUTE) == []
    assert len(desk.tick(MONDAY + HOUR + 5 * MINUTE)) == 1


def test_a_hot_lead_waits_for_no_window():
    desk = heard(cold())
    assert desk.tick(MONDAY + HOUR)
    desk.hear(alert(id="0" * 16, due=MONDAY + HOUR))
    assert desk.tick(MONDAY + HOUR + MINUTE)


def test_what_is_over_the_rate_is_one_digest_and_none_is_lost():
    few = {"rules": rules(most=3)}
    desk, sent = Desk(), []
    for number, one in enumerate(numbered(20, alert)):
        desk.hear(one, **few)
        sent += desk.tick(MONDAY + MINUTE + number * MINUTE, **few)
    assert len(sent) == 3
    tuesday = at("2026-01-06T08:00")
    assert desk.tick(tuesday - 1, **few) == []
    (digest,) = desk.tick(tuesday, **few)
    assert digest.digest
    items = [item.stall for one in (*sent, digest) for item in one.items]
    assert sorted(items) == sorted(desk.stalls)


def test_a_digest_uses_up_nobodys_rate():
    one = {"rules": rules(most=1)}
    desk = Desk()
    desk.hear(cold(), now=MONDAY + 3 * DAY, **one)
    friday = at("2026-01-09T08:00")
    assert desk.tick(friday, **one)[0].digest
    desk.hear(alert(id="0" * 16, due=friday), **one)
    assert desk.tick(friday + 10 * MINUTE, **one)


def test_a_level_that_was_reached_long_ago_when_it_is_first_seen_waits_for_the_digest():
    desk = Desk()
    now = MONDAY + 3 * DAY
    desk.hear(*numbered(50), now=now)
    assert desk.tick(now) == []
    friday = at("2026-01-09T08:00")
    (digest,) = desk.tick(friday)
    assert (digest.digest, len(digest.items)) == (True, 50)
    assert wording.headline(digest, WORDS) == "50 leads are late"


def test_a_level_may_go_by_digest_only_and_what_is_ready_goes_with_it():
    daily = {"rules": rules(warn={"to": ["owner"], "digest": True}, digests=["16:00"])}
    desk = heard(cold("warned"), now=MONDAY - HOUR, **daily)
    assert desk.tick(MONDAY - 1, **daily) == []
    (digest,) = desk.tick(at("2026-01-05T15:00"), **daily)
    assert digest.digest


def test_a_warning_that_was_not_sent_is_not_sent_once_the_clock_is_breached():
    desk = heard(cold("warned"), now=MONDAY - 2 * HOUR)
    desk.hear(cold(revision=2), now=MONDAY)
    (message,) = desk.tick(MONDAY + HOUR)
    assert [line.level for line in message.lines] == ["breach"]


def test_the_crm_gets_a_request_for_each_lead_at_any_hour():
    own = {"rules": rules(breach={"to": ["crm"]})}
    desk = heard(*numbered(30, due=NIGHT), **own)
    messages = desk.tick(NIGHT + HOUR, **own)
    assert len(messages) == 30
    assert {(one.to, len(one.items)) for one in messages} == {("crm", 1)}


# --- what is taken back -----------------------------------------------------------------------

PROOF = cold("met", revision=2, stopped_at=MONDAY - HOUR)


def test_late_proof_takes_back_what_was_sent_once_and_from_nobody_else():
    desk = heard(cold())
    assert to(desk.tick(MONDAY + HOUR)) == ["owner:11"]
    desk.hear(PROOF, PROOF, now=MONDAY + HOUR)
    (message,) = desk.tick(MONDAY + 2 * HOUR)
    assert (message.kind, message.to) == ("retraction", "owner:11")
    assert wording.headline(message, WORDS) == "Taken back: it was done in time (MQL)"
    assert desk.tick(MONDAY + 3 * HOUR) == []


def test_what_was_not_sent_yet_is_never_sent():
    desk = heard(cold())
    desk.hear(PROOF, now=MONDAY)
    assert desk.tick(MONDAY + HOUR) == []
    assert desk.stalls[PROOF.id].notices == ()


def test_an_older_revision_changes_nothing():
    desk = heard(PROOF, now=MONDAY)
    desk.hear(cold(), now=MONDAY)
    assert desk.tick(MONDAY + HOUR) == []


def test_a_retraction_goes_only_by_the_channel_that_took_the_notice():
    desk = heard(cold(owner="12"))
    (message,) = desk.compose(MONDAY + HOUR)
    mail, hook = "mailto.1", "json.0"
    assert message.channels == (hook, mail)
    desk.take(message, mail, MONDAY + HOUR)
    desk.give_up(message, hook, MONDAY + HOUR)
    desk.hear(cold("met", revision=2, owner="12", stopped_at=MONDAY - HOUR), now=MONDAY + HOUR)
    (back,) = desk.compose(MONDAY + 2 * HOUR)
    assert back.channels == (mail,)


def test_a_channel_that_takes_a_notice_after_its_retraction_gets_one_of_its_own():
    desk = heard(cold(owner="12"))
    (message,) = desk.compose(MONDAY + HOUR)
    desk.take(message, "mailto.1", MONDAY + HOUR)
    desk.hear(cold("met", revision=2, owner="12", stopped_at=MONDAY - HOUR), now=MONDAY + HOUR)
    (first,) = desk.tick(MONDAY + 2 * HOUR)
    desk.take(message, "json.0", MONDAY + 2 * HOUR)
    assert deciding.recovered(desk.messages.values(), desk.stalls) == {}  # after a crash too
    (second,) = desk.tick(MONDAY + 3 * HOUR)
    assert (first.channels, second.channels) == (("mailto.1",), ("json.0",))
    assert desk.tick(MONDAY + 4 * HOUR) == []


def test_proof_that_comes_while_a_message_is_under_way_takes_it_back_afterwards():
    desk = heard(cold())
    (message,) = desk.compose(MONDAY + HOUR)
    desk.hear(PROOF, now=MONDAY + HOUR)
    assert not deciding.stands(message, desk.stalls, 1)
    assert desk.compose(MONDAY + HOUR + 1) == []
    desk.take(message, "mailto.0", MONDAY + HOUR + 2)
    (back,) = desk.compose(MONDAY + 2 * HOUR)
    assert back.kind == "retraction"


def test_what_stands_again_after_a_retraction_is_sent_again_under_another_id():
    desk = heard(cold())
    (first,) = desk.tick(MONDAY + HOUR)
    desk.hear(PROOF, now=MONDAY + HOUR)
    desk.tick(MONDAY + 2 * HOUR)
    desk.hear(cold(revision=3), now=MONDAY + 2 * HOUR)
    (second,) = desk.tick(MONDAY + 3 * HOUR)
    assert second.id != first.id


def of_team(status, revision):
    return cold(status, revision=revision, owner="12")  # whom the team stands in for


def retraction_under_way():
    """Give a desk whose message was taken, and its retraction, which no channel tried yet."""
    desk = heard(of_team("breached", 1))
    desk.tick(MONDAY + HOUR)
    desk.hear(of_team("met", 2), now=MONDAY + HOUR)
    (back,) = desk.compose(MONDAY + 2 * HOUR)
    return desk, back


def taken_back_by_one_channel():
    """Give a desk where one channel took a retraction, and the other did not try it."""
    desk, back = retraction_under_way()
    desk.hear(of_team("breached", 3), now=MONDAY + 2 * HOUR)
    desk.give_up(back, "mailto.1", MONDAY + 2 * HOUR, stale=True)
    desk.hear(of_team("met", 4), now=MONDAY + 2 * HOUR)
    desk.take(back, "json.0", MONDAY + 2 * HOUR)
    return desk


def test_a_retraction_that_one_channel_took_stands_for_the_other_although_the_level_stands_again():
    desk, back = retraction_under_way()
    desk.take(back, "json.0", MONDAY + 2 * HOUR)
    desk.hear(of_team("breached", 3), now=MONDAY + 2 * HOUR)
    assert deciding.stands(back, desk.stalls, 1)


def test_what_was_taken_back_is_not_sent_by_another_channel_when_its_level_stands_again():
    desk = heard(of_team("breached", 1))
    (message,) = desk.compose(MONDAY + HOUR)
    desk.take(message, "json.0", MONDAY + HOUR)
    desk.hear(of_team("met", 2), now=MONDAY + HOUR)
    desk.tick(MONDAY + 2 * HOUR)
    desk.hear(of_team("breached", 3), now=MONDAY + 2 * HOUR)
    assert not deciding.stands(message, desk.stalls, 1)
    (again,) = desk.compose(MONDAY + 3 * HOUR)
    assert (again.kind, again.channels) == ("notice", ("json.0", "mailto.1"))


def test_a_level_that_stands_again_before_its_retraction_went_is_not_sent_again():
    desk, back = retraction_under_way()
    desk.hear(of_team("breached", 3), now=MONDAY + 2 * HOUR)
    assert desk.compose(MONDAY + 3 * HOUR) == []
    assert not deciding.stands(back, desk.stalls, 1)
    for channel in back.channels:
        desk.give_up(back, channel, MONDAY + 3 * HOUR, stale=True)
    assert desk.compose(MONDAY + 4 * HOUR) == []
    assert [one.state for one in desk.stalls[back.items[0].stall].notices] == ["sent"]


def test_a_channel_hears_that_a_level_is_taken_back_before_it_hears_of_it_again():
    desk = taken_back_by_one_channel()
    desk.hear(of_team("breached", 5), now=MONDAY + 2 * HOUR)
    assert desk.compose(MONDAY + 2 * HOUR + MINUTE) == []  # the window of the first retraction
    (back,) = desk.compose(MONDAY + 3 * HOUR)
    assert (back.kind, back.channels) == ("retraction", ("mailto.1",))
    desk.take(back, "mailto.1", MONDAY + 3 * HOUR)
    (again,) = desk.compose(MONDAY + 4 * HOUR)
    assert (again.kind, again.channels) == ("notice", ("json.0", "mailto.1"))


def test_a_channel_that_does_not_take_what_another_took_back_is_given_up():
    desk = taken_back_by_one_channel()
    (back,) = desk.compose(MONDAY + 3 * HOUR)
    desk.give_up(back, "mailto.1", MONDAY + 4 * HOUR)
    assert desk.compose(MONDAY + DAY) == []
    assert [one.state for one in desk.stalls[back.items[0].stall].notices] == ["retracted"]


def test_after_a_restart_what_is_left_goes_in_the_order_in_which_it_was_made():
    desk = taken_back_by_one_channel()
    (first,) = desk.compose(MONDAY + 3 * HOUR)
    desk.hear(of_team("breached", 5), now=MONDAY + 3 * HOUR)
    (second,) = desk.compose(MONDAY + 4 * HOUR)
    assert (first.kind, second.kind) == ("retraction", "notice")
    known = reversed(desk.messages.values())  # read in the order in which channels answered
    assert [one.id for one in deciding.under_way(known)] == [first.id, second.id]


# --- what no channel takes --------------------------------------------------------------------


def test_what_no_channel_took_goes_into_the_next_digest():
    desk = heard(cold())
    (message,) = desk.compose(MONDAY + HOUR)
    desk.give_up(message, "mailto.0", MONDAY + 2 * HOUR)
    assert desk.compose(MONDAY + 3 * HOUR) == []
    (digest,) = desk.compose(at("2026-01-06T08:00"))
    assert digest.digest
    assert digest.items == message.items


def test_what_no_channel_took_waits_although_a_crash_left_its_stall_behind():
    desk = heard(cold())
    (message,) = desk.compose(MONDAY + HOUR)
    under_way = dict(desk.stalls)
    desk.give_up(message, "mailto.0", MONDAY + 2 * HOUR)
    assert deciding.recovered(desk.messages.values(), desk.stalls) == {}
    desk.stalls = under_way | deciding.recovered(desk.messages.values(), under_way)
    assert desk.compose(MONDAY + 3 * HOUR)


def test_a_message_that_failed_takes_no_notice_out_of_the_digest_that_carries_it():
    desk = heard(*numbered(2))
    first, second = list(desk.stalls.values())
    desk.stalls = {first.id: first}
    (message,) = desk.compose(MONDAY + HOUR)
    desk.give_up(message, "mailto.0", MONDAY + 2 * HOUR)
    desk.stalls[second.id] = second
    (digest,) = desk.compose(at("2026-01-06T08:00"))
    assert len(digest.items) == 2
    for known in (desk.messages.values(), [*desk.messages.values()][::-1]):
        assert deciding.recovered(known, desk.stalls) == {}


def test_while_a_channel_may_take_it_a_notice_waits_for_no_digest():
    desk = heard(cold(owner="12"))
    (message,) = desk.compose(MONDAY + HOUR)
    desk.give_up(message, "json.0", MONDAY + 2 * HOUR)
    assert desk.compose(at("2026-01-06T08:00")) == []
    desk.give_up(message, "mailto.1", MONDAY + 2 * HOUR)
    assert len(desk.compose(at("2026-01-06T08:00"))) == 1


def test_what_one_channel_took_is_not_sent_again_because_another_failed():
    desk = heard(cold(owner="12"))
    (message,) = desk.compose(MONDAY + HOUR)
    desk.take(message, "mailto.1", MONDAY + HOUR)
    desk.give_up(message, "json.0", MONDAY + 2 * HOUR)
    assert desk.compose(at("2026-01-06T08:00")) == []


def test_the_longest_wait_for_a_channel_is_known_by_kind_and_ends_when_it_is_taken_or_given_up():
    desk = heard(alert(team="joint"), now=MONDAY)
    first, *_ = desk.tick(MONDAY + MINUTE)
    both = first.model_copy(update={"to": "team:joint", "channels": ("json.0", "mailto.1")})
    later = first.model_copy(update={"at": first.at + MINUTE})
    now = first.at + 5 * MINUTE
    assert deciding.oldest([later, first, both], now) == {
        ("owner", "mailto"): 300.0,
        ("team", "json"): 300.0,
        ("team", "mailto"): 300.0,
    }
    ended = both.model_copy(update={"taken": ("json.0",), "failed": ("mailto.1",)})
    assert deciding.oldest([later, ended], now) == {("owner", "mailto"): 240.0}
    assert deciding.oldest([], now) == {}


def test_what_the_crm_refused_is_not_posted_again():
    own = {"rules": rules(breach={"to": ["crm"]})}
    desk = heard(cold(), **own)
    (message,) = desk.compose(MONDAY + HOUR, **own)
    desk.give_up(message, "http.0", MONDAY + HOUR, refused=True, **own)
    assert desk.compose(MONDAY + 3 * DAY, **own) == []


# --- texts ------------------------------------------------------------------------------------


def test_a_message_says_what_how_late_whose_move_and_where():
    desk = heard(cold())
    (message,) = desk.tick(MONDAY + 2 * HOUR)
    line = message.lines[0].model_copy(update={"record_url": "https://crm.example.com/77"})
    message = message.model_copy(update={"lines": (line,)})
    assert wording.headline(message, WORDS) == "2 hours late: Ann must call"
    assert wording.text(message, WORDS) == (
        "2 hours late: Ann must call.\n"
        "\n"
        "Stage: MQL (clock first_touch)\n"
        "Due: 2026-01-05 10:00 (Europe/Paris)\n"
        "Team: joint\n"
        "CRM record: https://crm.example.com/77\n"
        f"Lead: https://leads.example.com/leads/{LEAD}\n"
    )


def test_a_hot_lead_and_a_warning_say_so():
    hot = heard(alert())
    (message,) = hot.tick(MONDAY + MINUTE)
    assert wording.headline(message, WORDS) == "Hot lead, 1 minute late: Ann must call"
    early = heard(cold("warned"), now=MONDAY - 2 * HOUR)
    (message,) = early.tick(MONDAY - HOUR)
    assert wording.headline(message, WORDS) == "Due in 1 hour: Ann must call"


def test_without_a_name_in_the_book_an_id_is_shown_and_without_an_owner_the_team():
    line = heard(cold()).tick(MONDAY + HOUR)[0].lines[0]
    assert wording.whose(line.model_copy(update={"owner": "owner-4"}), BOOK) == "owner-4"
    assert wording.whose(line.model_copy(update={"owner": "", "queue": ""}), BOOK) == "joint"


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"stopped_at": MONDAY + 3 * HOUR, "status": "breached"}, "done, 3 hours late"),
        ({"stopped_at": MONDAY, "status": "met"}, "it was done in time"),
        ({"cancelled_at": MONDAY, "status": "cancelled"}, "the lead has moved on"),
        ({"status": ""}, "it no longer applies"),
    ],
)
def test_a_retraction_says_why(more, says):
    desk = heard(cold())
    desk.tick(MONDAY + HOUR)
    desk.hear(cold(what="retracted", revision=2, **more), now=MONDAY + 4 * HOUR)
    (message,) = desk.tick(MONDAY + 4 * HOUR)
    assert says in wording.headline(message, WORDS)
