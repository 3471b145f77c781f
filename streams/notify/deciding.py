"""Who is notified of what, and when: pure functions on frozen records (docs/design/notices.md).

The idea. A clock's fact has an id, so all that concerns one stall is one record (`Stall`): the
newest alert of each generation, and a notice for each recipient and level. `decide` brings the
notices to what the alerts say now; it is a function of both, so the order in which alerts came, and
how often, leaves no trace. `compose` takes what may go and makes messages of it. `taken` and
`given_up` note what became of a message. Whoever calls these writes what they return to
`lead.notices` before anything is sent.

What holds:

- A notice's id is a hash of fact, level and recipient (and of how often the level was taken back
  before), a message's id is made of its notices'. So whoever sends again after a crash sends under
  the same id.
- A recipient hears of a level at most once until it is taken back. Of several levels that were
  reached unheard, the highest is sent and stands for the others.
- A notice leaves `waiting` only with a message that carries it, or because its level does not
  stand; one whose message no channel took waits again, for the next digest.
- Only what a channel took is taken back, through that channel. Once one channel took a retraction
  the notice is taken back by all the others too, even if its level stands again: that is another
  notice.

What would break it: two notifiers at once (each keeps its state in memory), or alerts of one clock
whose revisions run backwards within a generation.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from schemas.notify import CRM, LEVELS
from schemas.wire.models.notices import Item, Line, Notice, Notification, Stall
from streams.domain.clocks import BREACHED, ESCALATED, WARNED

from . import timing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schemas.notice_book import Book
    from schemas.notify import NoticeLevel
    from schemas.wire.models.alerts import Alert
    from schemas.wire.models.notices import Snooze

    from .timing import Rules

LISTED = 10  # leads that a message names; it counts the others
MOST_ITEMS = 5_000  # of one message: a record of lead.notices has a bound
CRM_PAUSE_MS = 15 * timing.MINUTE_MS  # until a webhook that took nothing is tried again
_REACHED: Mapping[str, tuple[NoticeLevel, ...]] = {
    WARNED: ("warn",),
    BREACHED: ("warn", "breach"),
    ESCALATED: LEVELS,
}
# Who stands in where the book has nobody for a role.
_INSTEAD = {
    "owner": ("owner", "queue", "team"),
    "queue": ("queue", "team"),
    "manager": ("manager", "team"),
}
_ASKS = (  # what must be done, by the first signal that would stop the clock
    ("human", "call"),
    ("accepted", "accept or reject"),
    ("onboarded", "onboard"),
    ("leave", "move on"),
    ("moved", "move the deal"),
    ("automated", "write to"),
    ("inbound", "hear from"),
)


class View(NamedTuple):
    """What decisions depend on beside stalls: times are ms."""

    now: int
    generation: int  # the shown one
    rules: Rules
    book: Book
    snoozes: Mapping[str, Snooze]  # the newest of each lead or clock
    parked: frozenset[str]  # sources whose events wait
    delays: Mapping[str, int]  # the usual delay of each source that was heard lately
    delay: int  # of the others
    old: int  # a level reached longer ago when it is first seen waits for a digest


class Composed(NamedTuple):
    """Messages to send, and stalls whose notices went into them, were put off, or ended."""

    messages: list[Notification]
    stalls: dict[str, Stall]
    limited: int = 0


def notice_id(stall: str, level: str, to: str, times: int = 0) -> str:
    """Return the id of a notice; `times` is how often its level was taken back before."""
    text = "|".join([stall, level, to, *([str(times)] if times else [])])
    return blake2b(text.encode(), digest_size=16).hexdigest()


def message_id(kind: str, notices: Iterable[str]) -> str:
    """Return a message's id; that of a single notice is the notice's own."""
    ids = sorted(notices)
    if len(ids) == 1 and kind == "notice":
        return ids[0]
    return blake2b("|".join([kind, *ids]).encode(), digest_size=16).hexdigest()


# --- alerts -----------------------------------------------------------------------------------


def heard(stall: Stall | None, alert: Alert, now: int) -> Stall:
    """Take an alert; an older revision than the one that is known changes nothing."""
    if stall is None:
        return Stall(id=alert.id, lead=alert.lead, alerts=(alert,), at=now)
    known = {one.generation: one for one in stall.alerts}
    before = known.get(alert.generation)
    if before is not None and before.revision >= alert.revision:
        return stall
    known[alert.generation] = alert
    newest = tuple(known[one] for one in sorted(known))
    return stall.model_copy(update={"alerts": newest, "lead": alert.lead, "at": now})


def believed(stall: Stall, generation: int) -> Alert | None:
    """Return the alert that holds: of the shown generation, else of the last one before it.

    A generation that was adopted raises no alert of what the one before it raised, so that one's
    stands until its heir revises it. What a generation states before it is shown waits.
    """
    for one in reversed(stall.alerts):
        if one.generation <= generation:
            return one
    return None


def _reached(alert: Alert | None) -> tuple[NoticeLevel, ...]:
    return _REACHED.get(alert.status, ()) if alert and alert.what == "raised" else ()


def resolve(role: str, alert: Alert, book: Book) -> str:
    """Return the recipient for a role, or for a team by its name; empty where the book has none."""
    if role == CRM:
        return CRM if book.entry(CRM) else ""
    if role not in (*_INSTEAD, "team"):
        return f"team:{role}" if book.entry(f"team:{role}") else ""
    for one in _INSTEAD.get(role, ("team",)):
        name = getattr(alert, one)
        if name and book.entry(f"{one}:{name}"):
            return f"{one}:{name}"
    return ""


def wanted(alert: Alert | None, view: View) -> dict[str, NoticeLevel]:
    """Return who is to hear of an alert, each with the highest level that is theirs.

    A warning is nobody's any more once the clock is breached.
    """
    found: dict[str, NoticeLevel] = {}
    reached = _reached(alert)
    if alert is None or not reached or alert.test:
        return found
    for level in reached[1:] or reached:
        for role in view.rules.notify.level(alert.team, level).to:
            if to := resolve(role, alert, view.book):
                found[to] = level
    return found


def unreached(stall: Stall, view: View) -> set[str]:
    """Return for whom of those who are to hear of a stall the book has nobody, as `role:id`."""
    alert = believed(stall, view.generation)
    reached = _reached(alert)
    if alert is None or not reached or alert.test:
        return set()
    return {
        f"{role}:{getattr(alert, role, '')}"
        for level in reached[1:] or reached
        for role in view.rules.notify.level(alert.team, level).to
        if not resolve(role, alert, view.book)
    }


# --- notices ----------------------------------------------------------------------------------


def decide(stall: Stall, view: View) -> Stall:
    """Bring a stall's notices to what its alerts say."""
    alert = believed(stall, view.generation)
    reached, asked = _reached(alert), wanted(alert, view)
    notices: list[Notice] = []
    for one in stall.notices:
        stands = one.level in reached
        if one.state == "waiting" and asked.get(one.to) != one.level:
            continue
        if one.state == "sent" and not stands:
            update = {"state": "retracting", "since": view.now, "send_at": view.now}
            notices.append(one.model_copy(update={**update, "digest": False}))
        elif one.state == "retracting" and stands and not one.back:
            notices.append(one.model_copy(update={"state": "sent"}))
        else:
            notices.append(one)
    if alert is not None:
        notices += [
            _fresh(stall, alert, to, level, notices, view)
            for to, level in asked.items()
            if not _covered(notices, to, level, reached)
        ]
    if tuple(notices) == stall.notices:
        return stall
    return stall.model_copy(update={"notices": tuple(notices), "at": view.now})


