"""One lead: a headline that says whose move it is, why, and all that happened on one timeline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from schemas import addresses
from streams.domain.duties import duty
from streams.live.drawing import Markup, join, outside, tag

from .duties import headline, who

if TYPE_CHECKING:
    from schemas.stages import Clock
    from streams.live.scene import Scene

# At one instant the event comes first, then what follows from it.
_ORDER = ("event", "journey", "decision", "transition", "handoff", "clock", "deal")
_LATE_SECONDS = 60


def draw(story: dict[str, Any], scene: Scene) -> Markup:
    """Draw a lead's page from its story, as explain.story makes it."""
    words, now = scene.words, story["now"]
    zone = words("zone_note", zone=scene.view.zone)
    parts = [
        tag("p", words("lead_id"), " ", tag("code", story["lead"]), class_="note"),
        tag("h1", summary(story, scene), id="headline", tabindex="-1"),
        *_why(story, scene),
        _standing(now, scene) if now else "",
        *_ahead(story["outlook"], scene),
        tag("h2", words("timeline"), id="timeline"),
        tag("p", zone, class_="note"),
        tag("p", words("facts_only"), class_="note") if story.get("partial") else "",
        _timeline(story, scene),
        *_restated(story["restated"], scene),
    ]
    return tag("article", *parts, class_="card lead-page", aria_labelledby="headline")


def _running(story: dict[str, Any], scene: Scene) -> list[tuple[datetime, str, str, Clock | None]]:
    """Return the clocks that run: due, stage, name, and the clock as the file has it."""
    found = []
    for one in story["outlook"].get("running", ()):
        stage, _, name = one["clock"].rpartition(".")
        spec = scene.funnel.stages.get(stage)
        clock = spec.clocks.get(name) if spec else None
        found.append((_moment(one["due_at"]), stage, name, clock))
    return sorted(found, key=lambda one: one[0])


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _team(scene: Scene, stage: str) -> str:
    spec = scene.funnel.stages.get(stage)
    return spec.owner if spec else ""


def summary(story: dict[str, Any], scene: Scene) -> str:
    """Return the sentence that a salesperson needs: how late, who, what."""
    words, now, running = scene.words, story["now"], _running(story, scene)
    if not now:
        return words("lead_gone")
    if running:
        due, stage, name, _ = running[0]
        late = (scene.now - due).total_seconds()
        return headline(words, late, now.get("owner") or "", duty(scene.funnel, stage, name))
    ahead = story["outlook"]
    if ahead.get("timer_at"):
        at = words.moment(_moment(ahead["timer_at"]), scene.view.zone)
        to = scene.title(ahead["timer_to"])
        return words("headline_timer", stage=scene.title(now["stage"]), to=to, at=at)
    return words("headline_quiet", stage=scene.title(now["stage"]))


def _why(story: dict[str, Any], scene: Scene) -> list[Markup]:
    """Return why: which service level, how long it allows, and what it waits for."""
    words, running = scene.words, _running(story, scene)
    found = []
    for due, stage, name, clock in running:
        needs = (clock.stopped_by or clock.restarted_by) if clock else ()
        key = "why_late" if due < scene.now else "why_due"
        text = words(
            key,
            clock=name,
            stage=scene.title(stage),
            due=words.moment(due, scene.view.zone),
            needs=", ".join(words(f"signal_{one}") for one in needs) or "—",
        )
        found.append(tag("p", text, class_="why"))
    return found


def _standing(now: dict[str, Any], scene: Scene) -> Markup:
    words = scene.words
    named = {"hot": "hot_mark", "test": "test", "opted_out": "opted_out"}
    marks = [words(text) for name, text in named.items() if now.get(name)]
    marks += [str(now["suppressed"])] if now.get("suppressed") else []
    record = addresses.web(now.get("record_url"))
    facts = (
        (words("stage"), scene.title(now["stage"])),
        (words("whose"), who(words, now.get("owner") or "", _team(scene, now["stage"]))),
        (words("manager"), now.get("manager")),
        (words("journey"), words.number(now.get("journey") or 0)),
        (words("source"), now.get("source") or words("unattributed")),
        (words("campaign"), now.get("campaign")),
        (words("segment"), now.get("segment")),
        (words("marks"), ", ".join(marks)),
        (words("record"), outside(record, words("record_open")) if record else ""),
    )
    shown = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts if value]
    return tag("dl", *shown, class_="facts")


def _ahead(ahead: dict[str, Any], scene: Scene) -> list[Markup]:
    words, found = scene.words, []
    if ahead.get("missing"):
        rules = "; ".join(
            words("rule_missing", rule=one["rule"], value=one["value"] or "—", need=one["need"])
            for one in ahead["missing"]
        )
        stage = scene.title(ahead["missing_for"])
        found.append(tag("li", words("missing_for", stage=stage, rules=rules)))
    if ahead.get("timer_at"):
        at = words.moment(_moment(ahead["timer_at"]), scene.view.zone)
        to = scene.title(ahead["timer_to"])
        found.append(tag("li", words("moves_on", to=to, at=at)))
    return [tag("h2", words("ahead")), tag("ul", *found)] if found else []


