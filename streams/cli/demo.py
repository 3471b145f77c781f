"""leadstream demo: the embedded stack, weeks of history, then the same market live."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from sinks.clickhouse.files import statement

from .context import Failed, console, document, errors, on_home, seconds
from .run import Json

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.embedded.market.faults import Faults
    from streams.embedded.played import Played
    from streams.embedded.simulator import Simulator

app = typer.Typer()
MOST_SPEED = 100
DRAIN_SECONDS = 10.0  # for bodies on their way, once somebody has asked to stop
_COUNTED = ("held", "merged", "dead_letters", "leads", "test_leads", "won", "revenue")
_FUNNEL = statement(__file__, "demo_funnel")


@app.command()
def demo(
    home: Annotated[Path, typer.Option(help="The data folder; state stays there.")] = Path(
        ".leadstream"
    ),
    duration: Annotated[
        str | None,
        typer.Option("--for", help="End this long after the history is in, like 60s."),
    ] = None,
    as_json: Json = False,
    seed: Annotated[int, typer.Option(help="The same seed plays the same market.")] = 7,
    faults: Annotated[
        str,
        typer.Option(
            help="Shares of bodies: redelivered=0.03,broken=0.006,late=0.01,reordered=0.02; none."
        ),
    ] = "",
    speed: Annotated[
        int,
        typer.Option(
            min=1,
            max=MOST_SPEED,
            help="How many times as many people come live as came in the history.",
        ),
    ] = 1,
) -> None:
    """Start everything, and play weeks of a made-up market on it, then live.

    Example: leadstream demo --for 60s --json
    """
    from streams.embedded.market.faults import Faults
    from streams.embedded.stack import PORTS, Stack

    limit = seconds(duration) if duration else None
    out = errors if as_json else console
    try:
        wanted = Faults.parse(faults)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--faults") from error
    try:
        with Stack(
            home, "default", ports=PORTS, say=lambda text: out.print(f"  starting {text}")
        ) as stack:
            out.print(f"  live page  http://127.0.0.1:{stack.ports['live']}")
            out.print(f"  gateway    http://127.0.0.1:{stack.ports['gateway']}/docs")
            summary = Play(stack, home, out, speed).run(seed, wanted, limit)
    except KeyboardInterrupt:
        out.print(f"  stopped; state stays in {home}, `leadstream demo` goes on from there")
        return
    if as_json:
        document(summary)
    else:
        _print(summary)
    if not summary["verified"] or not summary["agrees"]:
        raise Failed(
            "the pipeline's figures differ from the archive or from the simulator's ledger"
        )


class Play:
    """One run on a stack: history, live, summary."""

    def __init__(self, stack: Any, home: Path, out: Any, speed: int) -> None:
        from streams.connections import clickhouse_client

        self.stack, self.path, self.out, self.speed = stack, home / "simulated", out, speed
        self.settings = on_home(home)
        self.client = clickhouse_client(self.settings)

    def run(self, seed: int, faults: Faults, limit: float | None) -> dict[str, Any]:
        from streams.embedded import played, simulator

        begun, why = played.read(self.path, seed, faults, simulator.now_ms())
        if why:
            self.out.print(f"  {why}")
        self._settle()  # what a run before has left on its way is none of this one's
        before = self._figures()
        playing = simulator.Simulator(self.stack.environment(), begun)
        self._interruptible(begun, lambda stop: self._history(playing, stop))
        self.out.print("  waiting until everything is in ClickHouse")
        self._settle()
        began = simulator.now_ms()
        self._interruptible(begun, lambda stop: self._live(playing, limit, stop))
        drained = self._settle()
        playing.close()
        return self._summary(playing, before, began, drained=drained)

    def _interruptible(
        self, begun: Played, play: Callable[[asyncio.Event], Coroutine[Any, Any, None]]
    ) -> None:
        """Play until it is over or somebody asks to stop; keep how far it came.

        Raises:
            KeyboardInterrupt: somebody asked.

        """
        from streams.embedded import played

        async def kept(stop: asyncio.Event) -> None:
            played.keep(self.path, begun, playing=True)
            await play(stop)
            played.keep(self.path, begun, playing=False)

        if asyncio.run(until_asked(kept)):
            raise KeyboardInterrupt

    def _settle(self) -> bool:
        from streams.connections import clickhouse_client
        from streams.intake import arrival

        try:
            arrival.settled(lambda: clickhouse_client(self.settings), self.settings.partitions)
        except arrival.Stalled as error:
            self.out.print(f"  {error}")
            return False
        return True

    async def _history(self, playing: Simulator, stop: asyncio.Event) -> None:
        from streams.embedded.simulator import now_ms

        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} people"),
        )
        with Progress(*columns, console=self.out) as bar:
            task = bar.add_task(_past(playing.played), total=None)
            await playing.history(
                now_ms(), lambda done, of: bar.update(task, completed=done, total=of), stop
            )

    async def _live(self, playing: Simulator, limit: float | None, stop: asyncio.Event) -> None:
        until = time.monotonic() + (limit if limit is not None else 10**9)
        task = asyncio.create_task(playing.live(until, self.speed, stop))
        with Live(console=self.out, refresh_per_second=2, transient=True) as view:
            while not task.done():
                await asyncio.wait([task], timeout=1.0)
                funnel = await asyncio.to_thread(_funnel, self.client)
                view.update(Group(funnel, _market(playing, self.speed)))
        await task

    def _figures(self) -> dict[str, int]:
        from streams.embedded import counters

        found = counters.counts(self.client, self.settings)
        resolved = counters.resolved(f"127.0.0.1:{self.stack.ports['metrics-resolve']}")
        found["held"] = resolved.get("held", 0) - resolved.get("released", 0)
        found["duplicates"] += resolved.get("duplicates", 0)
        reached = counters.furthest(self.client)
        return found | {f"reached {stage}": number for stage, number in reached.items()}

    def _summary(
        self, playing: Simulator, before: dict[str, int], began: int, *, drained: bool
    ) -> dict[str, Any]:
        from streams.audit import verify
        from streams.embedded import counters

        found = {name: number - before[name] for name, number in self._figures().items()}
        stages_too = counters.by_the_default(self.client)
        ledger = playing.ledger.figures
        differs = {
            name: [number, ledger[name]]
            for name, number in found.items()
            if number != ledger[name] and (stages_too or not name.startswith("reached "))
        }
        report = verify.verify(self.client, self.settings.partitions)
        truth = playing.ledger.document()
        return {
            "published": truth["published"],
            "accepted": found["accepted"],
            "duplicates_dropped": found["duplicates"],
            **{name: found[name] for name in _COUNTED},
            "furthest_stage": {
                stage: found[f"reached {stage}"] for stage in truth["furthest_stage"]
            },
            "facts_by_stage": self._count("to_stage", "v_stage_transitions"),
            "clocks_by_status": self._count("status", "v_clocks"),
            "latency_seconds": counters.latency(self.client, began),
            "speed": self.speed,
            "ledger": truth,
            "agrees": not differs,
            "differs": differs,  # the pipeline's figure, and the ledger's
            "drained": drained,
            "verified": report.clean,
            "verify": {
                name: len(value) if isinstance(value, list) else value
                for name, value in report.document().items()
            },
        }

    def _count(self, column: str, table: str) -> dict[str, int]:
        statement = f"SELECT {column}, count() FROM {table} GROUP BY {column} ORDER BY {column}"
        return dict(self.client.query(statement).result_rows)


async def until_asked(
    play: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> bool:
    """Play to the end, or for some seconds after a signal; return whether one came."""
    from streams.embedded.stack import SIGNALS

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    handlers = {sign: signal.getsignal(sign) for sign in SIGNALS}
    heard = [sign for sign, handler in handlers.items() if handler != signal.SIG_IGN]
    for sign in heard:
        loop.add_signal_handler(sign, stop.set)
    try:
        playing = asyncio.create_task(play(stop))
        asked = asyncio.create_task(stop.wait())
        await asyncio.wait([playing, asked], return_when=asyncio.FIRST_COMPLETED)
        if not playing.done():
            await asyncio.wait([playing], timeout=DRAIN_SECONDS)
        asked.cancel()
        if not playing.done():
            playing.cancel()
            await asyncio.wait([playing])
            return True
        playing.result()
        return stop.is_set()
    finally:
        for sign in heard:
            loop.remove_signal_handler(sign)
            signal.signal(sign, handlers[sign])


def _past(played: Played) -> str:
    from streams.embedded.market.hours import DAY
    from streams.embedded.simulator import now_ms

    days = (now_ms() - played.until) / DAY
    return f"{days:.0f} days of history" if days >= 1 else "what happened since the last run"


def _funnel(client: Any) -> Table:
    table = Table("stage", "open now", "entered", title="the funnel, live")
    for stage, standing, entered in client.query(_FUNNEL).result_rows:
        table.add_row(stage, str(standing), str(entered))
    return table


def _market(playing: Simulator, speed: int) -> Table:
    """Show what came last and what comes next, so that a quiet minute is understood."""
    from streams.embedded.simulator import now_ms

    now, table = now_ms(), Table.grid(padding=(0, 2))
    if playing.last:
        table.add_row(
            "last",
            f"{_ago(now - playing.last.at)} ago",
            f"{playing.last.post.source}: {playing.last.post.about}",
        )
    coming = playing.agenda.next(now)
    table.add_row(
        "next", f"in {_ago(max(0, coming.due - now))}", f"{coming.post.source}: {coming.post.about}"
    )
    table.add_row("on their way", str(playing.agenda.waiting), "people of whom more is to come")
    if speed > 1:
        table.add_row(
            "speed",
            str(speed),
            f"{speed} times the history's pace: rates of the last minutes are not the market's",
        )
    return table


def _ago(wait_ms: int) -> str:
    left = wait_ms // 1000
    return (
        f"{left} s" if left < 120 else f"{left // 60} min" if left < 7_200 else f"{left // 3_600} h"
    )


def _print(summary: dict[str, Any]) -> None:
    names = (
        "accepted", "duplicates_dropped", "held", "merged", "dead_letters", "leads", "won",
        "revenue", "furthest_stage", "latency_seconds", "agrees", "verified",
    )  # fmt: skip
    for name in names:
        console.print(f"  {name:20} {summary[name]}")
    for name, (found, counted) in summary["differs"].items():
        console.print(f"  {name}: the pipeline has {found}, the ledger {counted}")