def _covered(
    notices: Sequence[Notice], to: str, level: NoticeLevel, reached: tuple[NoticeLevel, ...]
) -> bool:
    """Return whether a recipient hears of this level, or of a higher one that stands too.

    A retraction that no channel took yet may not be sent after all: its notice covers until then.
    So does what one channel took back and another is still to: that one hears of this before it
    hears of the level again.
    """
    return any(
        one.to == to
        and (
            one.state in ("waiting", "sending", "sent", "retracting", "refused")
            or (one.state == "recalling" and not one.back)
        )
        and one.level in reached
        and LEVELS.index(one.level) >= LEVELS.index(level)
        for one in notices
    )


def _fresh(
    stall: Stall,
    alert: Alert,
    to: str,
    level: NoticeLevel,
    before: Sequence[Notice],
    view: View,
) -> Notice:
    rules, at = view.rules, timing.level_at(alert, level)
    earliest = at + timing.delay(alert, rules.proving(alert), view.delays, view.delay)
    late = view.now - at > view.old
    digest = to != CRM and (late or rules.notify.level(alert.team, level).digest)
    if digest:
        earliest = timing.next_digest(max(view.now, earliest), rules.notify, rules.hours(alert))
    times = sum(one.to == to and one.level == level for one in before)
    return Notice(
        id=notice_id(stall.id, level, to, times),
        level=level,
        to=to,
        round=times,
        state="waiting",
        since=view.now,
        send_at=earliest,
        digest=digest,
    )