def _timeline(story: dict[str, Any], scene: Scene) -> Markup:
    ladder = story["ladder"]
    events = [{**one, "kind": "event", "touch": one.get("kind")} for one in story["events"]]
    items = [(one["at"], 0, 0, one) for one in events]
    for one in story["facts"]:
        place = _ORDER.index(one["kind"]) if one["kind"] in _ORDER else len(_ORDER)
        step = ladder.index(one["to"]) if one.get("to") in ladder else 0
        items.append((one["event_time"], place, step, one))
    days: dict[Any, list[Markup]] = {}
    for at, _, _, one in sorted(items, key=lambda item: item[:3]):
        local = at.astimezone(ZoneInfo(scene.view.zone))
        shown = tag("time", f"{local:%H:%M}", datetime=at.isoformat(timespec="seconds"))
        days.setdefault(local.date(), []).append(
            tag(
                "li",
                shown,
                tag("span", scene.words(f"kind_{one['kind']}"), class_=f"kind {one['kind']}"),
                tag("span", _what(one, scene), class_="what"),
            )
        )
    whole = (
        tag("li", tag("h3", scene.words.day(day)), tag("ol", *found)) for day, found in days.items()
    )
    return tag("ol", *whole, class_="timeline")


def _what(one: dict[str, Any], scene: Scene) -> Markup:
    return join(_event(one, scene) if one["kind"] == "event" else [sentence(one, scene)])


def _event(one: dict[str, Any], scene: Scene) -> list[object]:
    words = scene.words
    detail = one.get("touch") or one.get("reason") or one.get("owner") or one.get("voids") or ""
    if one.get("stage"):
        detail = scene.title(one["stage"])
    if one["type"] == "consent":
        detail = words("consent_yes" if one.get("granted") else "consent_no")
    if deal := one.get("deal"):
        named = (deal.get("id"), deal.get("stage"), deal.get("amount"), deal.get("currency"))
        detail = " ".join(str(part) for part in named if part)
    by = one.get("direction") or ""
    parts = [words.why(one["type"]), f": {detail}" if detail else ""]
    parts += [f" ({words(f'by_{by}')})"] if by in ("human", "automated", "inbound") else []
    notes = [one["source"]]
    if (one["learned"] - one["at"]).total_seconds() > _LATE_SECONDS:
        notes.append(words("learned", at=words.moment(one["learned"], scene.view.zone)))
    notes += [words("held")] if one["held"] else []
    return [*parts, tag("small", " — ", " · ".join(notes))]


def sentence(fact: dict[str, Any], scene: Scene) -> str:
    """Return a fact as one sentence."""
    words = scene.words
    match fact["kind"]:
        case "journey":
            origin, source = fact["lead_origin"] or "—", fact["source"] or words("unattributed")
            shown = words("fact_journey", n=fact["journey"], origin=origin, source=source)
            more = [words("opening")] * bool(fact["opening"])
            more += [words("left_out", why=fact["excluded"])] if fact["excluded"] else []
            return "; ".join((shown, *more))
        case "transition":
            came = scene.title(fact["from"]) or "—"
            why = words("implied") if fact["implied"] else words.why(fact["why"])
            reason = f": {fact['reason']}" if fact["reason"] else ""
            return f"{came} → {scene.title(fact['to'])} ({fact['owner_team']}); {why}{reason}"
        case "decision":
            by = words("fact_decision", stage=scene.title(fact["stage"]), by=fact["by"])
            return f"{by}: {_rules(fact, scene)}"
        case "handoff":
            shown = words(f"handoff_{fact['outcome']}")
            at = f", {_at(fact['decided_at'], scene)}" if fact["decided_at"] else ""
            why = f" ({fact['reason']})" if fact["reason"] else ""
            return words("fact_handoff", stage=scene.title(fact["stage"]), outcome=shown) + at + why
        case "clock":
            name = f"{scene.title(fact['stage'])} · {fact['clock']}"
            status, due = words(f"clock_{fact['status']}"), _at(fact["due_at"], scene)
            return words("fact_clock", clock=name, due=due, status=status)
        case "deal":
            amount = f"{fact['amount'] or ''} {fact['currency'] or ''}".strip() or "—"
            return words("fact_deal", deal=fact["deal"], status=fact["status"], amount=amount)
        case "disagreement":
            stage, system = scene.title(fact["stage"]), fact["system"]
            key = "fact_gate_yes" if fact["gate"] else "fact_gate_no"
            return f"{words(key, stage=stage, system=system)}: {_rules(fact, scene)}"
        case "note":
            named = fact.get("stage") or fact.get("reason") or fact.get("team") or ""
            current = scene.title(fact["current"]) or "—"
            return f"{fact['what']}: {words.why(fact['event'])} {scene.title(named)} ({current})"
        case _:
            return words("fact_conflict")


def _at(at: int, scene: Scene) -> str:
    return scene.words.moment(_moment(at), scene.view.zone)


def _rules(fact: dict[str, Any], scene: Scene) -> str:
    words = scene.words
    return "; ".join(
        words(
            "rule_passed" if rule["passed"] else "rule_missing",
            rule=rule["rule"],
            value=rule["value"] or "—",
            need=rule["need"],
        )
        for rule in fact["rules"]
    )


def _restated(facts: list[dict[str, Any]], scene: Scene) -> list[Markup]:
    """Return what was taken back or put right: a figure of last week may stand on it."""
    words, found = scene.words, []
    for one in facts:
        after = one["instead"]
        if after is not None and one["kind"] in ("clock", "handoff", "deal"):
            continue  # it only went on
        then = words("now_is", what=sentence(after, scene)) if after else words("withdrawn")
        since = words.moment(one["overruled_at"], scene.view.zone)
        shown = f"{sentence(one, scene)}. {then} ({since})"
        found.append(tag("li", shown))
    if not found:
        return []
    return [tag("h2", words("restated")), tag("ul", *found[-50:])]
