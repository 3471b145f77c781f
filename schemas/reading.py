"""Reading definitions: one file or several versions, and the version in force at an instant.

Every error is reported with its line and a hint.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import time
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from schemas.errors import LeadstreamError

from . import documents
from .documents import Problem
from .first_form import is_first
from .funnel import Funnel
from .strict import Strict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import yaml

__all__ = [
    "FUNNELS",
    "Clash",
    "FunnelError",
    "Problem",
    "in_force",
    "incompatible",
    "load",
    "load_all",
    "shipped",
    "version_at",
]

FUNNELS = Path(__file__).parent / "funnels"


_FIRST_FORM = (
    "is written in an older form: each stage stands under `ladder` or `aside` now, rules under "
    "`gates`, points under `scoring`; `leadstream check --rewrite FILE` prints it in today's form"
)


def shipped() -> dict[str, Path]:
    """Return the funnels that come with the product, examples too, by name."""
    return {path.stem: path for path in sorted(FUNNELS.glob("**/*.yaml"))}


class Clash(NamedTuple):
    """Why a version can't follow the others: its place among them, the key, and what to do."""

    place: int
    key: str
    text: str


class FunnelError(LeadstreamError):
    """A definition that cannot be used; `problems` name every line to mend."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        """Keep the problems and say them all in the message."""
        self.path, self.problems = path, problems
        super().__init__(
            "\n".join(f"{p.file or path}:{p.line}: {p.where}: {p.text}" for p in problems)
        )


def _problems(error: ValidationError, tree: yaml.Node | None) -> list[Problem]:
    found = []
    for item in error.errors():
        where = list(item["loc"])
        for text in item["msg"].removeprefix("Value error, ").split("\n"):
            named = text.split(": ", 1)[0].split(".") if not where and ": " in text else where
            line, key = documents.line_of(tree, list(named)), ".".join(map(str, named)) or "funnel"
            found.append(Problem(line, key, _hint(item["type"], named, text)))
    return found


def _hint(kind: str, where: Sequence[str | int], text: str) -> str:
    if kind == "extra_forbidden":
        known = {name for model in Strict.__subclasses__() for name in model.model_fields}
        like = difflib.get_close_matches(str(where[-1]), known, 1)
        return f"no such key here{f'; did you mean {like[0]}?' if like else ': take it out'}"
    if kind == "missing":
        return f"is missing; write `{where[-1]}: ...` here, as schemas/funnels/default.yaml does"
    return text


def _mended(raw: Any, error: ValidationError) -> Any:
    """Return the definition with the shipped one's value wherever it can't be read.

    So one run also reports which of its names are not defined.
    """
    raw, good = copy.deepcopy(raw), documents.read(FUNNELS / "default.yaml").value
    for item in error.errors():
        *path, last = item["loc"] or (None,)
        with contextlib.suppress(KeyError, IndexError, TypeError):
            there, model = raw, good
            for step in path:
                there = there[step]
                model = model.get(step) if isinstance(model, dict) else None
            if item["type"] != "extra_forbidden" and isinstance(model, dict) and last in model:
                there[last] = model[last]
            else:
                del there[last]
    return raw


def load(path: Path) -> Funnel:
    """Read and check a definition.

    Raises:
        FunnelError: with every problem, its line and a hint.

    """
    try:
        tree, raw = documents.read(path)
    except documents.DocumentError as error:
        problem = error.problem
        if problem.where == "file":
            problem = problem._replace(
                text=f"{problem.text}; name a funnel file or a folder of them"
            )
        raise FunnelError(path, [problem]) from error
    if not isinstance(raw, dict):
        raise FunnelError(
            path,
            [Problem(1, "funnel", "no funnel: begin with a copy of schemas/funnels/default.yaml")],
        )
    problems = documents.twice(tree)
    if is_first(raw):
        line = documents.line_of(tree, ["stages"])
        raise FunnelError(path, [*problems, Problem(line, "stages", _FIRST_FORM)])
    try:
        funnel = Funnel.model_validate(raw)
    except ValidationError as error:
        problems += _problems(error, tree)
        try:
            Funnel.model_validate(_mended(raw, error))
        except ValidationError as more:
            if not any(item["loc"] for item in more.errors()):
                problems += [one for one in _problems(more, tree) if one not in problems]
    if problems:
        raise FunnelError(path, sorted(problems))
    return funnel


def incompatible(funnels: list[Funnel]) -> list[Clash]:
    """Return why versions of a funnel can't follow each other on one history.

    Each reason names the version and what to do.
    """
    wrong, seen, first = [], set(), funnels[0]
    days: dict[date, str] = {}
    hint = (
        "what it changes holds for open journeys too: adopt it as a new generation "
        "(`leadstream adopt`)"
    )
    for place, funnel in enumerate(funnels):
        name = f"{funnel.funnel} version {funnel.version}"

        def clash(key: str, text: str, place: int = place, name: str = name) -> None:
            wrong.append(Clash(place, key, f"{name}: {text}"))

        if funnel.funnel != first.funnel:
            clash("funnel", f"another funnel than {first.funnel}; keep one funnel in a folder")
        if funnel.version in seen:
            clash("version", "two files have this version; give each its own")
        if funnel.effective_from in days:
            other = days[funnel.effective_from]
            clash(
                "effective_from",
                f"version {other} comes into force on {funnel.effective_from} too; "
                "change one of them",
            )
        if (funnel.shape(), [*funnel.stages]) != (first.shape(), [*first.stages]):
            clash("ladder", f"its stages differ from those of version {first.version}; {hint}")
        if funnel.reporting.zone != first.reporting.zone:
            clash(
                "reporting",
                f"its reporting zone differs from that of version {first.version}; {hint}",
            )
        seen.add(funnel.version)
        days[funnel.effective_from] = funnel.version
    return wrong


def load_all(path: Path) -> list[Funnel]:
    """Return the versions of one funnel by when they come into force, of a file or a folder.

    Of a folder every `*.yaml` is read.

    Raises:
        FunnelError: a file can't be used, or two can't follow each other.

    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise FunnelError(
            path,
            [
                Problem(
                    1, "funnel", "no *.yaml in this folder; begin with schemas/funnels/default.yaml"
                )
            ],
        )
    read, problems = [], []
    for file in files:
        try:
            read.append((load(file), file))
        except FunnelError as error:
            problems += [problem._replace(file=str(file)) for problem in error.problems]
    read.sort(key=lambda one: (one[0].effective_from, one[0].version))
    for clash in incompatible([funnel for funnel, _ in read]) if read else ():
        file = read[clash.place][1]
        line = documents.line_of(documents.read(file).tree, [clash.key])
        problems.append(Problem(line, clash.key, clash.text, str(file)))
    if problems:
        raise FunnelError(path, problems)
    return [funnel for funnel, _ in read]


def version_at(funnels: Sequence[Funnel], moment: int) -> Funnel:
    """Return the version in force at an instant (ms); `funnels` are in the order of their days.

    A version begins with its first day in its own reporting zone, as the fold has it
    (streams/domain/definition.py); the first one holds from the beginning of time.
    """
    begun = (one for one in funnels if one.effective_from <= _day(one, moment))
    return [funnels[0], *begun][-1]


def _day(funnel: Funnel, moment: int) -> date:
    return datetime.fromtimestamp(moment / 1000, ZoneInfo(funnel.reporting.zone)).date()


def in_force(path: Path, moment: int | None = None) -> Funnel:
    """Return the version in force at an instant (ms), or now.

    Figures are shown by its windows, zone and thresholds.
    """
    return version_at(load_all(path), int(time.time() * 1000) if moment is None else moment)