def snoozed(stall: Stall, view: View) -> bool:
    """Return whether somebody snoozed a lead, or this clock of it, and it has not ended."""
    found = (view.snoozes.get(one) for one in (stall.id, str(stall.lead)))
    return any(one is not None and one.until > view.now for one in found)


def holds(stall: Stall, notice: Notice, view: View) -> str:
    """Return why a notice does not go now: due, digest, snoozed, parked, quiet; "" if it may."""
    alert = believed(stall, view.generation)
    if notice.state not in ("waiting", "retracting") or alert is None:
        return "due"
    if notice.send_at > view.now:
        return "digest" if notice.digest else "due"
    if notice.state == "waiting":
        if snoozed(stall, view):
            return "snoozed"
        if view.parked & view.rules.proving(alert):
            return "parked"
    quiet = view.rules.notify.quiet and notice.to != CRM
    if quiet and not timing.is_open(view.rules.hours(alert), view.now):
        return "" if view.rules.never_rests(alert, view.now) else "quiet"
    return ""


# --- messages ---------------------------------------------------------------------------------


class _Ready(NamedTuple):
    stall: Stall
    notice: Notice
    alert: Alert


def compose(stalls: Iterable[Stall], sent: Sequence[Notification], view: View) -> Composed:
    """Make messages of the notices that may go. `sent` are the messages of the last while.

    What is ready for one recipient at one time is one message, and a digest takes all of it. A
    message soon after another waits for the rest of the window, unless a clock never rests. What is
    over the recipient's limit goes into the next digest.
    """
    ready: dict[tuple[str, str, tuple[str, ...]], list[_Ready]] = defaultdict(list)
    done = Composed([], {})
    for stall in stalls:
        alert = believed(stall, view.generation)
        for notice in stall.notices:
            if alert is None or holds(stall, notice, view):
                continue
            kind = "notice" if notice.state == "waiting" else "retraction"
            channels = channels_of(view.book, notice.to)
            if kind == "retraction":
                channels = tuple(one for one in _left(notice) if one in channels)
            if channels:
                one = _Ready(stall, notice, alert)
                ready[notice.to, kind, channels].append(one)
            elif kind == "retraction":  # the book has no way to them any more
                _put(done.stalls, stall, notice.model_copy(update={"state": "retracted"}))
    limited = 0
    for (to, kind, channels), found in ready.items():
        history = [one for one in (*sent, *done.messages) if one.to == to]
        if to == CRM:
            for one in found:
                _message(done, to, kind, channels, [one], view)
            continue
        digest = any(one.notice.digest for one in found)
        urgent = any(view.rules.never_rests(one.alert, view.now) for one in found)
        if not digest and _over(history, view):
            limited += len(found)
            for one in found:
                _put_off(done.stalls, one.stall, one.notice, one.alert, view)
        elif digest or urgent or not _soon(history, kind, view):
            for first in range(0, len(found), MOST_ITEMS):
                _message(done, to, kind, channels, found[first : first + MOST_ITEMS], view)
    return done._replace(limited=limited)


def _over(history: Sequence[Notification], view: View) -> bool:
    begin = view.now - timing.elapsed(view.rules.notify.most_within)
    counted = sum(one.at > begin and not one.digest for one in history)
    return counted >= view.rules.notify.most


def _soon(history: Sequence[Notification], kind: str, view: View) -> bool:
    begin = view.now - timing.elapsed(view.rules.notify.grouped_within)
    return any(one.at > begin and one.kind == kind for one in history)


def channels_of(book: Book, to: str) -> tuple[str, ...]:
    """Return the names of a recipient's channels: scheme and place in the book, like mailto.0."""
    entry = book.entry(to)
    if entry is None:
        return ()
    return tuple(f"{scheme(url)}.{place}" for place, url in enumerate(entry.to))


def scheme(url: str) -> str:
    """Return the scheme of an address; that of a plain one is mailto."""
    return url.partition("://")[0].lower() if "://" in url else "mailto"


def _left(notice: Notice) -> tuple[str, ...]:
    """Return the channels that took a notice and are still to take its retraction."""
    return tuple(one for one in notice.via if one not in notice.back)


def _put(stalls: dict[str, Stall], stall: Stall, notice: Notice) -> None:
    """Put a changed notice into its stall, which may have changed before."""
    now = stalls.get(stall.id, stall)
    notices = tuple(notice if one.id == notice.id else one for one in now.notices)
    stalls[stall.id] = now.model_copy(update={"notices": notices})


