"""The KPIs of docs/design/kpis.md as SQL files, and one way to ask them.

Page, API, command line and Grafana's panels show the same figures. The comment at the top of a file
is its name, basis and meaning. Columns beyond value, numerator, denominator, n, mature and pending
are dimensions. Units: hours, days or business minutes as the file says; times are ms since the
epoch, UTC. What a file may read is in sql/kpis_prelude.sql.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.durations import Duration
from schemas.funnel import BUILT_IN, FIGURES, Funnel
from streams.sources import measuring

from . import attainment
from .files import statement

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schemas.shape import Shape

FILES = Path(__file__).parent / "kpis"
# Where spend came from, by the table that leads share with it. An ad account knows neither a lead's
# origin nor its segment.
_SPEND_BY = {
    "source": "transform(platform, {platforms:Array(String)}, {sources:Array(String)}, '')",
    "channel": "transform(platform, {platforms:Array(String)}, {channels:Array(String)}, '')",
}
# A campaign has no case, and the funnel's aliases are other names of it. One that is known by an ad
# only is the ad's, as costs name it.
_CAMPAIGN = (
    "transform(lowerUTF8(trimBoth({})) AS written, "
    "{aliases:Array(String)}, {names:Array(String)}, written)"
)
_OF_AD = "if(startsWith(campaign, {ad:String}) AND owns[campaign] != '', owns[campaign], campaign)"
_SPEND_BY["campaign"] = _CAMPAIGN.replace("{}", "campaign")
# The basis of figures about how events arrived: no definition decides them, no order keeps them.
ARRIVAL = "arrival"
_FIGURES = ("value", "numerator", "denominator", "n", "mature", "pending")
_HEADER = re.compile(r"^kpi: (\w+) · basis: (\w+) · (?:needs: ([\w ]+) · )?(.+)$")
_DAY_MS = 86_400_000
_OWNS = statement(__file__, "kpis_owns")
_PRELUDE = statement(__file__, "kpis_prelude")


class Kpi(NamedTuple):
    """A figure: what its file counts, and how."""

    name: str
    basis: str
    meaning: str
    sql: str
    needs: tuple[str, ...] = ()  # the funnel must have one of these: a role, or one of _NEEDS


_NEEDS = {
    "handoff": "no stage hands a lead off",
    "accepted": "no stage accepts a lead",
    "gate": "no stage has a gate",
}
NOT_APPLICABLE = "not applicable"


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


class Question(NamedTuple):
    """What is asked of the figures: a period, a dimension, an as-of instant, the funnel's terms.

    Instants are ms. `windows` are a cohort's, in ms, by stage or by name. `limits` are how long a
    lead may stay untouched, in ms, by role: 0 where the funnel sets none.
    """

    start: int
    end: int
    asof: int
    windows: dict[str, int]
    zone: str
    shape: Shape
    by: str = ""
    limits: dict[str, int] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    currency: str = "EUR"
    strategy: str = ""
    dimensions: tuple[str, ...] = ()  # that the funnel names beside those that are built in
    unmeasured: tuple[str, ...] = ()  # clocks that no enabled source can stop
    platforms: tuple[tuple[str, str, str], ...] = ()  # of ad platforms: name, source, channel
    # Of campaigns: a name in lower case, and the one that it means.
    aliases: tuple[tuple[str, str], ...] = ()

    def parameters(self) -> dict[str, Any]:
        """Return the query's parameters."""
        times = {"start": self.start, "end": self.end, "asof": self.asof}
        moments = {name: datetime.fromtimestamp(ms / 1000, UTC) for name, ms in times.items()}
        shape = self.shape
        spans = {f"w_{name}": self.windows[f"figures.{name}"] for name in FIGURES} | {
            f"limit_{role}": ms for role, ms in self.limits.items()
        }
        spans["w_deal"] = self.windows[shape.opens]
        values: dict[str, Any] = {
            "zone": self.zone,
            "optional": list(shape.optional),
            "currency": self.currency,
            "strategy": self.strategy,
        }
        chain = [stage for stage in shape.ladder if stage not in shape.optional]
        values |= {
            "ladder": list(shape.ladder),
            "stages": chain[:-1],
            "next_stages": chain[1:],
            "unaccepted": sorted(shape.unaccepted),
        }
        values["spans"] = [self.windows[stage] for stage in chain[:-1]]
        values |= {
            role: getattr(shape, role)
            for role in ("entry", "qualifying", "accepted", "won", "nurture", "recycled", "lost")
        }
        values |= {
            name: [one[place] for one in self.platforms]
            for place, name in enumerate(("platforms", "sources", "channels"))
        }
        values |= {
            "aliases": [one for one, _ in self.aliases],
            "names": [name for _, name in self.aliases],
            "ad": measuring.AD,
        }
        values["unmeasured"] = list(self.unmeasured)
        values["handoffs"] = [one.stage for one in shape.handoffs]
        first = next((one.stage for one in shape.handoffs if one.accepted == shape.accepted), "")
        values["handoff"] = first
        return {**moments, **spans, **values}


