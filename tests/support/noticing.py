"""Alerts, books and views for the notifier's tests; instants are ms."""

from datetime import UTC, datetime

from schemas.notice_book import Book
from schemas.notify import Notify
from schemas.reading import FUNNELS, load
from schemas.wire.models.alerts import Alert
from streams.domain.calendar import to_ms
from streams.notify import deciding
from streams.notify.deciding import View
from streams.notify.timing import Rules

FUNNEL = load(FUNNELS / "default.yaml")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
LEAD = "29ae43e6-5d94-8e35-a8e1-347ee202833e"
BOOK = Book.model_validate(
    {
        "mail": "mailto://127.0.0.1?from=leadstream@example.com",
        "owners": {"11": {"name": "Ann", "to": ["ann@example.com"]}, 9: "boss@example.com"},
        "teams": {"joint": ["json://127.0.0.1/joint", "team@example.com"]},
        "crm": "http://127.0.0.1/hook",
    }
)


def at(text):
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


MONDAY = at("2026-01-05T09:00")  # 10:00 in Paris, where the office is


def alert(status="breached", **more):
    """Give an alert of a hot lead's first touch: due within 5 minutes, by day and night."""
    due = more.pop("due", MONDAY)
    given = {
        "record": "alert",
        "version": 2,
        "id": "ef4b688d18426087",
        "lead": LEAD,
        "revision": 1,
        "generation": 1,
        "what": "raised" if status in ("warned", "breached", "escalated") else "retracted",
        "stage": "mql",
        "title": "MQL",
        "clock": "first_touch",
        "warn_at": due - MINUTE,
        "due_at": due,
        "escalate_at": due + 2 * MINUTE,
        "status": status,
        "hot": True,
        "team": "joint",
        "owner": "11",
        "manager": "9",
    }
    return Alert.model_validate({**given, **more})


def cold(status="breached", **more):
    """Give an alert of a clock of open hours: the first touch of a lead that is not hot."""
    due = more.pop("due", MONDAY)
    times = {"warn_at": due - 2 * HOUR, "escalate_at": due + 4 * HOUR}
    return alert(status, due=due, **{"hot": False, **times, **more})


def rules(**notify):
    changed = Notify.model_validate({**FUNNEL.notify.model_dump(), **notify})
    return Rules(FUNNEL.model_copy(update={"notify": changed}))


RULES = rules()


def view(now, **more):
    given = {
        "now": now,
        "generation": 1,
        "rules": RULES,
        "book": BOOK,
        "snoozes": {},
        "parked": frozenset(),
        "delays": {},
        "delay": 60_000,
        "old": DAY,
    }
    return View(**{**given, **more})


class Desk:
    """The notifier without its edges: what it would write, and the messages that it would send."""

    def __init__(self):
        self.stalls, self.messages = {}, {}
        self.before = {}  # stalls as they were when a channel answered last

    def hear(self, *alerts, now=None, **more):
        """Take alerts at an instant; else each a minute after it was due."""
        for one in alerts:
            seen = view(one.due_at + MINUTE if now is None else now, **more)
            stall = deciding.heard(self.stalls.get(one.id), one, seen.now)
            self.stalls[one.id] = deciding.decide(stall, seen)

    def tick(self, now, **more):
        """Send what is due at an instant; every channel takes it. Give the messages."""
        sent = self.compose(now, **more)
        for one in sent:
            for channel in one.channels:
                self.take(one, channel, now, **more)
        return sent

    def compose(self, now, **more):
        seen = view(now, **more)
        for name, one in self.stalls.items():
            self.stalls[name] = deciding.decide(one, seen)
        made = deciding.compose(self.stalls.values(), [*self.messages.values()], seen)
        self.messages |= {one.id: one for one in made.messages}
        self.stalls |= made.stalls
        return made.messages

    def take(self, message, channel, now, **more):
        self._settled(deciding.taken(self.messages[message.id], channel, self.stalls), now, more)

    def give_up(self, message, channel, now, *, refused=False, stale=False, **more):
        seen = view(now, **more)
        newest = self.messages[message.id]
        settled = deciding.given_up(
            newest, channel, self.stalls, seen, refused=refused, stale=stale
        )
        self._settled(settled, now, more)

    def _settled(self, settled, now, more):
        self.before = dict(self.stalls)
        self.messages[settled.message.id] = settled.message
        for name, one in settled.stalls.items():
            self.stalls[name] = deciding.decide(one, view(now, **more))
