"""What events say beside any move: of the lead itself, its attribution, its points.

The newest statement of a field holds; the first campaign, the first origin and the first human
touch of a hand-off do. `know` and `touch` say whether what they learned may change a gate's
verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.events import Event, EventType
from streams.sources.measuring import AD

from .gates import FoldAgain
from .moving import LeadState
from .standing import Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .journey import Journey

# What an event knows of the lead itself: the newest statement holds.
LEAD_FIELDS = ("owner", "queue", "manager", "record_url", "account", "segment")


def fields_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an event says of the lead itself.

    Attributes are `attributes.<name>`, as a gate's rule names them.
    """
    fields = {name: body[name] for name in LEAD_FIELDS if body.get(name)}
    return {
        **fields,
        **{f"attributes.{name}": value for name, value in body.get("attributes", {}).items()},
    }


def page_of(marketing: Mapping[str, Any]) -> str:
    """Return a landing page without its query and fragment, which may hold what a person typed."""
    page: str = marketing.get("landing_page") or ""
    return page.split("?", 1)[0].split("#", 1)[0]


class Learning(LeadState):
    """The state of one lead while it is folded, and what it learns from events."""

    judged = Standing([], frozenset(), {}, frozenset())

    def identify(self, event: Event, body: Mapping[str, Any]) -> None:
        """Take what an event that joins identities says beside it.

        That is the record that is left, the account, that it is a test, the campaign. It is no
        activity, moves nothing, and makes no lead of somebody of whom nothing else is known.
        """
        state = self.state
        names = ("account", "record_url") if event.type == EventType.MERGE else ("account",)
        state.lead.update({name: body[name] for name in names if body.get(name)})
        if body.get("test") and not state.test and state.sealed.journeys:
            raise FoldAgain  # of every journey
        state.test = state.test or bool(body.get("test"))
        for journey in state.journeys:
            journey.test = journey.test or state.test
        marketing = body.get("marketing")
        if not marketing:
            return
        state.marketing = {**state.marketing, **marketing}
        if state.journeys:
            self._campaign(state.journeys[-1], self.definitions.at(event.at).attribution(marketing))

    @staticmethod
    def _campaign(journey: Journey, known: tuple[str, str, str]) -> None:
        """Complete where a journey came from by a campaign that was named later."""
        campaign = journey.attribution[2]
        if (
            (not campaign or campaign.startswith(AD))
            and journey.attribution[:2] == known[:2]
            and known[2]
        ):
            journey.attribution = known

    def know(self, event: Event, body: Mapping[str, Any]) -> bool:
        """Keep what an event says of the lead itself; return whether that may change a verdict."""
        state = self.state
        before = (state.origin, state.suppressed, state.opted_out)
        fields = fields_of(body) | (
            {"assigned_at": event.at} if event.type == EventType.ASSIGNED else {}
        )
        if event.origin in self.judged.gone:
            fields.pop("record_url", None)  # of a record that is gone: nobody finds anything there
        if event.type == EventType.ASSIGNED and body.get("owner") == "":
            fields = dict.fromkeys(("owner", "assigned_at"))
        known = self.knows(fields)
        state.lead.update(fields)
        state.last_activity = max(state.last_activity, event.at)
        state.origin = state.origin or self.current.origin(body)
        persona = body.get("attributes", {}).get("persona", "")
        if persona in self.current.funnel.scoring.suppressed:
            state.suppressed = persona
        if body.get("test") and "test" in self.current.funnel.scoring.suppressed:
            state.suppressed = "test"
        if event.type == EventType.ASSIGNED:
            self._assign(event.at if fields["assigned_at"] else None)
        if event.type == EventType.CONSENT:
            self.opt_out(event)
        return not known or before != (state.origin, state.suppressed, state.opted_out)

    def _assign(self, at: int | None) -> None:
        """Take that every hand-off which nobody touched has an owner, or waits for one again."""
        handoffs = self.state.journeys[-1].handoffs if self.state.journeys else []
        for handoff in handoffs:
            if handoff.touched_at is None or handoff is handoffs[-1]:
                handoff.assigned_at = (handoff.assigned_at or at) if at else None

    def knows(self, fields: dict[str, Any]) -> bool:
        return all(self.state.lead.get(name) == value for name, value in fields.items())

    def touch(self, event: Event, body: Mapping[str, Any], journey: Journey) -> bool:
        """Note a touch's attribution, first human touch of a hand-off, and points.

        Return whether that may change a gate's verdict.
        """
        state, known = self.state, (journey.attribution, journey.hot)
        journey.test = journey.test or state.test or bool(body.get("test"))
        # What brings a lead back is the next journey's source.
        over = state.stage in self.shape.detours
        if body.get("marketing") and journey.attribution == ("", "", "") and not over:
            journey.attribution = self.current.attribution(body["marketing"])
            journey.landing_page = journey.landing_page or page_of(body["marketing"])
            if state.marketing:
                self._campaign(journey, self.current.attribution(state.marketing))
        if event.type not in (EventType.TOUCH, EventType.CREATED):
            return known != (journey.attribution, journey.hot)
        direction, kind = body.get("direction", "inbound"), body.get("kind", "")
        state.last_touch = event.at
        if direction != "inbound":
            state.last_outbound = event.at
        if direction == "human":
            state.last_human = event.at
            for handoff in journey.handoffs:
                handoff.touched_at = handoff.touched_at or event.at
        journey.hot = journey.hot or kind in self.funnel.scoring.hot
        return bool(journey.score.add(kind, event.at)) or known != (
            journey.attribution,
            journey.hot,
        )
