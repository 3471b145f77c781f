"""leadstream demo: the embedded stack, a month of history, then a live firm."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from .context import Failed, console, document, errors, on_home, seconds
from .run import Json

app = typer.Typer()
HISTORY_PERSONS, HISTORY_DAYS, PER_SECOND = 600, 30, 4.0


@app.command()
def demo(
    home: Annotated[Path, typer.Option(help="The data folder; state stays there.")] = Path(".leadstream"),
    duration: Annotated[str | None, typer.Option("--for", help="End by itself so long after the history is in, like 60s.")] = None,
    as_json: Json = False,
    seed: Annotated[int, typer.Option(help="The same seed plays the same firm.")] = 7,
) -> None:
    """Start everything and play a firm on it. Example: leadstream demo --for 60s --json."""
    from streams.embedded.home import StackError
    from streams.embedded.stack import PORTS, Stack

    limit = seconds(duration) if duration else None
    out = errors if as_json else console
    try:
        fresh = not (home / "simulated").exists()
        with Stack(home, "default", ports=PORTS, say=lambda text: out.print(f"  starting {text}")) as stack:
            out.print(f"  live page  http://127.0.0.1:{stack.ports['live']}")
            out.print(f"  gateway    http://127.0.0.1:{stack.ports['gateway']}/docs")
            summary = _play(stack, home, seed, fresh, limit, out)
    except StackError as error:
        raise Failed(str(error)) from error
    except KeyboardInterrupt:
        out.print(f"  stopped; state stays in {home}, `leadstream demo` goes on from there")
        return
    if as_json:
        document(summary)
    else:
        _print(summary)
    if not summary["verified"] or not summary["agrees"]:
        raise Failed("the pipeline's figures differ from the archive or from the simulator's ledger")


def _play(stack: Any, home: Path, seed: int, fresh: bool, limit: float | None, out: Any) -> dict[str, Any]:
    from streams.connections import clickhouse_client
    from streams.embedded.home import write
    from streams.embedded.simulator import Simulator
    from streams.intake import arrival

    settings = on_home(home)
    client = clickhouse_client(settings)
    runs = home / "simulated"
    number = _runs(runs) + 1
    write(runs, str(number))
    before = _state(client, settings)
    simulator = Simulator(stack.environment(), seed + number - 1, f"r{number}")
    if fresh:
        with Progress(TextColumn("  {task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), console=out) as bar:
            task = bar.add_task(f"{HISTORY_DAYS} days of history", total=HISTORY_PERSONS)
            asyncio.run(simulator.history(HISTORY_DAYS, HISTORY_PERSONS, lambda done, of: bar.update(task, completed=done, total=of)))
        arrival.settled(lambda: client, settings.partitions)
    began = int(time.time() * 1000)
    asyncio.run(_live(simulator, client, limit, out))
    drained = arrival.settled(lambda: client, settings.partitions)
    return _summary(client, settings, stack, simulator, before, began, drained)


def _runs(path: Path) -> int:
    """Read how often this home was played on; a number that was lost must not repeat ids, so the time takes its place."""
    if not path.exists():
        return 0
    text = path.read_text()
    return int(text) if text.isdigit() else int(time.time())


async def _live(simulator: Any, client: Any, limit: float | None, out: Any) -> None:
    until = time.monotonic() + (limit if limit is not None else 10**9)
    playing = asyncio.create_task(simulator.live(until, PER_SECOND))
    with Live(console=out, refresh_per_second=2, transient=True) as view:
        while not playing.done():
            await asyncio.wait([playing], timeout=1.0)
            view.update(await asyncio.to_thread(_funnel, client))
    await playing


def _funnel(client: Any) -> Table:
    table = Table("stage", "open now", "entered", title="the funnel, live")
    rows = client.query(
        "SELECT stage, sum(open), sum(entered) FROM (SELECT stage, 1 AS open, 0 AS entered FROM v_lead_state WHERE test = 0 "
        "UNION ALL SELECT to_stage, 0, 1 FROM v_stage_transitions WHERE test = 0) GROUP BY stage ORDER BY sum(entered) DESC"
    ).result_rows
    for stage, standing, entered in rows:
        table.add_row(stage, str(standing), str(entered))
    return table


def _state(client: Any, settings: Any) -> dict[str, int]:
    from streams.embedded import counters

    return {
        "accepted": counters.archived(client),
        "merged": counters.merged(client),
        "dead_letters": counters.dead_letters(settings),
    }


def _summary(client: Any, settings: Any, stack: Any, simulator: Any, before: dict[str, int], began: int, drained: bool) -> dict[str, Any]:
    from streams.audit import verify
    from streams.embedded import counters

    after = _state(client, settings)
    addresses = [f"127.0.0.1:{port}" for name, port in stack.ports.items() if name.startswith("metrics-")]
    counted = counters.worker_counts(addresses)
    ledger = simulator.ledger.document()
    said = {
        **{name: after[name] - before[name] for name in after},
        "duplicates": counted["advance.duplicates"],
        "held": counted["resolve.held"] - counted["resolve.released"],
    }
    report = verify.verify(client, settings.partitions)
    stages = client.query("SELECT to_stage, count() FROM v_stage_transitions GROUP BY to_stage ORDER BY to_stage").result_rows
    clocks = client.query("SELECT status, count() FROM v_clocks GROUP BY status ORDER BY status").result_rows
    return {
        "published": ledger["published"],
        "accepted": said["accepted"],
        "duplicates_dropped": said["duplicates"],
        "held": said["held"],
        "merged": said["merged"],
        "dead_letters": said["dead_letters"],
        "facts_by_stage": dict(stages),
        "clocks_by_status": dict(clocks),
        "latency_seconds": counters.latency(client, began),
        "ledger": ledger,
        "agrees": all(said[name] == ledger[name] for name in said),
        "drained": drained,
        "verified": report.clean,
        "verify": {name: len(value) if isinstance(value, list) else value for name, value in report.document().items()},
    }


def _print(summary: dict[str, Any]) -> None:
    for name in (
        "accepted",
        "duplicates_dropped",
        "held",
        "merged",
        "dead_letters",
        "latency_seconds",
        "agrees",
        "verified",
    ):
        console.print(f"  {name:20} {summary[name]}")
