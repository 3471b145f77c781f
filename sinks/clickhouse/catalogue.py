"""The catalogue of figures: one SQL file each in kpis/, and what people read of it.

The comment at the top of a file names it: `kpi`, `title`, `basis`, `figure` (how rows become a
number), `rows` (the columns that tell its figures apart), `unit`, `better`, `meaning`. Command
line, API, page, Grafana and report all show these.

The first statement of a file selects the members of the figure: one row for each journey, deal or
hand-off that it counts, with `at` (the instant by which it lies in the period), `lead_id` and
`journey`. The figure is counted from these rows, so the leads behind it are the same rows, and two
reports differ by the rows that they differ in. A figure that no common form fits is written out
after the line `-- figure`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from schemas.shape import Shape

FILES = Path(__file__).parent / "kpis"

Basis = Literal["period", "cohort", "both", "now", "arrival"]
Form = Literal["count", "share", "cohort", "sum", "median", "written"]
Unit = Literal["leads", "share", "hours", "days", "minutes", "money", "money_a_day", "points"]
Better = Literal["higher", "lower", "neither"]
# The basis of figures about how events arrived: no definition decides them, no order keeps them.
ARRIVAL: Basis = "arrival"
NOT_APPLICABLE = "not applicable"
# How a unit is written: what stands before the decimal point, and after it.
FORMATS: dict[str, str] = {
    "leads": "integer",
    "share": "percent",
    "hours": "hours",
    "days": "days",
    "minutes": "minutes",
    "money": "currency",
    "money_a_day": "currency",
    "points": "decimal",
}
# Filters that a figure can apply: all, those that spend has too, or none.
Filters = Literal["all", "spend", "none"]

_KEYS = ("kpi", "title", "basis", "figure", "rows", "unit", "better", "needs", "filters", "meaning")
_LINE = re.compile(r"^(\w+): (.*)$")
_FIGURE = "-- figure\n"
_STATES = re.compile(r"\b(standing|lead_states|past_due|v_lead_state)\b")
_NEEDS = {
    "handoff": "no stage hands a lead off",
    "accepted": "no stage accepts a lead",
    "gate": "no stage has a gate",
}


class Kpi(NamedTuple):
    """A figure: what its file counts, and how it is read.

    `rows` are the columns of its members that tell its figures apart. `split`: its members have a
    column `by`, so that it can be asked by a dimension. `needs`: the funnel must have one of these,
    a role or a key of `_NEEDS`. `written` is the figure's own SQL, if no common form fits.
    """

    name: str
    title: str
    basis: Basis
    form: Form
    rows: tuple[str, ...]
    unit: Unit
    better: Better
    needs: tuple[str, ...]
    filters: Filters
    meaning: str
    members: str
    written: str = ""

    @property
    def split(self) -> bool:
        """Return whether it can be asked by a dimension."""
        return "by" in self.columns

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of its members; a file's outer FROM begins a line."""
        text = re.sub(r"--.*", "", self.members)
        head = re.split(r"^FROM\b", text, maxsplit=1, flags=re.MULTILINE)[0]
        ends, depth = [], 0
        for place, letter in enumerate(head):
            depth += (letter in "([{") - (letter in ")]}")
            if letter == "," and not depth:
                ends.append(place)
        items = (head[a:b] for a, b in pairwise([0, *ends, len(head)]))
        return tuple(found[0] for item in items if (found := re.findall(r"(\w+)\s*$", item)))

    @property
    def of_states(self) -> bool:
        """Return whether it needs to know where leads stand, which ClickHouse knows of now only."""
        return bool(_STATES.search(self.members))

    @property
    def format(self) -> str:
        """Return how its value is written."""
        return FORMATS[self.unit]


@lru_cache(maxsize=1)
def catalogue() -> tuple[Kpi, ...]:
    """Return all figures, in the order of their files.

    Raises:
        ValueError: the comment at the top of a file lacks a key, or has a word that it may not.

    """
    return tuple(_read(path) for path in sorted(FILES.glob("*.sql")))


def named(name: str) -> Kpi:
    """Return a figure by its name.

    Raises:
        ValueError: there is none; the message names those that there are.

    """
    found = next((kpi for kpi in catalogue() if kpi.name == name), None)
    if found is None:
        known = ", ".join(kpi.name for kpi in catalogue())
        raise ValueError(f"{name!r} is no KPI; ask for one of {known}")
    return found


def lacking(kpi: Kpi, shape: Shape) -> str:
    """Return why a funnel of this shape can't have a figure; empty where it can."""
    has = {
        "handoff": shape.handoffs,
        "accepted": shape.accepted,
        "gate": shape.gated,
        "recycled": shape.recycled,
        "nurture": shape.nurture,
        "lost": shape.lost,
    }
    if not kpi.needs or any(has[one] for one in kpi.needs):
        return ""
    return _NEEDS.get(kpi.needs[0], f"no stage is {' or '.join(kpi.needs)}")


def _read(path: Path) -> Kpi:
    text = path.read_text(encoding="utf-8")
    lines = [*takewhile(_of_the_header, text.splitlines())]
    found = _header(path.name, [line.removeprefix("--").strip() for line in lines])
    body = "\n".join(text.splitlines()[len(lines) :]).strip()
    members, _, written = body.partition(_FIGURE)
    if bool(written) != (found["figure"] == "written"):
        raise ValueError(f"{path.name}: what stands after `-- figure` goes with `figure: written`")
    return Kpi(
        name=found["kpi"],
        title=found["title"],
        basis=_one_of(path.name, "basis", found["basis"], get_args(Basis)),
        form=_one_of(path.name, "figure", found["figure"], get_args(Form)),
        rows=_words(found.get("rows", ""), ","),
        unit=_one_of(path.name, "unit", found["unit"], get_args(Unit)),
        better=_one_of(path.name, "better", found["better"], get_args(Better)),
        needs=_words(found.get("needs", ""), " or "),
        filters=_one_of(path.name, "filters", found.get("filters", "all"), get_args(Filters)),
        meaning=found["meaning"],
        members=members.strip(),
        written=written.strip(),
    )


def _header(file: str, lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    key = ""
    for line in lines:
        begun = _LINE.match(line)
        if begun and begun[1] in _KEYS:
            key = begun[1]
            found[key] = begun[2]
        elif key:
            found[key] += f" {line}"
    optional = {"rows", "needs", "filters"}
    if missing := [key for key in _KEYS if key not in found and key not in optional]:
        raise ValueError(f"{file}: the comment at its top must say {', '.join(missing)}")
    return found


def _of_the_header(line: str) -> bool:
    return line.startswith("--") and line != _FIGURE.strip()


def _words(text: str, between: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(between) if one.strip())


def _one_of(file: str, key: str, value: str, allowed: tuple[str, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{file}: {key} is {value!r}; it is one of {', '.join(allowed)}")
    return value
