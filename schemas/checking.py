"""What the names of a funnel definition must fit: each error says where it is and what to write.

A text begins with the path of its key, like `ladder.mql.timer.to: ...`, so that the line is found.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from schemas.notify import LEVELS, ROLES
from schemas.shape import ASIDE, DETOURS, HERE, REJECTED_TO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from schemas.funnel import Funnel
    from schemas.stages import Stage

_SHORTEST = 2  # of a ladder: the entry and the win
_RESERVED = {
    HERE: "means a hand-off without a move",
    "figures": "is the key of the windows that are no stage's",
}


def wrong(funnel: Funnel) -> list[str]:
    """Return what is wrong with the names of a definition; empty where nothing is."""
    found = [*_ladder(funnel), *_roles(funnel), *_teams(funnel)]
    for name, stage in funnel.stages.items():
        where = f"{'ladder' if name in funnel.ladder else 'aside'}.{name}"
        found += _named(where, (name, *stage.clocks))
        found += _stage(funnel, where, name, stage)
        found += _handoff(funnel, where, name, stage)
        found += _gate(funnel, where, name, stage)
        found += _timer(funnel, where, name, stage)
    return [*found, *_circles(funnel), *_words(funnel), *_figures(funnel), *_notify(funnel)]


def _need(name: str | None, known: Iterable[str], where: str, what: str) -> Iterator[str]:
    if name is not None and name not in known:
        hint = f"write one of {', '.join(sorted(known))}" if known else "there is none"
        yield f"{where}: {name!r} is no {what}; {hint}"


def _ladder(funnel: Funnel) -> Iterator[str]:
    if len(funnel.ladder) < _SHORTEST:
        yield "ladder: write at least two stages: the one that a lead enters, and the win"
    for name in funnel.aside:
        if name in funnel.ladder:
            yield f"aside.{name}: stands on the ladder too; a stage has one place"
    last = next(reversed(funnel.ladder), "")
    if last and funnel.ladder[last].role != "won":
        yield f"ladder.{last}.role: write `role: won`: the last stage of a ladder is the win"


def _roles(funnel: Funnel) -> Iterator[str]:
    taken: dict[str, str] = {}
    for name, stage in funnel.stages.items():
        beside = name in funnel.aside
        where = f"{'aside' if beside else 'ladder'}.{name}.role"
        if beside and stage.role is None:
            yield f"{where}: nothing leads here: say its role, one of {', '.join(ASIDE)}"
            continue
        if stage.role is None:
            continue
        if stage.role in taken:
            yield f"{where}: {taken[stage.role]} is {stage.role} already; a role is one stage's"
        taken.setdefault(stage.role, name)
        if beside != (stage.role in ASIDE):
            place = "on" if beside else "beside"
            yield f"{where}: a stage that is {stage.role} stands {place} the ladder"
    ladder = list(funnel.ladder)
    if taken.get("won") in ladder[:-1]:
        where = f"ladder.{taken['won']}.role"
        yield f"{where}: the stage that is won is the last of the ladder, and {ladder[-1]} is"
    if taken.get("deal") in ladder[:1]:
        yield f"ladder.{taken['deal']}.role: the entry can't be the deal; put a stage before it"


def _named(where: str, names: Iterable[str]) -> Iterator[str]:
    """Hold names to what columns, topics, addresses and `stage.clock` can carry in any script."""
    for name in names:
        if not name or not all(_letter(one) for one in name):
            hint = "write letters, digits, _ and - (a title may be anything)"
            yield f"{where}: {name!r} is no name: {hint}"
        elif unicodedata.normalize("NFC", name) != name:
            yield f"{where}: {name!r} is not in Unicode's normal form C: type its letters anew"
        elif name in _RESERVED:
            yield f"{where}: {name!r} {_RESERVED[name]}: call it otherwise"


def _letter(one: str) -> bool:
    return one in "_-" or unicodedata.category(one)[0] in "LMN"


def _stage(funnel: Funnel, where: str, name: str, stage: Stage) -> Iterator[str]:
    yield from _need(stage.owner, funnel.teams, f"{where}.owner", "team")
    for system in stage.authority:
        yield from _need(system, funnel.enabled_sources, f"{where}.authority", "enabled source")
    for clock, spec in stage.clocks.items():
        at = f"{where}.clocks.{clock}"
        yield from _need(spec.calendar, funnel.calendars, f"{at}.calendar", "calendar")
        yield from _need(spec.hot_calendar, funnel.calendars, f"{at}.hot_calendar", "calendar")
    if not stage.optional:
        return
    accept = {one.handoff.accepted_by for one in funnel.stages.values() if one.handoff}
    needed = stage.role or stage.handoff or stage.gate or name in accept
    if needed or name not in list(funnel.ladder)[1:]:
        yield (
            f"{where}.optional: only a plain stage above the entry may be passed by: "
            "one without a role, a hand-off and a gate, by which nobody accepts"
        )


def _handoff(funnel: Funnel, where: str, name: str, stage: Stage) -> Iterator[str]:
    if not stage.handoff:
        return
    ladder = list(funnel.ladder)
    if name not in ladder[1:]:
        yield f"{where}.handoff: a lead is handed off from a stage of the ladder above the entry"
        return
    yield from _need(stage.handoff.to, funnel.teams, f"{where}.handoff.to", "team")
    above = ladder[ladder.index(name) + 1 :]
    following = next((one for one in above if not funnel.ladder[one].optional), None)
    if stage.handoff.accepted_by not in (HERE, following):
        choice = f"`accepted_by: {following}`, the next stage that is not optional, or " * (
            following is not None
        )
        yield (
            f"{where}.handoff.accepted_by: {stage.handoff.accepted_by!r} does not accept it: "
            f"write {choice}`accepted_by: here`"
        )


def _gate(funnel: Funnel, where: str, name: str, stage: Stage) -> Iterator[str]:
    yield from _need(stage.gate, funnel.gates, f"{where}.gate", "gate of `gates`")
    if stage.gate and name not in list(funnel.ladder)[1:-1]:
        yield f"{where}.gate: a gate leads to a stage between the entry and the win"
    if stage.decided_by == "gate" and not stage.gate:
        yield f"{where}.decided_by: the gate decides and none is named: write `gate: ...` beside it"
    elif stage.decided_by != "either" and not stage.gate:
        yield f"{where}.decided_by: no gate leads here, so nothing else decides: take it out"


def _timer(funnel: Funnel, where: str, name: str, stage: Stage) -> Iterator[str]:
    if not stage.timer:
        return
    to, where = stage.timer.to, f"{where}.timer.to"
    yield from _need(to, funnel.stages, where, "stage")
    if to not in funnel.stages:
        return
    ladder, role = list(funnel.ladder), funnel.stages[to].role
    if to in ladder:
        over = stage.role in DETOURS or stage.role == "advocate"
        if over or (name in ladder and ladder.index(to) <= ladder.index(name)):
            yield f"{where}: time leads up the ladder or beside it, never back: {to!r} is behind"
    elif role == "churned" and stage.role not in ("won", "advocate"):
        yield f"{where}: only a customer churns; write a stage that is recycled or inactive"
    elif role == "advocate" and stage.role != "won":
        yield f"{where}: only a customer speaks for us; write a stage that is recycled or inactive"


def _circles(funnel: Funnel) -> Iterator[str]:
    """Find timers that lead in a circle: a lead would go round for ever."""
    leads = {name: stage.timer.to for name, stage in funnel.stages.items() if stage.timer}
    for start in leads:
        path = [start]
        while (following := leads.get(path[-1])) is not None and following not in path:
            path.append(following)
        if following == start and start == min(path):
            where = "ladder" if start in funnel.ladder else "aside"
            yield f"{where}.{start}.timer: timers lead in a circle: {' -> '.join([*path, start])}"


def _teams(funnel: Funnel) -> Iterator[str]:
    for name, team in funnel.teams.items():
        yield from _need(team.calendar, funnel.calendars, f"teams.{name}.calendar", "calendar")
        for member in team.of:
            yield from _need(member, funnel.teams, f"teams.{name}.of", "team")


def _words(funnel: Funnel) -> Iterator[str]:
    for reason, role in funnel.rejections.items():
        yield from _need(role, REJECTED_TO, f"rejections.{reason}", "role that takes a rejection")
    for reason in funnel.excluded:
        yield from _need(reason, funnel.rejections, "excluded", "reason of rejection")
    for vendor, mapping in funnel.vendors.items():
        for word, to in mapping.items():
            if isinstance(to, str):
                hint = " (a word that rejects is written {says: rejected})" * (to == "rejected")
                where = f"vendors.{vendor}.{word}"
                yield from _need(to, funnel.stages, where, f"stage{hint}")
    used = {stage.gate for stage in funnel.ladder.values()}
    for gate in funnel.gates.keys() - used:
        yield f"gates.{gate}: no stage has it: write `gate: {gate}` in the one that it leads to"
    for kind in funnel.scoring.hot:
        yield from _need(kind, funnel.scoring.points, "scoring.hot", "touch with points")


def _figures(funnel: Funnel) -> Iterator[str]:
    for name in funnel.kpis.windows.model_extra or {}:
        yield from _need(name, funnel.ladder, f"kpis.windows.{name}", "stage of the ladder")


def _notify(funnel: Funnel) -> Iterator[str]:
    known = (*ROLES, *funnel.teams)
    for name in funnel.notify.teams:
        yield from _need(name, funnel.teams, f"notify.teams.{name}", "team")
    for where, levels in (
        ("notify", funnel.notify),
        *((f"notify.teams.{name}", one) for name, one in funnel.notify.teams.items()),
    ):
        for level in LEVELS:
            spec = getattr(levels, level)
            for one in spec.to if spec else ():
                yield from _need(one, known, f"{where}.{level}.to", "role or team")


def nowhere_to_go(funnel: Funnel) -> list[str]:
    """Return which events would leave a lead where it stands, because no stage takes it."""
    shape = funnel.shape()
    found = []
    if not shape.leads_to("lost"):
        found.append("opportunity.lost: no stage is lost, recycled, disqualified or inactive")
    if not shape.leads_to("disqualified"):
        found += [
            f"{event}: no stage is disqualified, inactive or recycled"
            for event in ("lead.rejected", "lead.deleted")
        ]
    return found
