"""The live page: what people open leadstream for. It lays cards out; screens/ draws them. No CDN.

A visitor's page is empty until the first answer, which comes over the websocket: so the HTML that
guard.Nonces marks holds nothing from outside. No personal data: leads are shown by id and owner,
with the address of their CRM record.
"""

from __future__ import annotations

import asyncio
import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import structlog
import uvicorn
from clickhouse_connect.driver.exceptions import DatabaseError
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from nicegui import core, ui
from nicegui.element import Element

from sinks.clickhouse.asking import Unreadable

from . import api, guard, palette, stories, view, work
from .card import Failed
from .figures import Away
from .scene import Scene
from .screens import PAGES, filters, found, header, lead, stalled, states
from .snapshots import Snapshot, Snapshots
from .wording import LANGUAGES, Words, chosen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope, Send

    from schemas.funnel import Funnel
    from streams.settings import Settings

    from .card import Card, Page
    from .figures import Figures
    from .view import View

log = structlog.get_logger()
EVERY_SECONDS = 1.0
LOOK = Path(__file__).parent / "look"
_QUASAR = {"en": "en-US"}  # what NiceGUI calls a language, where it is not our name of it
_FORM_BYTES = 4_096
_IS_DARK = "matchMedia('(prefers-color-scheme: dark)').matches"
_ON_SCHEME = (
    "matchMedia('(prefers-color-scheme: dark)')"
    ".addEventListener('change', e => emitEvent('scheme', e.matches))"
)


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
    board = Board(figures, settings.option("gateway_url"))
    for path, shown in PAGES.items():
        _add(board, path, shown)

    @ui.page("/leads/{name}", title="leadstream")
    def one(name: str) -> None:
        _LeadScreen(board, name).build()

    @ui.page(view.FOUND, title="leadstream")
    def some() -> None:
        _FoundScreen(board).build()

    @page.get("/stalled.csv")
    async def export(request: Request) -> Response:
        return await board.csv(request)

    @page.post(header.FIND)
    async def find(request: Request) -> Response:
        return await board.find(request)

    core.app.add_static_files("/look", LOOK)
    core.app.add_middleware(guard.Nonces)  # before compression, which run_with puts around it
    ui.run_with(page, storage_secret=None, tailwind=False)

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        own = scope["type"] == "http" and api.owns(scope["path"])
        await (behind if own else page)(scope, receive, send)

    return guard.Guard(route, names, login)


def _add(board: Board, path: str, page: Page) -> None:
    @ui.page(path, title="leadstream")
    def show() -> None:
        _CardScreen(board, path, page).build()


class Fragment(Element, component="look/fragment.js"):
    """HTML that is changed in place; nothing is sent where nothing changed."""

    def __init__(self, markup: str = "", tag: str = "div") -> None:
        """Begin with some markup of ours."""
        super().__init__()
        self._props["tag"], self._props["markup"] = tag, str(markup)

    def show(self, markup: str) -> None:
        """Show other markup."""
        if self._props["markup"] != markup:
            self._props["markup"] = str(markup)
            self.update()


