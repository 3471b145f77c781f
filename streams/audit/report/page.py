"""The weekly report as one file of HTML: nothing is loaded from anywhere, and no script runs.

A cell with a number names its figure (`data-of`: the question, KPI, basis and dimensions, as JSON;
`data-part`: which of its numbers), so that the file can be checked against the figures.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import orjson

from schemas import addresses
from sinks.clickhouse.catalogue import catalogue

from . import gathering, plots
from .gathering import WEEKS, Week
from .plots import Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Written = Callable[[float | None, str, str], str]

# Acceptance in firms (kpis k110).
BENCHMARKS = (("worst firms", 0.05), ("average", 0.23), ("best firms", 0.47))
MOST_LEADS = 50  # of a list, and of each part of a bridge
_STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
_PATTERN = (
    '<svg width="0" height="0" aria-hidden="true" style="position:absolute"><defs>'
    '<pattern id="waits" width="6" height="6" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><path d="M0 0V6"/></pattern></defs></svg>'
)
_KEY = (
    ("reached", "reached in time"),
    ("missed", "not in time"),
    ("early", "reached, window still open"),
    ("waits", "pending"),
)


def render(week: Week, written: Written) -> str:
    """Return the report. `written` writes a value by its format and currency."""
    draw = _Page(week, written)
    title = f"leadstream: {draw.days()}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{_PATTERN}"
        f"{draw.top()}<main>{''.join(draw.sections())}</main></body></html>\n"
    )


def _table(heads: Iterable[str], rows: Iterable[str], caption: str = "") -> str:
    head = "".join(
        f'<th scope="col"{_NUMBER if one.startswith("#") else ""}>{escape(one.lstrip("#"))}</th>'
        for one in heads
    )
    named = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{named}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


_NUMBER = ' class="number"'


def _cell(text: str, kind: str = "") -> str:
    return f"<td{f' class={kind!r}' if kind else ''}>{escape(text)}</td>"


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


class _Page:
    """Draws the parts of a report."""

    def __init__(self, week: Week, written: Written) -> None:
        self.week, self.written = week, written
        self.zone = ZoneInfo(week.week["period"]["zone"])

    # --- numbers ----------------------------------------------------------------------------

    def shown(self, figure: Mapping[str, Any], part: str = "value") -> str:
        """Return a number of a figure as people read it."""
        form = figure["format"] if part in ("value", "previous") else "integer"
        if part in ("numerator", "denominator") and figure["format"] == "currency":
            form = "currency" if part == "numerator" else "integer"
        currency = str(figure["dimensions"].get("currency", ""))
        return self.written(figure.get(part), form, currency)

    def number(
        self, report: str, figure: Mapping[str, Any], part: str = "value", tag: str = "td"
    ) -> str:
        """Return a number of a figure in an element that names it."""
        of = [report, figure["kpi"], figure["basis"], figure["dimensions"]]
        named = escape(orjson.dumps(of, default=str).decode())
        kind = _NUMBER if tag == "td" else ""
        return (
            f'<{tag}{kind} data-part="{part}" data-of="{named}">'
            f"{escape(self.shown(figure, part))}</{tag}>"
        )

    def label(self, figure: Mapping[str, Any], *left_out: str) -> str:
        """Return what tells a figure apart, as people read it."""
        dimensions = self.week.funnel.shown(figure["dimensions"])
        return ", ".join(
            f"to {value}" if name == "next_stage" else str(value)
            for name, value in dimensions.items()
            if name not in left_out and value not in ("", None)
        )

    def change(self, figure: Mapping[str, Any]) -> str:
        """Return how a figure changed since the period before; a share's in points."""
        now, before = figure["value"], figure.get("previous")
        if now is None or before is None:
            return ""
        if figure["format"] == "percent":
            return f"{100 * (now - before):+.1f} points"
        return f"{(now - before) / before:+.0%}" if before else "none before"

    # --- the parts --------------------------------------------------------------------------

    def days(self, which: str = "period") -> str:
        """Return the days of the period, or of the one before; the last one counts."""
        period = self.week.week[which]
        end = datetime.fromisoformat(period["to"])
        if end.time() == time():  # the midnight after the last day
            return f"{period['from'][:10]} to {(end - timedelta(days=1)).date()}"
        return f"{period['from'][:10]} to {end:%Y-%m-%d %H:%M}"

    def moment(self, moment: datetime) -> str:
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def top(self) -> str:
        funnel = self.week.funnel
        made = f"Made {self.moment(self.week.made_at)}; times are of {self.zone.key}"
        lines = (
            f"Compared with {self.days('before')}.",
            f"{made}. Funnel {funnel.funnel}, version {funnel.version}.",
        )
        return f"<header><h1>{escape(self.days())}</h1>{''.join(map(_note, lines))}</header>"

    def sections(self) -> Iterable[str]:
        """Yield the sections in the order of the meeting."""
        for title, draw in (
            ("The week in figures", self.headline),
            ("Targets", self.targets),
            ("Funnel", self.funnel),
            ("Acceptance by sales", self.acceptance),
            ("Hand-offs", self.ledger),
            ("Service levels", self.levels),
            ("Stalled leads", self.stalled),
            ("Sources", self.sources),
            (f"{WEEKS} weeks", self.trends),
            ("What changed in past figures", self.bridge),
            ("What is not measured", self.unmeasured),
            ("What the figures mean", self.meanings),
        ):
            yield f"<section><h2>{escape(title)}</h2>{''.join(draw())}</section>"

    def headline(self) -> Iterable[str]:
        tiles = []
        for figure in gathering.headline(self.week):
            name = escape(_named(figure["title"], self.label(figure, "currency")))
            tiles.append(
                f"<li>{name}"
                f"{self.number('week', figure, tag='strong')}"
                f"<small>before {self.number('week', figure, 'previous', 'span')} "
                f"{escape(self.change(figure))}</small></li>"
            )
        late = f"{self.week.stalled['total']:,}"
        tiles.append(f'<li>Stalled now<strong data-part="stalled">{late}</strong></li>')
        yield f'<ul class="tiles">{"".join(tiles)}</ul>'

    def targets(self) -> Iterable[str]:
        found = gathering.of(self.week, "week", "attainment")
        reached = [one for one in found if one["dimensions"]["measure"] == "attainment"]
        if not reached:
            yield _note("No target falls into the period: `leadstream records` publishes them.")
            return
        pace = {
            _without_measure(one): one for one in found if one["dimensions"]["measure"] == "pace"
        }
        heads = ("target", "until", "owner", "#actual", "#target", "#attained", "#pace")
        yield _table(heads, (self.target(one, pace.get(_without_measure(one))) for one in reached))

    def target(self, figure: dict[str, Any], pace: dict[str, Any] | None) -> str:
        named = figure["dimensions"]
        scope = ", ".join(orjson.loads(named["scope"]).values()) if named["scope"] else ""
        return _row(
            _cell(", ".join(filter(None, (named["metric"], scope)))),
            _cell(str(named["end"])),
            _cell(str(named["owner"])),
            self.stated(figure, "numerator"),
            self.stated(figure, "denominator"),
            self.number("week", figure),
            self.number("week", pace) if pace else _cell(""),
        )

    def stated(self, figure: Mapping[str, Any], part: str) -> str:
        """Return a target, or what it came to, as its own KPI is written."""
        of = ["week", figure["kpi"], figure["basis"], figure["dimensions"]]
        metric = figure["dimensions"]["metric"]
        known = {kpi.name: kpi.format for kpi in catalogue()}
        named = escape(orjson.dumps(of, default=str).decode())
        shown = self.written(figure[part], known.get(metric, "decimal"), "")
        return f'<td class="number" data-part="{part}" data-of="{named}">{escape(shown)}</td>'

    def funnel(self) -> Iterable[str]:
        steps = gathering.of(self.week, "cohorts", "step_conversion")
        yield _note(
            f"Of the leads that entered a stage in the {WEEKS} weeks that end with the period. The "
            "share is of those whose time has passed; the others still may get there."
        )
        items = "".join(
            f'<li><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="{kind}" width="10" '
            f'height="10"/></svg>{label}</li>'
            for kind, label in _KEY
        )
        yield f'<ul class="key">{items}</ul>'
        most = max((one["n"] or 0 for one in steps), default=0)
        rows = []
        for one in steps:
            top, mature = one["numerator"] or 0, one["denominator"] or 0
            early = (one["n"] or 0) - mature - (one["pending"] or 0)
            numbers = (top, mature - top, early, one["pending"] or 0)
            parts = [Part(kind, name, n) for (kind, name), n in zip(_KEY, numbers, strict=True)]
            rows.append(
                _row(
                    _cell(self.label(one)),
                    f"<td>{plots.bar(parts, most)}{self.notes(one)}</td>",
                    self.number("cohorts", one),
                    *(
                        self.number("cohorts", one, part)
                        for part in ("numerator", "denominator", "pending")
                    ),
                )
            )
        yield _table(("step", "", "#share", "#reached", "#of", "#pending"), rows)

    @staticmethod
    def notes(figure: Mapping[str, Any]) -> str:
        parts = [figure["note"]] if figure["note"] else []
        if figure["implied"]:
            parts.append(f"{figure['implied']} implied: nobody reported them")
        return f"<small>{escape('; '.join(parts))}</small>" if parts else ""

    def acceptance(self) -> Iterable[str]:
        found = gathering.of(self.week, "cohorts", "acceptance")
        own = self.week.funnel.kpis.acceptance_threshold
        marks = [*BENCHMARKS]
        if own not in [share for _, share in marks]:
            marks.append(("our threshold", own))
        if not found:
            yield _note(f"No lead was handed off in the {WEEKS} weeks that end with the period.")
        for one in found:
            yield f"<h3>{escape(self.label(one))}</h3>"
            yield plots.against(one["value"], marks)
            yield (
                f"<p>{self.number('cohorts', one, tag='strong')} "
                f"({self.number('cohorts', one, 'numerator', 'span')} of "
                f"{self.number('cohorts', one, 'denominator', 'span')} decided or out of time; "
                f"{self.number('cohorts', one, 'pending', 'span')} pending)</p>"
            )

    def ledger(self) -> Iterable[str]:
        heads = ("hand-off", "how it ended", "#share", "#leads", "#of")
        rows = []
        for name in ("acceptance", "rejection", "no_decision"):
            for one in gathering.of(self.week, "cohorts", name):
                how = {"acceptance": "accepted", "no_decision": "nobody decided"}.get(name)
                reason = one["dimensions"].get("reason") or "no reason given"
                rows.append(
                    _row(
                        _cell(self.label(one, "reason")),
                        _cell(how or f"rejected: {reason}"),
                        self.number("cohorts", one),
                        self.number("cohorts", one, "numerator"),
                        self.number("cohorts", one, "denominator"),
                    )
                )
        yield _table(heads, rows) if rows else _note("There were no hand-offs.")

    def levels(self) -> Iterable[str]:
        found = [one for one in gathering.of(self.week, "week", "sla") if one["value"] is not None]
        heads = ("clock", "#met", "#in time", "#due", "#before")
        rows = (
            _row(
                _cell(str(self.week.funnel.shown(one["dimensions"])["clock"])),
                self.number("week", one),
                self.number("week", one, "numerator"),
                self.number("week", one, "denominator"),
                self.number("week", one, "previous"),
            )
            for one in found
        )
        yield _table(heads, rows) if found else _note("No clock fell due in the period.")

    def stalled(self) -> Iterable[str]:
        found = self.week.stalled
        if not found["rows"]:
            yield _note("No lead is stalled: nothing is late.")
            return
        yield "<ul>"
        for team, n in found["teams"].items():
            yield f"<li>{escape(team or 'nobody')}: {n:,}</li>"
        yield "</ul>"
        heads = ("team", "who must do what", "how late", "stage", "due", "lead")
        yield _table(heads, map(self.late, found["rows"][:MOST_LEADS]))
        if missing := found["total"] - min(len(found["rows"]), MOST_LEADS):
            yield _note(f"{missing:,} more: `leadstream stalled` lists all.")

    def late(self, row: Mapping[str, Any]) -> str:
        record = addresses.web(row["record_url"])
        name = escape(row["lead"][:8])
        link = f'<a href="{escape(record)}" rel="noreferrer">{name}</a>' if record else name
        return _row(
            _cell(row["team"]),
            _cell(row["move"]),
            _cell(row["late"], "late"),
            _cell(row["title"]),
            _cell(self.moment(row["due_at"])),
            f"<td>{link}</td>",
        )

    def sources(self) -> Iterable[str]:
        shape = self.week.funnel.shape()
        known: dict[str, dict[str, dict[str, Any]]] = {}
        for one in gathering.of(self.week, "sources", "inflow"):
            if one["dimensions"]["stage"] == shape.entry:
                known.setdefault(one["dimensions"]["source"], {})["new"] = one
        for one in gathering.of(self.week, "sources", "acceptance"):
            first = one["dimensions"]["handoff"] == shape.qualifying
            if first:
                known.setdefault(one["dimensions"]["source"], {})["accepted"] = one
        for one in gathering.of(self.week, "sources", "cost"):
            if not one["dimensions"].get("unconverted"):
                source, per = one["dimensions"].get("source", ""), one["dimensions"]["per"]
                known.setdefault(source, {})[f"per {per}"] = one
        pers = [f"per {stage}" for stage in filter(None, (shape.entry, shape.accepted, shape.won))]
        titles = self.week.funnel.titles()
        costs = [f"#cost per {titles.get(one[4:], one[4:])}" for one in pers]
        yield _note(f"Of the {WEEKS} weeks that end with the period; without spend no cost.")
        heads = ("source", "#new leads", "#accepted", "#pending", *costs)
        rows = []
        for source in sorted(known, key=lambda name: _cost(known[name], f"per {shape.accepted}")):
            of = known[source]
            accepted = of.get("accepted")
            rows.append(
                _row(
                    _cell(source or "unattributed"),
                    self.maybe(of.get("new")),
                    self.maybe(accepted),
                    self.maybe(accepted, "pending"),
                    *(self.maybe(of.get(per)) for per in pers),
                )
            )
        yield _table(heads, rows) if rows else _note("No lead came in these weeks.")

    def maybe(self, figure: Mapping[str, Any] | None, part: str = "value") -> str:
        return self.number("sources", figure, part) if figure else _cell("-", "number")

    def trends(self) -> Iterable[str]:
        lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for name in gathering.TRENDS:
            for one in gathering.of(self.week, "trend", name):
                if one["dimensions"].get("unconverted") or "bucket" not in one["dimensions"]:
                    continue
                label = self.label(one, "bucket", "currency", "measured", "restarting", "handoff")
                if name == "acceptance":
                    label = self.label(one, "bucket")
                lines.setdefault((one["title"], label), []).append(one)
        items = [self.trend(title, label, found) for (title, label), found in lines.items()]
        yield f'<ul class="tiles">{"".join(items)}</ul>' if items else _note("Nothing happened.")

    def trend(self, title: str, label: str, found: list[dict[str, Any]]) -> str:
        """Return a figure by week; a count that no week has is none there, a share unknown."""
        by_week = {one["dimensions"]["bucket"]: one for one in found}
        nothing = None if found[0]["format"] == "percent" else 0.0
        points = [
            (day, by_week[day]["value"] if day in by_week else nothing) for day in self.week.weeks
        ]
        last = by_week.get(self.week.weeks[-1])
        number = self.number("trend", last, tag="strong") if last else "<strong>-</strong>"
        return (
            f"<li>{escape(_named(title, label))}{number}"
            f"<small>week of {self.week.weeks[-1]}</small>{plots.line(points)}</li>"
        )

    def bridge(self) -> Iterable[str]:
        changed = [one for one in self.week.bridge if one["parts"]]
        if not changed:
            yield _note(
                "No figure of a saved report is compared here, or none changed: "
                "`leadstream report --since` takes what `leadstream kpis --since` found."
            )
        for one in changed:
            named = self.week.funnel.shown(one.get("dimensions") or {})
            label = ", ".join(str(value) for value in named.values() if value not in ("", None))
            measure = one.get("measure", "value")
            title = " ".join(filter(None, (one.get("title") or one["kpi"], label, f"({measure})")))
            yield f"<h3>{escape(title)}</h3>"
            rows = [
                _row(_cell("then"), _cell(""), _cell(str(one["saved"]), "number"), _cell("")),
                *map(_part, one["parts"]),
                _row(_cell("now"), _cell(""), _cell(str(one["now"]), "number"), _cell("")),
            ]
            yield _table(("cause", "", "#change", "leads"), rows)

    def unmeasured(self) -> Iterable[str]:
        week, titles = self.week, self.week.funnel.titles()
        lines = [
            f"Clock {week.funnel.shown_clock(name)}: no enabled source can stop it."
            for name in week.unmeasured
        ]
        lines += [
            f"Stage {titles.get(name, name)}: no enabled source reports it; entries are implied."
            for name in week.unreported
        ]
        lines += [f"{title}: {why}." for title, why in gathering.inapplicable(week)]
        spent = [one for one in gathering.of(week, "sources", "cost") if one["value"] is not None]
        lines += [] if spent else [f"Cost: no spend was reported in the {WEEKS} weeks."]
        if not lines:
            yield _note("Every clock, stage and figure of the funnel is measured.")
            return
        yield f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"

    def meanings(self) -> Iterable[str]:
        named = {*gathering.COHORTS, *gathering.TRENDS, *gathering.SOURCES}
        named |= {"pipeline", "attainment"}
        known = {
            one["title"]: one["meaning"] for one in self.week.week["figures"] if one["kpi"] in named
        }
        lines = "".join(
            f"<dt>{escape(title)}</dt><dd>{escape(meaning)}</dd>"
            for title, meaning in known.items()
        )
        yield f"<dl>{lines}</dl>"


def _named(title: str, label: str) -> str:
    return f"{title}: {label}" if label else title


def _cost(of: Mapping[str, Mapping[str, Any]], per: str) -> tuple[bool, float]:
    """Return how sources are sorted: by the cost of an accepted lead, those without one last."""
    value = of.get(per, {}).get("value")
    return value is None, value or 0.0


def _without_measure(figure: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(one for one in figure["dimensions"].items() if one[0] != "measure"))


def _part(part: Mapping[str, Any]) -> str:
    leads = [one["lead"] if isinstance(one, dict) else str(one) for one in part["leads"]]
    count = part.get("count", len(leads))
    shown = ", ".join(one[:8] for one in leads[:MOST_LEADS])
    more = f" and {count - min(len(leads), MOST_LEADS):,} more" if count > MOST_LEADS else ""
    change = str(part["change"])
    return _row(
        _cell(part["cause"]),
        _cell(part.get("why", "")),
        _cell(change if change.startswith("-") else f"+{change}", "number"),
        _cell(f"{shown}{more}" if shown else f"{count:,}"),
    )
