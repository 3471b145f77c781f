"""Reading definitions: every error with its line and a hint; versions that follow each other; the one in force."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import ValidationError

from .funnel import Funnel

FUNNELS = Path(__file__).parent / "funnels"


class Problem(NamedTuple):
    """One error of a definition: the line it stands on (1 is the first) and what to do."""

    line: int
    where: str
    text: str


class FunnelError(Exception):
    """A definition that cannot be used; `problems` name every line to mend."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        """Keep the problems and say them all in the message."""
        self.path, self.problems = path, problems
        super().__init__("\n".join(f"{path}:{p.line}: {p.where}: {p.text}" for p in problems))


def _line(node: yaml.Node | None, path: list[str | int]) -> int:
    """Find the line of a dotted path in the YAML tree; the nearest parent where the key itself is missing."""
    best = node.start_mark.line if node else 0
    for step in path:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(step):
                    best, node = key.start_mark.line, value
                    break
            else:
                return best + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            best = node.start_mark.line
    return best + 1


def load(path: Path) -> Funnel:
    """Read and check a definition.

    Raises:
        FunnelError: with every problem, its line and a hint.

    """
    text = path.read_text(encoding="utf-8")
    try:
        tree = yaml.compose(text)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise FunnelError(path, [Problem(mark.line + 1 if mark else 1, "yaml", str(error))]) from error
    try:
        return Funnel.model_validate(raw)
    except ValidationError as error:
        problems = []
        for item in error.errors():
            where = list(item["loc"])
            for text in item["msg"].removeprefix("Value error, ").split("\n"):
                named = text.split(": ", 1)[0].split(".") if not where and ": " in text else where
                problems.append(Problem(_line(tree, list(named)), ".".join(map(str, named)) or "funnel", text))
        raise FunnelError(path, problems) from error


def incompatible(funnels: list[Funnel]) -> list[str]:
    """Say why versions of a funnel can't follow each other on one history; each line names the version and what to do."""
    wrong, seen, first = [], {}, funnels[0]
    days: dict[date, str] = {}
    hint = "what it changes holds for open journeys too: adopt it as a new generation (`leadstream adopt`)"
    for funnel in funnels:
        name = f"{funnel.funnel} version {funnel.version}"
        if funnel.funnel != first.funnel:
            wrong.append(f"{name}: another funnel than {first.funnel}; keep one funnel in a folder")
        if funnel.version in seen:
            wrong.append(f"{name}: two files have this version; give each its own")
        if funnel.effective_from in days:
            wrong.append(f"{name}: version {days[funnel.effective_from]} comes into force on {funnel.effective_from} too")
        if (funnel.ladder, funnel.stages.keys(), funnel.optional) != (first.ladder, first.stages.keys(), first.optional):
            wrong.append(f"{name}: its stages differ from those of version {first.version}; {hint}")
        if funnel.reporting.zone != first.reporting.zone:
            wrong.append(f"{name}: its reporting zone differs from that of version {first.version}; {hint}")
        seen[funnel.version] = funnel
        days[funnel.effective_from] = funnel.version
    return wrong


def load_all(path: Path) -> list[Funnel]:
    """Read a file, or every `*.yaml` of a folder: the versions of one funnel, by when they come into force.

    Raises:
        FunnelError: a file can't be used, or two can't follow each other.

    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise FunnelError(path, [Problem(1, "funnel", "no *.yaml in this folder; begin with schemas/funnels/default.yaml")])
    funnels = sorted((load(file) for file in files), key=lambda funnel: (funnel.effective_from, funnel.version))
    wrong = incompatible(funnels)
    if wrong:
        raise FunnelError(path, [Problem(1, "versions", text) for text in wrong])
    return funnels


def in_force(path: Path, day: date | None = None) -> Funnel:
    """Read the version in force on a day (UTC's today): the one whose windows, zone and thresholds figures are shown by."""
    funnels = load_all(path)
    today = day or datetime.now(UTC).date()
    return [funnels[0], *(funnel for funnel in funnels if funnel.effective_from <= today)][-1]
