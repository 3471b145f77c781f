"""The live page: funnel, flow, stalled leads, moves and health on one screen. Light, dark, no CDN.

No personal data: leads are shown by id and owner, with the address of their CRM record.
"""

from __future__ import annotations

import asyncio
import html
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from fastapi import FastAPI
from nicegui import core, ui

from streams.sources import measuring

from . import api, guard
from .figures import BENCHMARKS, Figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from schemas.funnel import Funnel
    from schemas.shape import Shape
    from streams.settings import Settings

log = structlog.get_logger()
EVERY_SECONDS = 1.0
_HEADS = (
    ("stage", "left"),
    ("entered", "right"),
    ("open", "right"),
    ("to next", "right"),
    ("", "left"),
)
# Drawn, not HTML: names of sources and stages come from outside.
_TOOLTIP = {"renderMode": "richText"}


def serve(settings: Settings, figures: Figures) -> None:
    """Serve page and API on one port until told to stop.

    Raises:
        guard.Unprotected: others would reach it without a login.

    """
    app = application(settings, figures)
    uvicorn.run(
        app, host=settings.host, port=settings.port, log_level="warning", access_log=False,
        proxy_headers=False,  # who asks is the guard's to judge
        server_header=False,
    )  # fmt: skip


def application(settings: Settings, figures: Figures) -> guard.Guard:
    """Make page and API behind their guard.

    Raises:
        guard.Unprotected: others would reach it without a login.

    """
    names, login = guard.names(settings), guard.login(settings)
    behind, page = (
        api.application(figures),
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None),
    )

    @ui.page("/", title="leadstream")
    def index() -> None:
        _Screen(figures).build()

    core.app.add_middleware(guard.Nonces)  # before compression, which run_with puts around it
    ui.run_with(page, storage_secret=None)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] == "http" and api.owns(scope["path"])
        await (behind if own else page)(scope, receive, send)

    return guard.Guard(route, names, login)


def _short(moment: Any) -> str:
    return moment.strftime("%d %b %H:%M") if moment else ""


