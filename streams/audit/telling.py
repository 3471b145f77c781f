"""A lead's story as people read it: short lines, the reporting zone, the words of the funnel."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from schemas import addresses
from streams.domain import duties

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHAT = {
    "lead.created": "became known",
    "lead.snapshot": "stood in the CRM at the cut-over",
    "lead.stage_reported": "was reported",
    "lead.accepted": "was accepted",
    "lead.rejected": "was rejected",
    "lead.assigned": "was assigned",
    "lead.deleted": "was deleted in the CRM",
    "touch": "touched",
    "score_changed": "scored anew",
    "consent": "consent changed",
    "opportunity.created": "got a deal",
    "opportunity.stage_changed": "moved a deal",
    "opportunity.won": "won",
    "opportunity.lost": "lost",
    "identity.linked": "was recognised",
    "merge": "was merged",
    "unmerge": "was unmerged",
    "erase": "was erased",
    "void": "voided",
}
_LATE = timedelta(minutes=1)


def headline(story: dict[str, Any], now: int, titles: Mapping[str, str]) -> str:
    """Return the sentence that a salesperson needs: how late, whose move, what; at `now` (ms).

    `titles` are what people read for each stage. Of several clocks the one due first counts.
    """
    stands, ahead = story["now"], story["outlook"]
    if not stands:
        return "no lead goes by this id now: it was erased, or it is part of another one"
    name = stands.get("stage", "")
    stage = titles.get(name, name)
    running = sorted(ahead.get("running", ()), key=lambda one: (one["due_at"], one["clock"]))
    if not running:
        if not ahead.get("timer_at"):
            return f"nothing is late: in {stage} nothing is due"
        to = titles.get(ahead["timer_to"], ahead["timer_to"])
        when = duties.span((ahead["timer_at"] - now) / 1000)
        return f"nothing is late: it moves from {stage} to {to} by itself within {when}"
    first = running[0]
    duty = duties.Duty(first["team"], first["must"])
    what = duty.sentence(stands.get("owner") or "")
    seconds = (now - first["due_at"]) / 1000
    if seconds > 0:
        return f"{duties.late(seconds)}: {what}"
    return f"nothing is late in {stage}: {what} within {duties.span(seconds)}"


def readable(story: dict[str, Any], zone: str) -> list[str]:
    """Write a story for people."""
    tell = _Teller(ZoneInfo(zone), story["titles"])
    return [
        story["headline"],
        "",
        *tell.head(story),
        "",
        "What happened, and when we learned it",
        *(f"  {line}" for line in map(tell.event, story["events"])),
        "",
        "What follows from it",
        *(f"  {line}" for line in map(tell.fact, _shown(story["facts"], story["ladder"]))),
        *tell.restated(story["restated"]),
        *tell.ahead(story["outlook"]),
    ]


def _shown(facts: list[dict[str, Any]], ladder: list[str]) -> list[dict[str, Any]]:
    """Sort for reading: by time.

    At one instant the journey comes first, then its moves along the ladder, then what they started.
    """
    order = {"journey": 0, "decision": 1, "transition": 2, "handoff": 3, "clock": 4, "deal": 5}

    def place(fact: dict[str, Any]) -> tuple[Any, ...]:
        step = (
            ladder.index(fact["to"]) if fact["kind"] == "transition" and fact["to"] in ladder else 0
        )
        return (
            fact["event_time"],
            fact["journey"],
            order.get(fact["kind"], 9),
            step,
            fact.get("clock", ""),
            fact["revision"],
        )

    return sorted(facts, key=place)


def _was_wrong(fact: dict[str, Any]) -> bool:
    """Return whether a statement was taken back or put right.

    One that only went on is neither: a hand-off that was decided.
    """
    after = fact["instead"]
    if after is None:
        return True
    match fact["kind"]:
        case "clock":
            return fact["status"] in ("breached", "escalated") and after["status"] == "met"
        case "handoff":
            return fact["outcome"] not in ("pending", after["outcome"])
        case "journey":
            return any(
                fact[name] != after[name] and fact[name]
                for name in ("lead_origin", "source", "excluded")
            )
        case "deal":
            return False
        case _:
            return True


class _Teller:
    def __init__(self, zone: ZoneInfo, titles: dict[str, str]) -> None:
        self.zone, self.titles = zone, titles

    def title(self, stage: str) -> str:
        """Return what people read for a stage."""
        return self.titles.get(stage, stage)

    def clock(self, name: str) -> str:
        """Return what people read for `stage.clock`."""
        stage, _, clock = name.rpartition(".")
        return f"{self.title(stage)}.{clock}"

    def when(self, moment: datetime) -> str:
        return (
            moment.replace(tzinfo=moment.tzinfo or UTC)
            .astimezone(self.zone)
            .strftime("%Y-%m-%d %H:%M")
        )

    def ms(self, at: int | None) -> str:
        return self.when(datetime.fromtimestamp(at / 1000, UTC)) if at is not None else "never"

    def head(self, story: dict[str, Any]) -> list[str]:
        now, versions = story["now"], ", ".join(one["version"] for one in story["definitions"])
        lines = [f"Lead {story['lead']}"]
        if now:
            marks = [
                name.replace("_", " ") for name in ("hot", "test", "opted_out") if now.get(name)
            ]
            marks += [now["suppressed"]] if now.get("suppressed") else []
            marks_text = f" ({', '.join(marks)})" if marks else ""
            stage, owner = self.title(now["stage"]), now.get("owner") or "nobody"
            stands = f"stands in {stage}, journey {now['journey']}, owner {owner}"
            lines.append(f"  {stands}{marks_text}")
            if record := addresses.web(now.get("record_url")):
                lines.append(f"  record {record}")
            if len(now.get("origins") or ()) > 1:
                lines.append(f"  {len(now['origins'])} identities are one lead")
            if now.get("conflicts"):
                whose = "the CRM decides, or `leadstream merge | unmerge`"
                links = "a link" if now["conflicts"] == 1 else f"{now['conflicts']} links"
                lines.append(f"  {links} would join what may not be joined: {whose}")
        lines.append(f"  judged by version {versions} of the funnel")
        return lines

    def event(self, event: dict[str, Any]) -> str:
        what = _WHAT.get(event["type"], event["type"])
        detail = (
            event.get("kind")
            or event.get("stage")
            or event.get("reason")
            or event.get("owner")
            or event.get("voids")
            or ""
        )
        if event["type"] == "consent":
            detail = "may be contacted" if event.get("granted") else "may not be contacted"
        if event.get("deal"):
            deal = event["deal"]
            named = (
                deal["id"],
                deal.get("stage"),
                deal.get("amount"),
                deal.get("currency"),
                detail,
            )
            detail = " ".join(part for part in named if part)
        by = {"human": " by a person of ours", "automated": " automatically"}.get(
            event.get("direction", ""), ""
        )
        late = event["learned"] - event["at"] > _LATE
        learned = f", learned {self.when(event['learned'])}" if late else ""
        held = ", held until we knew whose it was" if event["held"] else ""
        stated = (
            f", dated {self.ms(event['stated_at'])} by its source" if event.get("stated_at") else ""
        )
        known = f"{event['source']}{learned}{held}{stated}"
        shown = f": {detail}" if detail else ""
        return f"{self.when(event['at'])}  {what}{by}{shown} ({known})"

    def fact(self, fact: dict[str, Any]) -> str:
        return f"{self.when(fact['event_time'])}  {self.say(fact)}"

    def say(self, fact: dict[str, Any]) -> str:
        match fact["kind"]:
            case "journey":
                parts = [
                    f"origin {fact['lead_origin'] or 'unknown'}",
                    f"source {fact['source'] or 'unattributed'}",
                ]
                parts += ["an opening balance"] * fact["opening"] + [
                    f"left out as {fact['excluded']}"
                ] * bool(fact["excluded"])
                parts += ["a stage was entered before an earlier one"] * fact["negative"]
                return f"journey {fact['journey']} begins: {', '.join(parts)}"
            case "transition":
                why = f"because of {fact['why']}"
                if fact["why"] == "timer":
                    why = f"because of the timer of {self.title(fact['from'])}"
                if fact["implied"]:
                    why = "passed by, so implied"
                reason = f": {fact['reason']}" if fact["reason"] else ""
                came = self.title(fact["from"]) or "nowhere"
                to = self.title(fact["to"])
                return f"{came} -> {to} ({fact['owner_team']}), {why}{reason}"
            case "decision":
                gate = f"the gate of {self.title(fact['stage'])} was asked"
                return f"{gate} ({fact['by']} decided): {self.rules(fact)}"
            case "handoff":
                reason = f", {fact['reason']}" if fact["reason"] else ""
                decided = f" on {self.ms(fact['decided_at'])}" if fact["decided_at"] else ""
                early = ", touched before it was assigned" if fact.get("negative") else ""
                outcome = fact["outcome"].replace("_", " ")
                stage = self.title(fact["stage"])
                return f"hand-off from {stage}: {outcome}{decided}{reason}{early}"
            case "clock":
                done = f", done {self.ms(fact['stopped_at'])}" if fact["stopped_at"] else ""
                name = self.clock(f"{fact['stage']}.{fact['clock']}")
                return f"clock {name}: due {self.ms(fact['due_at'])}, {fact['status']}{done}"
            case "deal":
                amount = (
                    f"{fact['amount']} {fact['currency']}".strip() if fact["amount"] else "unknown"
                )
                if fact["role"] == "influenced":
                    whose = "its outcome counts for the lead of its first contact"
                    return f"deal {fact['deal']}: influenced; {whose}"
                role = "" if fact["role"] == "primary" else f", only as {fact['role']}"
                return f"deal {fact['deal']}: {fact['status']}, amount {amount}{role}"
            case "disagreement":
                gate, crm = ("yes", "no") if fact["gate"] else ("no", "yes")
                stage, system = self.title(fact["stage"]), fact["system"]
                head = f"gate and {system} disagree about {stage}: gate {gate}, {system} {crm}"
                return f"{head}: {self.rules(fact)}"
            case "note":
                about = self.title(
                    fact.get("stage") or fact.get("reason") or fact.get("team") or ""
                )
                current = self.title(fact["current"]) or "no stage"
                what, event = fact["what"], fact["event"]
                return f"{what}: {event} {about} while in {current} ({fact['system']})"
            case "conflict":
                return f"conflict: {' and '.join(fact['identities'])} would be joined and may not"
            case kind:
                return str(kind)

    @staticmethod
    def rules(fact: dict[str, Any]) -> str:
        return "; ".join(
            f"{rule['rule']} {rule['value'] or 'nothing'}, needs {rule['need']}"
            f"{'' if rule['passed'] else ': FAILED'}"
            for rule in fact["rules"]
        )

    def restated(self, facts: list[dict[str, Any]]) -> list[str]:
        lines = []
        for fact in filter(_was_wrong, facts):
            by = fact["overruled_by"] or "what time or a merge brought"
            what = f"now {self.say(fact['instead'])}" if fact["instead"] else "withdrawn"
            since = self.when(fact["overruled_at"])
            lines.append(f"  {self.fact(fact)}; {what}, since {since}, because of {by}")
        return ["", "Corrected since", *lines] if lines else []

    def ahead(self, view: dict[str, Any]) -> list[str]:
        lines = []
        if view.get("missing"):
            missing = "; ".join(
                f"{rule['rule']} is {rule['value'] or 'nothing'}, needs {rule['need']}"
                for rule in view["missing"]
            )
            lines.append(f"  still missing for {self.title(view['missing_for'])}: {missing}")
        lines += [
            f"  clock {self.clock(one['clock'])} runs, due {self.ms(one['due_at'])}"
            for one in view.get("running", ())
        ]
        if view.get("timer_at"):
            to, at = self.title(view["timer_to"]), self.ms(view["timer_at"])
            lines.append(f"  moves to {to} by itself on {at}")
        return ["", "What is ahead", *lines] if lines else []
