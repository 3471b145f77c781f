"""Calendly's bookings, Marketo's activities, and the firm's own customer-success system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .hours import iso
from .posts import Identity, Meaning, Post
from .web import EMAIL

if TYPE_CHECKING:
    import random

BOOKING, CLICK = "booking", "email_click"
_SENT, _CLICKED, _UNSUBSCRIBED, _PROGRAM = 6, 11, 9, 104  # types of Marketo's activities


class Calendar:
    """One person's booking."""

    def __init__(self, who: Identity) -> None:
        self.who = who
        meeting = f"https://api.calendly.com/scheduled_events/E{who.number}"
        self._address = f"{meeting}/invitees/I{who.number}"

    def booked(self, at: int) -> Post:
        """Book: a request of the lead's, and the time of somebody of the firm."""
        payload = {
            "uri": self._address, "email": self.who.email, "created_at": iso(at),
            "tracking": {"utm_source": "newsletter", "utm_medium": "email"},
            "scheduled_event": {"name": "A first call"},
        }  # fmt: skip
        request = Meaning("booking", (EMAIL,), (BOOKING,), "inquiry", "meeting_booked", at)
        meeting = Meaning("meeting", (EMAIL,), (BOOKING,), "inquiry", at=at)
        return self._post("invitee.created", payload, at, "booking", request, meeting)

    def cancelled(self, at: int) -> Post:
        """Cancel."""
        payload = {
            "uri": self._address,
            "email": self.who.email,
            "cancellation": {"reason": "no time"},
        }
        taken_back = Meaning("cancelled", (EMAIL,), (BOOKING,), at=at, stage="inquiry")
        return self._post("invitee.canceled", payload, at, "cancelled booking", taken_back)

    def absent(self, at: int) -> Post:
        """Do not come: Calendly names the invitee by an address of its own, and by no email."""
        taken_back = Meaning("absent", (), (BOOKING,), at=at, stage="inquiry")
        return self._post(
            "invitee_no_show.created", {"invitee": self._address}, at, "no-show", taken_back
        )

    @staticmethod
    def _post(kind: str, payload: dict[str, Any], at: int, about: str, *meanings: Meaning) -> Post:
        body = {"event": kind, "created_at": iso(at), "payload": payload}
        return Post("calendly", body, at, about, meanings)


class Automation:
    """One person's record at Marketo, and what its programs send."""

    def __init__(self, who: Identity) -> None:
        self.who, self._count = who, 0

    def known(self, at: int) -> Post:
        """Make the record."""
        lead = {
            "id": self.who.number,
            "email": self.who.email,
            "createdAt": iso(at),
            "updatedAt": iso(at),
        }
        made = Meaning("marketo", ("marketo", EMAIL), stage="inquiry", at=at)
        whose = Meaning("marketo-known", ("marketo", EMAIL), links=True, at=at)
        return Post("marketo", {"result": [lead]}, at, "marketing record", (made, whose))

    def sent(self, at: int) -> Post:
        """Send a newsletter: the work of a machine."""
        return self._activity(at, _SENT, "newsletter sent")

    def clicked(self, at: int) -> Post:
        """Click in a newsletter."""
        return self._activity(at, _CLICKED, "click in a newsletter", kind=CLICK)

    def attended(self, at: int) -> Post:
        """Attend a webinar."""
        values = [{"name": "New Status", "value": "Attended"}, {"name": "Success", "value": True}]
        return self._activity(at, _PROGRAM, "webinar attended", values, "event_attended")

    def unsubscribed(self, at: int) -> Post:
        """Want no more newsletters."""
        return self._activity(at, _UNSUBSCRIBED, "unsubscribed")

    def _activity(
        self, at: int, kind_id: int, about: str, attributes: Any = (), kind: str = ""
    ) -> Post:
        self._count += 1
        one = {
            "id": self._count, "marketoGUID": f"{self.who.name}-{self._count}",
            "leadId": self.who.number,
            "activityDate": iso(at), "activityTypeId": kind_id, "attributes": list(attributes),
        }  # fmt: skip
        meaning = Meaning(f"marketo-{self._count}", ("marketo",), stage="inquiry", kind=kind, at=at)
        return Post("marketo", {"result": [one]}, at, about, (meaning,))


class Success:
    """Customer success has its own system: no vendor sends `onboarded`, so it sends CloudEvents."""

    def __init__(self, who: Identity, rng: random.Random) -> None:
        self.who, self.owner = who, f"success-{rng.randrange(4)}"

    def accepted(self, at: int) -> Post:
        """Take the customer over."""
        return self._post(
            "lead.accepted", "taken over by customer success", at, {"owner": self.owner}, "sal"
        )

    def worked(self, at: int) -> Post:
        """Hold a session with the customer."""
        return self._post(
            "touch", "onboarding session", at, {"kind": "meeting", "direction": "human"}, "inquiry"
        )

    def onboarded(self, at: int) -> Post:
        """Report that the customer is up and running."""
        return self._post(
            "touch",
            "customer onboarded",
            at,
            {"kind": "onboarded", "direction": "human"},
            "inquiry",
        )

    def _post(self, kind: str, about: str, at: int, data: dict[str, Any], stage: str) -> Post:
        name = f"{self.who.name}-{about.replace(' ', '-')}-{at}"
        body = {
            "specversion": "1.0", "id": name, "source": "success", "type": f"leadstream.{kind}",
            "time": iso(at),
            "data": {"email": self.who.email, **data},
        }  # fmt: skip
        return Post("cloudevents", body, at, about, (Meaning(name, (EMAIL,), stage=stage, at=at),))