def question(
    funnel: Funnel, start: int, end: int, asof: int, by: str = "", cohort_days: int | None = None
) -> Question:
    """Ask with the funnel's own windows, or one for all (`cohort_days`).

    Raises:
        ValueError: `by` is no dimension.

    """
    known = (*BUILT_IN, *funnel.dimensions)
    if by and by not in known:
        hint = "name another under `dimensions` in the funnel file"
        raise ValueError(f"{by!r} is no dimension; ask by one of {', '.join(known)}, or {hint}")
    shape = funnel.shape()
    windows = {
        name: cohort_days * _DAY_MS if cohort_days else _span_ms(span)
        for name, span in funnel.windows().items()
    }
    limits = {role: _limit_ms(funnel, shape.of(role)) for role in ("nurture", "recycled")}
    reporting = funnel.reporting
    spent = tuple((platform, *names) for platform, names in measuring.platforms(funnel).items())
    return Question(
        start=start,
        end=end,
        asof=asof,
        windows=windows,
        zone=reporting.zone,
        shape=shape,
        by=by,
        limits=limits,
        currency=reporting.currency,
        strategy=funnel.strategy,
        dimensions=funnel.dimensions,
        unmeasured=tuple(measuring.not_measured(funnel)),
        platforms=spent,
        aliases=tuple((one.lower(), name.lower()) for one, name in funnel.aliases.items()),
    )


def _limit_ms(funnel: Funnel, stage: str) -> int:
    """Return how long a lead may stay untouched in a stage: its first clock's span (ms), or 0."""
    clocks = funnel.stages[stage].clocks.values() if stage else ()
    return next((_span_ms(clock.within) for clock in clocks), 0)


def _span_ms(span: Duration) -> int:
    return (
        span.elapsed_ms()
        or span.amount * {"day": 1, "week": 7, "month": 30}.get(span.unit, 1) * _DAY_MS
    )


@lru_cache(maxsize=1)
def catalogue() -> tuple[Kpi, ...]:
    """Return all figures, in the order of their files.

    Raises:
        ValueError: the comment at the top of a file isn't what `_HEADER` reads.

    """
    return tuple(_read(path) for path in sorted(FILES.glob("*.sql")))


def _read(path: Path) -> Kpi:
    lines = path.read_text(encoding="utf-8").splitlines()
    head = [*takewhile(lambda line: line.startswith("--"), lines)]
    found = _HEADER.match(" ".join(line.removeprefix("--").strip() for line in head))
    if not found:
        raise ValueError(f"{path.name}: the comment at its top must say kpi, basis and meaning")
    name, basis, needs, meaning = found.groups()
    body = "\n".join(lines[len(head) :]).strip()
    return Kpi(name, basis, meaning, body, tuple(needs.split(" or ")) if needs else ())


def sql(kpi: Kpi, by: str) -> str:
    """Return the whole statement. `by` is a known dimension: a column, never a value."""
    campaign = by == "campaign"
    parts = {
        "{owns}": _OWNS if campaign else "",
        "{by}": _CAMPAIGN.replace("{}", _OF_AD) if campaign else _column(by),
        "{own_by}": _column(by) if _named(by) else "journey_by",
        "{spend_by}": _SPEND_BY.get(by, "''"),
        "{unit_by}": "by" if by in _SPEND_BY else "''",
    }
    text = _PRELUDE + kpi.sql
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


def _named(by: str) -> bool:
    """Return whether the funnel names a dimension: each fact has its own value of such a one."""
    return bool(by) and by not in BUILT_IN


def _column(by: str) -> str:
    return f"dimensions['{by}']" if _named(by) else by or "''"


def ask(client: Any, asked: Question, names: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the figures as documents, of all KPIs or of those named.

    A document is {kpi, basis, dimensions, value, numerator, denominator, n, mature, pending}.
    """
    wanted = set(names)
    figures = []
    for kpi in catalogue():
        if wanted and kpi.name not in wanted:
            continue
        if why := lacking(kpi, asked.shape):
            nothing = dict.fromkeys(_FIGURES)
            head = {"kpi": kpi.name, "basis": NOT_APPLICABLE, "dimensions": {"why": why}}
            figures.append({**head, **nothing})
            continue
        result = client.query(
            sql(kpi, asked.by),
            parameters=asked.parameters(),
            settings={"joined_subquery_requires_alias": 0},
        )
        ignores = asked.by if asked.by and "by" not in result.column_names else ""
        for row in result.result_rows:
            values = dict(zip(result.column_names, row, strict=True))
            if kpi.name == attainment.KPI:
                target = attainment.Target(**values)
                figures += attainment.figures(
                    target, asked.zone, asked.asof, lambda *of: _actual(client, asked, *of)
                )
            else:
                figures.append(_figure(kpi, values, asked.by, ignores))
    return figures


def _actual(
    client: Any, asked: Question, metric: str, start: int, end: int, wanted: dict[str, str]
) -> list[dict[str, Any]]:
    """Ask a target's metric over the target's own period, by the dimension that the target has."""
    # A target of itself: only a record that no file brought can be one.
    if metric == attainment.KPI:
        return []
    by = next((name for name in (*BUILT_IN, *asked.dimensions) if name in wanted), "")
    return ask(client, asked._replace(start=start, end=end, by=by), [metric])


def _figure(kpi: Kpi, values: dict[str, Any], by: str, ignores: str) -> dict[str, Any]:
    basis = values.pop("basis", kpi.basis)
    group = values.pop("by", None)
    figure = {name: values.pop(name, None) for name in _FIGURES}
    # JSON has no NaN.
    if figure["value"] is not None:
        figure["value"] = float(figure["value"]) if math.isfinite(figure["value"]) else None
    dimensions = {**({by: group} if by and group is not None else {}), **values}
    if ignores:  # the figure is of all: it has no such dimension
        dimensions["ignores"] = ignores
    return {"kpi": kpi.name, "basis": basis, "dimensions": dimensions, **figure}