class _Screen:
    """One visitor's screen."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self.source = ""

    def build(self) -> None:
        """Lay the screen out without figures: NiceGUI gives up a page that takes three seconds."""
        ui.dark_mode(value=None)  # as the visitor's system has it
        with ui.header().classes("items-center justify-between bg-slate-800"):
            ui.label("leadstream").classes("text-lg font-bold")
            self.health = ui.label("asking ClickHouse…").props('role="status"')
        with ui.row().classes("w-full gap-4 items-stretch"):
            with ui.card().classes("grow min-w-80"):
                ui.label("Funnel").classes("font-bold")
                self.funnel = ui.html("", sanitize=False).classes("w-full")
                self.acceptance = ui.label().classes("text-sm")
            with ui.card().classes("grow min-w-80"):
                ui.label("Flow between stages").classes("font-bold")
                self.flow = ui.echart({"series": []}).classes("h-72")
            with ui.card().classes("grow min-w-80"):
                ui.label("New leads by day and source").classes("font-bold")
                self.inflow = ui.echart({"series": []}).classes("h-72")
        with ui.row().classes("w-full gap-4 items-stretch"):
            with ui.card().classes("grow min-w-80"):
                ui.label("Stalled: past a service level").classes("font-bold")
                self.unmeasured = ui.label().classes("text-sm")
                self.stalled = self._table(("lead", "stage", "clock", "owner", "due"))
                self.stalled.on("rowClick", lambda event: self._open(event.args[1]["id"]))
            with ui.card().classes("grow min-w-80"):
                ui.label("Last transitions").classes("font-bold")
                self.feed = self._table(("lead", "from", "to", "why", "at"))
                self.feed.on("rowClick", lambda event: self._open(event.args[1]["id"]))
        ui.timer(EVERY_SECONDS, self.refresh)

    @staticmethod
    def _table(names: tuple[str, ...]) -> ui.table:
        columns = [{"name": name, "label": name, "field": name, "align": "left"} for name in names]
        return (
            ui.table(columns=columns, rows=[], row_key="key").classes("w-full").props("dense flat")
        )

    async def refresh(self) -> None:
        try:
            answers = await asyncio.to_thread(self._ask)
        except Exception:
            log.exception("live.refresh")
            self.health.set_text("ClickHouse does not answer; trying again")
            return
        try:
            self._show(answers)
        except Exception:
            log.exception("live.show")
            self.health.set_text("! not all could be drawn: see the log of the live page")

    def _ask(self) -> dict[str, Any]:
        figures = self.figures
        return {
            "funnel": figures.funnel_now(),
            "unmeasured": unmeasured(figures.funnel),
            "flow": figures.flow(),
            "titles": figures.funnel.titles(),
            "shape": figures.funnel.shape(),
            "stalled": figures.stalled(8),
            "feed": figures.feed(8),
            "inflow": figures.inflow(),
            "health": figures.health(),
            "kpis": figures.kpis(names=("acceptance", "step_conversion")),
        }

    def _show(self, answers: dict[str, Any]) -> None:
        age = answers["health"]["tick_age_seconds"]
        late = age is None or age > 10
        state = (
            "nothing has arrived yet"
            if age is None
            else f"{age:.0f} s late"
            if late
            else f"up to date ({age:.0f} s)"
        )
        self.health.set_text(f"{'! ' if late else ''}{answers['health']['leads']} leads · {state}")
        titles, shape = answers["titles"], answers["shape"]
        self.funnel.set_content(_funnel_html(answers["funnel"], answers["kpis"], shape, titles))
        self.unmeasured.set_text(answers["unmeasured"])
        self.acceptance.set_text(_acceptance(answers["kpis"], titles))
        self.stalled.rows = [
            {
                "key": f"{row['lead']}{row['clock']}",
                "id": row["lead"],
                "lead": row["lead"][:8],
                "stage": titles.get(row["stage"], row["stage"]),
                "clock": row["clock"],
                "owner": row["owner"] or "nobody",
                "due": _short(row["due_at"]),
            }
            for row in answers["stalled"]
        ]
        self.feed.rows = [
            {
                "key": f"{row['lead']}{row['to_stage']}{row['event_time']}",
                "id": row["lead"],
                "lead": row["lead"][:8],
                "from": titles.get(row["from_stage"], row["from_stage"]) or "—",
                "to": titles.get(row["to_stage"], row["to_stage"]),
                "why": row["why"],
                "at": _short(row["event_time"]),
            }
            for row in answers["feed"]
        ]
        self.flow.options.clear()
        self.flow.options.update(_sankey(answers["flow"], titles, shape))
        self.inflow.options.clear()
        self.inflow.options.update(_by_day(answers["inflow"]))
        for part in (self.stalled, self.feed, self.flow, self.inflow):
            part.update()

    async def _open(self, lead: str) -> None:
        lines = await asyncio.to_thread(self.figures.story_lines, lead)
        with ui.dialog() as dialog, ui.card().classes("max-w-full"):
            with ui.element("pre").classes("story text-xs whitespace-pre-wrap"):
                ui.html("\n".join(map(html.escape, lines)), sanitize=False)
            ui.button("close", on_click=dialog.close)
        dialog.open()


def unmeasured(funnel: Funnel) -> str:
    """Return which clocks no enabled source can stop: an empty list of stalled leads misleads."""
    names = measuring.not_measured(funnel)
    return f"not measured, no enabled source can stop them: {', '.join(names)}" if names else ""


def _acceptance(figures: list[dict[str, Any]], titles: Mapping[str, str]) -> str:
    """Return how many were accepted, hand-off by hand-off, beside what other firms have."""
    found = [one for one in figures if one["kpi"] == "acceptance"]
    shares = []
    for one in found:
        if one["value"] is None:  # the funnel hands nobody off
            shares.append(str(one["dimensions"].get("why", "")))
            continue
        stage = titles.get(one["dimensions"]["handoff"], one["dimensions"]["handoff"])
        counts = f"{one['numerator']} of {one['denominator']}, {one['pending']} pending"
        shares.append(f"{stage} {one['value']:.1%} ({counts})")
    lines = " · ".join(f"{name} {share:.0%}" for name, share in BENCHMARKS.items())
    return f"acceptance {'; '.join(shares) or 'no hand-off yet'} — firms: {lines}"


def _funnel_html(
    rows: list[dict[str, Any]],
    figures: list[dict[str, Any]],
    shape: Shape,
    titles: Mapping[str, str],
) -> str:
    """Draw the funnel as a table with bars, for screen readers, phones and tests alike."""
    most = max((row["entered"] for row in rows), default=1) or 1
    steps = {
        figure["dimensions"]["stage"]: figure["value"]
        for figure in figures
        if figure["kpi"] == "step_conversion"
    }
    heads = "".join(f'<th align="{side}">{name}</th>' for name, side in _HEADS)
    out = [f'<table class="w-full text-sm"><thead><tr>{heads}</tr></thead><tbody>']
    for row in rows:
        step = f"{steps[row['stage']]:.0%}" if steps.get(row["stage"]) is not None else ""
        colour = "#2563eb" if shape.index(row["stage"]) >= 0 else "#94a3b8"
        stage = html.escape(row["stage"])
        title = html.escape(titles.get(row["stage"], row["stage"]))
        width = 100 * row["entered"] / most
        bar = f'<div style="height:.7em;width:{width:.1f}%;background:{colour}"></div>'
        out.append(
            f'<tr data-stage="{stage}"><td>{title}</td>'
            f'<td align="right" class="entered">{row["entered"]}</td>'
            f'<td align="right" class="open">{row["open"]}</td>'
            f'<td align="right">{step}</td><td style="width:40%">{bar}</td></tr>'
        )
    return "".join(out) + "</tbody></table>"


def _sankey(flow: list[dict[str, Any]], titles: Mapping[str, str], shape: Shape) -> dict[str, Any]:
    """Draw the moves. A Sankey can't show a circle, so a move back ends in a stage named again.

    `titles` are those of the stages, which may lack some that the moves have.
    """
    order = list(
        dict.fromkeys(
            [
                *shape.ladder,
                *titles,
                *(row["from_stage"] for row in flow),
                *(row["to_stage"] for row in flow),
            ]
        )
    )
    links = []
    for row in flow:
        back = (
            order.index(row["to_stage"]) < order.index(row["from_stage"])
            or row["from_stage"] == shape.nurture
        )
        source, to = (titles.get(row[end], row[end]) for end in ("from_stage", "to_stage"))
        target = f"{to} again" if back else to
        links.append({"source": source, "target": target, "value": row["n"]})
    names = dict.fromkeys(name for link in links for name in (link["source"], link["target"]))
    return {
        "tooltip": dict(_TOOLTIP),
        "series": [
            {
                "type": "sankey",
                "data": [{"name": name} for name in names],
                "links": links,
                "label": {"fontSize": 10},
            }
        ],
    }


def _by_day(rows: list[dict[str, Any]]) -> dict[str, Any]:
    days = sorted({row["day"] for row in rows})[-31:]
    counts = {(row["day"], row["source"]): row["n"] for row in rows}
    sources = sorted({row["source"] for row in rows})
    series = [
        {
            "type": "bar",
            "stack": "all",
            "name": source,
            "data": [counts.get((day, source), 0) for day in days],
        }
        for source in sources
    ]
    return {
        "tooltip": dict(_TOOLTIP),
        "legend": {"type": "scroll"},
        "xAxis": {"type": "category", "data": [day[5:] for day in days]},
        "yAxis": {"type": "value"},
        "series": series,
    }