def _put_off(
    stalls: dict[str, Stall], stall: Stall, notice: Notice, alert: Alert | None, view: View
) -> None:
    """Leave a notice to the next digest; one for the CRM is tried again after a pause."""
    if notice.to == CRM or alert is None:
        update = {"send_at": view.now + CRM_PAUSE_MS}
    else:
        hours = view.rules.hours(alert)
        update = {"send_at": timing.next_digest(view.now, view.rules.notify, hours)}
    digest = notice.to != CRM
    _put(stalls, stall, notice.model_copy(update={**update, "digest": digest}))


def _message(
    done: Composed,
    to: str,
    kind: str,
    channels: tuple[str, ...],
    found: Sequence[_Ready],
    view: View,
) -> None:
    found = sorted(found, key=lambda one: (one.alert.due_at or 0, one.stall.id))
    name = message_id(kind, [one.notice.id for one in found])
    done.messages.append(
        Notification.model_validate(
            {
                "id": name,
                "to": to,
                "kind": kind,
                "digest": any(one.notice.digest for one in found),
                "at": view.now,
                "items": [Item(stall=one.stall.id, notice=one.notice.id) for one in found],
                "lines": [_line(one, view) for one in found[:LISTED]],
                "channels": channels,
            }
        )
    )
    state = "sending" if kind == "notice" else "recalling"
    for one in found:
        _put(done.stalls, one.stall, one.notice.model_copy(update={"state": state}))


def _line(one: _Ready, view: View) -> Line:
    alert, clock = one.alert, view.rules.clock(one.alert)
    signals = {*clock.stopped_by, *clock.restarted_by} if clock else set()
    asks = next((words for signal, words in _ASKS if signal in signals), "act")
    return Line(
        lead=alert.lead,
        clock_id=alert.id,
        level=one.notice.level,
        stage=alert.stage,
        title=alert.title or view.rules.funnel.title(alert.stage),
        clock=alert.clock,
        due_at=alert.due_at or 0,
        ended_at=alert.stopped_at if alert.stopped_at is not None else alert.cancelled_at,
        status=alert.status,
        hot=alert.hot,
        team=alert.team,
        owner=alert.owner,
        queue=alert.queue,
        asks=asks,
    )


# --- what became of a message -----------------------------------------------------------------


class Settled(NamedTuple):
    """A message and the stalls of its notices, after a channel."""

    message: Notification
    stalls: dict[str, Stall]


def closed(message: Notification) -> bool:
    """Return whether each channel took a message or was given up."""
    return not set(message.channels) - {*message.taken, *message.failed}


def under_way(messages: Iterable[Notification]) -> list[Notification]:
    """Return the messages that are not closed, the oldest first: in this order they are sent again.

    What was taken back must not be heard after the notice that followed it.
    """
    return sorted((one for one in messages if not closed(one)), key=lambda one: one.at)


def kind_of(to: str, channel: str) -> tuple[str, str]:
    """Return what may be counted of a channel without naming anybody: `owner`, `mailto`."""
    return to.partition(":")[0], channel.partition(".")[0]


def oldest(messages: Iterable[Notification], now: int) -> dict[tuple[str, str], float]:
    """Return how long (s) the oldest message waits for a channel of each kind (kind_of)."""
    found: dict[tuple[str, str], float] = {}
    for one in messages:
        for channel in set(one.channels) - {*one.taken, *one.failed}:
            kind = kind_of(one.to, channel)
            found[kind] = max(found.get(kind, 0.0), (now - one.at) / 1000)
    return found


def taken(message: Notification, channel: str, stalls: Mapping[str, Stall]) -> Settled:
    """Note that a channel took a message: from the first one on its notices are sent."""
    done = message.model_copy(update={"taken": (*message.taken, channel)})
    changed: dict[str, Stall] = {}
    for stall, notice in _carried(message, stalls):
        if message.kind == "retraction":
            _put(changed, stall, _took_back(notice, done))
            continue
        after = _took(notice, (channel,))
        if after.state == "sending":
            after = after.model_copy(update={"state": "sent"})
        _put(changed, stall, after)
    return Settled(done, changed)


def _took(notice: Notice, channels: Iterable[str]) -> Notice:
    """Return a notice that some channels took.

    One that took it after the others were notified that it is taken back is to be so too.
    """
    fresh = tuple(one for one in channels if one not in notice.via)
    if not fresh:
        return notice
    update: dict[str, object] = {"via": (*notice.via, *fresh)}
    if notice.state == "retracted":
        update |= {"state": "retracting", "back": notice.via}
    return notice.model_copy(update=update)