class Board:
    """What all visitors share: the figures, and one refresh of each question."""

    def __init__(self, figures: Figures, gateway: str) -> None:
        """`gateway` is the address that takes events."""
        self.figures, self.gateway, self.snapshots = figures, gateway, Snapshots()

    async def view(self, path: str, query: Mapping[str, str]) -> View:
        """Return what an address asks for.

        Raises:
            Away: ClickHouse does not answer.
            view.Unclear: it asks for what there is not.

        """
        return view.read(path, query, await self.funnel(), datetime.now(UTC))

    async def funnel(self) -> Funnel:
        """Return the version in force."""
        return (await self.snapshots.get("funnel", lambda: self.figures.funnel)).value

    async def options(self) -> dict[str, list[str]]:
        """Return the values of each dimension."""
        return (await self.snapshots.get("options", lambda: work.options(self.figures))).value

    async def document(self, asked: View, card: Card) -> Snapshot:
        """Return what a card shows. A question that fails is a Failed, and fails no other card.

        Raises:
            Away: ClickHouse does not answer.
            Unreadable: there is no such team, stage or order.

        """

        def ask() -> Any:
            try:
                return card.gather(self.figures, asked)
            except (Away, Unreadable):
                raise
            except Exception as error:
                log.exception("live.card", card=card.name)
                return Failed(error)

        return await self.snapshots.get((card.name, asked.question()), ask)

    async def health(self) -> dict[str, Any]:
        """Return how far time has come, and how many leads there are."""
        return (await self.snapshots.get("health", self.figures.health)).value

    def scene(self, asked: View, words: Words, funnel: Funnel) -> Scene:
        """Return what to draw with."""
        return Scene(asked, words, funnel, datetime.now(UTC), self.gateway)

    async def csv(self, request: Request) -> Response:
        """Answer with the stalled leads as a file."""
        words = _words(request)
        try:
            asked = await self.view("/work", request.query_params)
            scene = self.scene(asked, words, await self.funnel())
            shown = await asyncio.to_thread(stalled.export, self.figures, scene)
        except (view.Unclear, Unreadable) as error:
            return PlainTextResponse(f"{error}\n", 422)
        except Away as error:
            return _away(words, error)
        head = {"Content-Disposition": 'attachment; filename="stalled.csv"'}
        return Response("\ufeff" + shown, media_type="text/csv; charset=utf-8", headers=head)

    async def find(self, request: Request) -> Response:
        """Lead to the lead that was searched for; the text itself stands in no address."""
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _FORM_BYTES:
                return PlainTextResponse("that is no name of a lead\n", 413)
        form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=5)
        asked, language = (form.get(name, [""])[0] for name in ("find", "lang"))
        kept = {"lang": language} if language in LANGUAGES else {}
        try:
            leads = await asyncio.to_thread(self.figures.find, asked.strip())
        except DatabaseError:  # this page's user may not read names
            log.exception("live.find")
            return PlainTextResponse(f"{_words(request)('card_failed')}\n", 500)
        except Away as error:
            return _away(_words(request), error)
        path = f"/leads/{leads[0]}" if len(leads) == 1 else view.FOUND
        listed = {"ids": ",".join(leads[: view.ROWS])} if len(leads) > 1 else {}
        query = urlencode(listed | kept, safe=",")
        return RedirectResponse(f"{path}?{query}" if query else path, 303)


def _away(words: Words, error: Away) -> Response:
    text = f"{words('away')}\n{error.move}\n"
    return PlainTextResponse(text, 503, {"Retry-After": str(api.RETRY_SECONDS)})


def _words(request: Request) -> Words:
    accepted = request.headers.get("accept-language", "")
    return Words(chosen(request.query_params.get("lang", ""), accepted))


class _Screen:
    """One visitor's page: header, notice, and what a subclass lays out under them."""

    path = ""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.client = ui.context.client
        self.request: Request = self.client.request
        self.words = _words(self.request)
        self.details = guard.sees_leads(self.request.scope)
        self.session = guard.has_session(self.request.scope)
        self.names = {
            path: one.name for path, one in PAGES.items() if self.details or not one.details
        }
        self.dark: bool | None = None

    def build(self) -> None:
        """Lay the page out without figures: NiceGUI gives up a page that takes three seconds."""
        page = copy.copy(self.client.page)  # the language is this visitor's, the rest is shared
        page.language = _QUASAR.get(self.words.language, self.words.language)  # type: ignore[assignment]
        self.client.page = page
        ui.add_head_html('<link rel="stylesheet" href="/look/page.css">')
        ui.dark_mode(value=None)  # as the visitor's system has it
        with ui.header(fixed=False, add_scroll_padding=False).classes("top"):
            self.header = Fragment(self._header())
        self.spoken = Fragment(tag="p").classes("aloud").props('role="status"')
        with ui.element("div").props('id="content" tabindex="-1"').classes("content"):
            self.notice = Fragment(states.loading(self.words)).classes("notice")
            self.lay_out()
        ui.on("scheme", self._scheme)
        ui.timer(EVERY_SECONDS, self.refresh)

    def lay_out(self) -> None:
        """Lay out what stands under the notice."""

    async def show(self) -> None:
        """Ask, and draw the answer."""
        raise NotImplementedError

    async def refresh(self) -> None:
        """Ask for the shared answer and draw it; say what is wrong in place of an old figure."""
        try:
            if self.dark is None:
                self.dark = bool(await ui.run_javascript(f"return {_IS_DARK}", timeout=5.0))
                ui.run_javascript(_ON_SCHEME)
            await self.show()
        except Away:
            self._wrong(states.away(self.words), self.words("away"))
        except (view.Unclear, Unreadable) as error:
            self._wrong(states.unclear(self.words, str(error), self.path), self.words("unclear"))
        except Exception:
            log.exception("live.show")
            self._wrong(states.failed(self.words), self.words("card_failed"))

    def _wrong(self, notice: str, spoken: str) -> None:
        self.notice.show(notice)
        self.spoken.show(spoken)

    def _scheme(self, event: Any) -> None:
        self.dark = bool(event.args)

    async def _scene(self, asked: View) -> Scene:
        scene = self.board.scene(asked, self.words, await self.board.funnel())
        return scene._replace(details=self.details)

    async def _asked(self) -> View:
        return await self.board.view(self.path, self.request.query_params)

    def _top(self, scene: Scene, health: dict[str, Any]) -> None:
        shown, spoken = header.freshness(self.words, health, scene)
        self.header.show(self._header(scene, shown))
        self.spoken.show(spoken)

    def _header(self, scene: Scene | None = None, freshness: str = "") -> str:
        shown = {"details": self.details, "session": self.session}
        return header.draw(self.words, self.path, self.names, scene, freshness, **shown)

    @property
    def palette(self) -> palette.Palette:
        """Return the colours of charts for this visitor."""
        return palette.DARK if self.dark else palette.LIGHT


