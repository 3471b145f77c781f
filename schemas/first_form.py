"""Definitions as they were written before stages had a ladder of their own: read, and written anew.

Until then `ladder` listed names, `stages` held every stage, one `gate` held rules and points, and
before that the names themselves said what a stage was. Records of those days (the changelog,
`lead.touches`, ClickHouse) are converted when they are read; a file is refused with its new form.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

_NAMED: dict[str, dict[str, Any]] = {  # what the names meant
    "opportunity": {"role": "deal"},
    "customer": {"role": "won"},
    "nurturing": {"role": "nurture"},
    "recycled": {"role": "recycled"},
    "inactive": {"role": "inactive"},
    "lost": {"role": "lost"},
    "disqualified": {"role": "disqualified"},
    "churned": {"role": "churned"},
    "evangelist": {"role": "advocate"},
}
HANDOFF = "mql"  # the one stage that handed leads off, and the one with a gate
_GATE = "ready"  # the one gate had no name of its own
_RULES = ("all", "any", "none")
_FIGURES = ("won", "acceptance", "recovery")
_WIDTH = 96


def is_first(raw: Any) -> bool:
    """Return whether a document is a definition in the older form."""
    return isinstance(raw, dict) and isinstance(raw.get("stages"), dict) and "aside" not in raw


def renewed(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a definition in today's form. What can't be read is left for the check to name."""
    stages = _with_roles(raw["stages"])
    ladder, optional = _names(raw.get("ladder")), _names(raw.get("optional"))
    roles = {name: one.get("role") for name, one in stages.items() if isinstance(one, dict)}
    new: dict[str, Any] = {}
    for key, value in raw.items():
        match key:
            case "ladder":
                new["ladder"] = {name: _stage(stages, name, name in optional) for name in ladder}
            case "stages":
                beside = [name for name in stages if name not in ladder]
                new["aside"] = {name: _stage(stages, name) for name in beside}
            case "optional":
                pass
            case "gate":
                new |= _gate(value, stages)
            case "rejections" if isinstance(value, dict):
                new[key] = {why: _role(to, roles) for why, to in value.items()}
            case "vendors" if isinstance(value, dict):
                new[key] = {vendor: _words(words) for vendor, words in value.items()}
            case "kpis" if isinstance(value, dict):
                new[key] = _figures(value)
            case _:
                new[key] = value
    return new


def _names(value: Any) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list | tuple) else []


def _role(to: Any, roles: dict[str, Any]) -> Any:
    """Return the role of the stage that a rejection names, or what it names if no stage is."""
    return (roles.get(to) or to) if isinstance(to, str) else to


def _with_roles(stages: dict[str, Any]) -> dict[str, Any]:
    stated = [one for one in stages.values() if isinstance(one, dict)]
    if any("role" in one or "handoff" in one for one in stated):
        return stages
    named = {
        name: {**_NAMED.get(name, {}), **one} if isinstance(one, dict) else one
        for name, one in stages.items()
    }
    accepts = stages.get("sal")
    if isinstance(named.get(HANDOFF), dict) and isinstance(accepts, dict):
        named[HANDOFF]["handoff"] = {"to": accepts.get("owner"), "accepted_by": "sal"}
    return named


def _stage(stages: dict[str, Any], name: str, optional: bool = False) -> Any:
    stage = stages.get(name, {})
    if not isinstance(stage, dict):
        return stage
    stage = {**stage, **({"optional": True} if optional else {})}
    return {**stage, "gate": _GATE} if stage.get("gate") else stage


def _gate(gate: Any, stages: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(gate, dict):
        return {"scoring": gate}
    new = {"scoring": {key: value for key, value in gate.items() if key not in _RULES}}
    if any(isinstance(one, dict) and one.get("gate") for one in stages.values()):
        new["gates"] = {_GATE: {key: gate[key] for key in _RULES if gate.get(key)}}
    return new


def _words(words: Any) -> Any:
    if not isinstance(words, dict):
        return words
    return {word: {"says": "rejected"} if to == "rejected" else to for word, to in words.items()}


def _figures(kpis: dict[str, Any]) -> dict[str, Any]:
    windows = kpis.get("windows")
    if not isinstance(windows, dict):
        return kpis
    stages = {name: span for name, span in windows.items() if name not in _FIGURES}
    figures = {name: span for name, span in windows.items() if name in _FIGURES}
    return {**kpis, "windows": {**stages, **({"figures": figures} if figures else {})}}


def text(raw: dict[str, Any]) -> str:
    """Write a definition as YAML: what fits on a line is on one. Comments are not known here."""
    return "".join(_block(raw, 0))


def _block(value: Any, deep: int) -> list[str]:
    lines = []
    for key, one in value.items():
        head = f"{' ' * deep}{_flow(key)}: "
        flow = _flow(one)
        if isinstance(one, dict) and one and (len(head) + len(flow) > _WIDTH or deep == 0):
            lines += [head.rstrip() + "\n", *_block(one, deep + 2)]
        elif isinstance(one, list) and len(head) + len(flow) > _WIDTH:
            lines += [head.rstrip() + "\n"]
            lines += [f"{' ' * (deep + 2)}- {_flow(item)}\n" for item in one]
        else:
            lines.append(head + flow + "\n")
    return lines


def _flow(value: Any) -> str:
    written: str = yaml.safe_dump(
        value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=1_000_000
    )
    flow = written.removesuffix("\n").removesuffix("\n...")
    # A text with a break in it would go over lines; JSON, which YAML reads too, escapes the break.
    return json.dumps(value, default=str) if len(flow.splitlines()) > 1 else flow