def _took_back(notice: Notice, message: Notification) -> Notice:
    """Return a notice as a retraction has it that a channel took.

    When that is closed, what a channel took and was not asked to take back needs another one.
    """
    ended = closed(message)
    given = (*message.taken, *message.failed) if ended else message.taken
    after = notice.model_copy(update={"back": tuple(dict.fromkeys((*notice.back, *given)))})
    if notice.state != "recalling" or not ended:
        return after
    return after.model_copy(update={"state": "retracting" if _left(after) else "retracted"})


def given_up(
    message: Notification,
    channel: str,
    stalls: Mapping[str, Stall],
    view: View,
    *,
    refused: bool = False,
    stale: bool = False,
) -> Settled:
    """Note that a channel does not take a message.

    If none took it, its notices wait for the next digest, but for those that another channel took
    back before: these are given up. What a CRM refused is refused for good. A `stale` message was
    not tried since it does not stand: it is not for this channel any more, which gets another one
    if it must hear of this later.
    """
    if stale:
        left = tuple(one for one in message.channels if one != channel)
        done = message.model_copy(update={"channels": left})
    else:
        done = message.model_copy(update={"failed": (*message.failed, channel)})
    changed: dict[str, Stall] = {}
    if not closed(done):
        return Settled(done, changed)
    for stall, notice in _carried(message, stalls):
        if done.taken or notice.back:
            if message.kind == "retraction":
                _put(changed, stall, _took_back(notice, done))
            continue
        if notice.state not in ("sending", "recalling"):
            continue
        if refused:
            state = "refused" if message.kind == "notice" else "retracted"
            _put(changed, stall, notice.model_copy(update={"state": state}))
            continue
        again = "waiting" if message.kind == "notice" else "retracting"
        alert = believed(stall, view.generation)
        waiting = notice.model_copy(update={"state": again})
        _put_off(changed, stall, waiting, alert, view)
    return Settled(done, changed)


def stands(message: Notification, stalls: Mapping[str, Stall], generation: int) -> bool:
    """Return whether any notice of a message still says what is so.

    A retraction that a channel took stands for all the others, whatever is so by then: each is to
    hear of it before it hears of the level again. What was taken back is not sent any more, also if
    its level stands again: that is another notice.
    """
    for stall, notice in _carried(message, stalls):
        over = bool(notice.back) or notice.state == "retracted"
        reached = notice.level in _reached(believed(stall, generation))
        if (reached and not over) is (message.kind == "notice"):
            return True
    return False


def _carried(message: Notification, stalls: Mapping[str, Stall]) -> Iterable[tuple[Stall, Notice]]:
    for item in message.items:
        stall = stalls.get(item.stall)
        for notice in stall.notices if stall else ():
            if stall and notice.id == item.notice:
                yield stall, notice


def recovered(messages: Iterable[Notification], stalls: Mapping[str, Stall]) -> dict[str, Stall]:
    """Return the stalls that a crash left behind their messages, as the messages have them.

    A message is written before the stalls of its notices, so it knows at least as much.
    """
    carrying: dict[str, list[Notification]] = defaultdict(list)
    concerned: dict[str, Stall] = {}
    for message in messages:
        for item in message.items:
            carrying[item.notice].append(message)
            if item.stall in stalls:
                concerned[item.stall] = stalls[item.stall]
    changed: dict[str, Stall] = {}
    for name, stall in concerned.items():
        notices = tuple(_recovered(one, carrying.get(one.id, ())) for one in stall.notices)
        if notices != stall.notices:
            changed[name] = stall.model_copy(update={"notices": notices})
    return changed


def _recovered(notice: Notice, messages: Sequence[Notification]) -> Notice:
    """Return a notice as all messages that carry it have it."""
    sent = [one for one in messages if one.kind == "notice"]
    after = _took(notice, [channel for one in sent for channel in one.taken])
    if after.state in ("waiting", "sending"):
        state = "sent" if after.via else "sending" if under_way(sent) else "waiting"
        return after.model_copy(update={"state": state})
    if after.state not in ("retracting", "recalling"):
        return after
    back = [one for one in messages if one.kind == "retraction"]
    for one in back:
        if one.taken:
            after = _took_back(after, one)
    state = "recalling" if under_way(back) else "retracting" if _left(after) else "retracted"
    return after.model_copy(update={"state": state})