class _CardScreen(_Screen):
    """A page of figures: filters and cards."""

    def __init__(self, board: Board, path: str, page: Page) -> None:
        super().__init__(board)
        self.path, self.page = path, page
        self.cards = [one for one in page.cards if self.details or not one.of_leads]
        self.bodies: dict[str, Fragment] = {}
        self.charts: dict[str, ui.echart] = {}
        self.drawn: dict[str, Any] = {}

    def lay_out(self) -> None:
        words = self.words
        Fragment(f"<h1>{words(self.page.name)}</h1>")
        self.filters = Fragment()
        self.area = ui.element("div").classes("cards")
        with self.area:
            for card in self.cards:
                with (
                    ui.element("section")
                    .classes(f"card {card.name}")
                    .props(f'aria-labelledby="h-{card.name}"')
                ):
                    Fragment(f'<h2 id="h-{card.name}">{words(card.name)}</h2>')
                    if card.chart:
                        chart = ui.echart({"series": []}, renderer="svg").classes("chart")
                        chart.props(f'role="img" aria-labelledby="h-{card.name}"')
                        chart.set_visibility(False)
                        self.charts[card.name] = chart
                    self.bodies[card.name] = Fragment(states.loading(words))
        self.area.set_visibility(False)

    async def show(self) -> None:
        asked = await self._asked()
        scene = await self._scene(asked)
        health = await self.board.health()
        self._top(scene, health)
        is_empty = not health["leads"] and self.path != "/health"
        self.notice.show(states.empty(scene) if is_empty else "")
        self.area.set_visibility(not is_empty)
        if is_empty:
            return
        if self.page.of_leads:
            options = await self.board.options()
            if not self.details:  # whose leads there are is part of them
                options = {name: values for name, values in options.items() if name != "owner"}
            self.filters.show(filters.draw(options, scene, self.page))
        await asyncio.gather(*(self._card(card, asked, scene) for card in self.cards))

    async def _card(self, card: Card, asked: View, scene: Scene) -> None:
        """Draw a card as soon as its own answer is there."""
        found = await self.board.document(asked, card)
        now = (found.number, self.dark)
        if self.drawn.get(card.name) != now:
            self._draw(card, found.value, scene)
            self.drawn[card.name] = now

    def _draw(self, card: Card, document: Any, scene: Scene) -> None:
        body, chart = self.bodies[card.name], self.charts.get(card.name)
        options: dict[str, Any] = {}
        try:
            if isinstance(document, Failed):
                body.show(states.failed(self.words))
            else:
                body.show(card.draw(document, scene))
                options = card.chart(document, scene, self.palette) if card.chart else {}
        except Exception:
            log.exception("live.draw", card=card.name)
            body.show(states.failed(self.words))
        if chart:
            chart.set_visibility(bool(options))
            if options and chart.options != options:
                chart.options.clear()
                chart.options.update(options)
                chart.update()


class _LeadScreen(_Screen):
    """One lead's page."""

    def __init__(self, board: Board, name: str) -> None:
        super().__init__(board)
        self.name = name.lower()
        self.path = f"/leads/{self.name}" if view.LEAD.fullmatch(self.name) else view.FOUND

    def lay_out(self) -> None:
        self.body = Fragment()

    def _story(self) -> dict[str, Any] | None:
        figures = self.board.figures
        exists = bool(view.LEAD.fullmatch(self.name)) and figures.knows(self.name)
        return stories.story(figures, self.name) if exists else None

    async def show(self) -> None:
        asked = await self._asked()
        scene = await self._scene(asked)
        story = (await self.board.snapshots.get(("lead", self.name), self._story)).value
        self._top(scene, await self.board.health())
        self.notice.show("")
        self.body.show(lead.draw(story, scene) if story else found.draw((), scene))


class _FoundScreen(_Screen):
    """What a search found."""

    path = view.FOUND

    def lay_out(self) -> None:
        self.body = Fragment()

    async def show(self) -> None:
        asked = await self._asked()
        scene = await self._scene(asked)
        self._top(scene, await self.board.health())
        self.notice.show("")
        self.body.show(found.draw(asked.leads, scene))
