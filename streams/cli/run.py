"""Commands that run a process: workers, ticker, gateway, retriever, ClickHouse, page, stack."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas import topics
from streams.settings import WORKERS, Settings

from .context import Failed, document, errors, figures, print_line

app = typer.Typer()
Home = Annotated[Path, typer.Option(help="The data folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


class OneLine(logging.Filter):
    """Makes one line of a Kafka client's traceback: that a broker goes away is no fault of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the error of a client's own traceback into its message."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, OSError) and record.name.partition(".")[0] in ("kafka", "aiokafka"):
            record.msg, record.args = f"{record.getMessage()} ({type(error).__name__}: {error})", ()
            record.exc_info = record.exc_text = None
        return True


def _log(level: int = logging.INFO) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(OneLine())
    for noisy in ("aiokafka", "kafka", "faust", "mode", "httpx", "uvicorn.access"):
        # at warn or error Faust's spinner would set the ROOT logger to DEBUG: set levels by hand
        logging.getLogger(noisy).setLevel(logging.WARNING if noisy != "faust" else logging.INFO)


@app.command()
def worker(
    name: Annotated[
        str,
        typer.Argument(
            help="; ".join(f"{one.name}: {one.meaning}" for one in topics.WORKERS.values())
        ),
    ],
) -> None:
    """Run one worker.

    Example: leadstream worker advance
    """
    import faust

    from streams.app import build
    from streams.engine import readiness
    from streams.probe import BEAT_SECONDS, Probe

    if name not in WORKERS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(WORKERS)}")
    _log()
    settings = Settings()
    built = build(settings, name)
    loop = asyncio.new_event_loop()
    waits_for = "it starts"
    probe = Probe(lambda: waits_for)

    def beat() -> None:
        nonlocal waits_for
        probe.beat()
        loop.call_later(BEAT_SECONDS / 4 if waits_for else BEAT_SECONDS, beat)
        waits_for = readiness.waits_for(built)

    loop.call_soon(beat)  # from before the recovery on: that may take long, and is no hanging
    probe.serve(settings.metrics_port, settings.host)
    options = {
        "loglevel": "info",
        "logging_config": None,
        "redirect_stdouts": False,
        "override_logging": False,
    }
    faust.Worker(built, loop=loop, **options).execute_from_commandline()


@app.command()
def ticker() -> None:
    """Send the time to the workers, once a second.

    Example: leadstream ticker
    """
    from streams.agents import ticker as agent
    from streams.probe import Probe

    _log()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    settings = Settings()
    acknowledged = agent.Acknowledged(settings.partitions)
    probe = Probe(
        lambda: acknowledged.waits_for(2 * settings.ticker_patience),
        fresh_seconds=settings.ticker_patience,
    )
    probe.serve(settings.metrics_port, settings.host)
    make = functools.partial(agent.producer, settings)
    code = 0
    try:
        agent.run(
            make, acknowledged, settings.partitions, stop, settings.ticker_patience, probe.beat
        )
    except agent.Stuck as error:
        logging.getLogger("leadstream.ticker").critical(
            "the ticker ends, to be started again: %s", error
        )
        code = os.EX_SOFTWARE
    logging.shutdown()
    os._exit(code)  # at once: a producer that was given up may hang in its own clean-up at exit


@app.command()
def gateway() -> None:
    """Run the HTTP gateway.

    Example: LEADSTREAM_PORT=8381 leadstream gateway
    """
    from streams.intake.gateway import server

    _log()
    try:
        built = server(Settings())
    except ValueError as error:
        raise Failed(str(error)) from error
    built.run()
    if not built.started:
        raise Failed("the gateway could not start: see the line above")


@app.command()
def retriever() -> None:
    """Complete notifications that carry only an id: ask each vendor whose token is set.

    Example: leadstream retriever
    """
    from streams.intake.retriever import Service
    from streams.probe import Probe

    _log()
    try:
        service = Service(Settings)
    except ValueError as error:
        errors.print(str(error), style="red", highlight=False, soft_wrap=True)
        raise typer.Exit(2) from error
    settings = Settings()
    probe = Probe(service.waits_for)
    probe.serve(settings.metrics_port, settings.host)
    asyncio.run(service.run(probe.beat))


@app.command()
def clickhouse() -> None:
    """Run ClickHouse's own engine behind its HTTP interface, on loopback.

    Example: leadstream clickhouse
    """
    from sinks.clickhouse.server import serve

    _log()
    settings = Settings()
    folder = settings.home / "clickhouse"
    passwords = (settings.clickhouse_password, settings.clickhouse_viewer_password)
    try:
        serve(
            folder,
            settings.clickhouse_database,
            settings.port,
            *(one.get_secret_value() for one in passwords),
        )
    except ValueError as error:
        raise Failed(str(error)) from error


@app.command()
def live() -> None:
    """Run the live page and its API.

    Example: LEADSTREAM_PORT=8380 leadstream live
    """
    from streams.live.page import serve

    _log()
    serve(Settings(), figures(Settings()))


@app.command()
def up(
    home: Home = Path(".leadstream"),
    funnel: Annotated[
        str | None, typer.Option(help="The funnel file that a new home starts with.")
    ] = None,
) -> None:
    """Start the embedded stack and keep it up until Ctrl-C.

    Example: leadstream up --home data
    """
    from streams.embedded.stack import PORTS, Stack

    try:
        with Stack(home, funnel, ports=PORTS, say=lambda text: print_line(f"  {text}")) as stack:
            stack.say(f"live page  http://127.0.0.1:{stack.ports['live']}")
            stack.say(f"gateway    http://127.0.0.1:{stack.ports['gateway']}/docs")
            while True:
                signal.pause()  # SIGCHLD and a window's resize end a pause too
    except KeyboardInterrupt:
        with contextlib.suppress(OSError):  # a closed terminal
            print_line(f"stopped; state stays in {home}")


@app.command()
def status(home: Home = Path(".leadstream"), as_json: Json = False) -> None:
    """List each process with role, pid, state and address, and why one does not run.

    Example: leadstream status --json
    """
    from streams import health
    from streams.embedded.home import read

    shown = read(home)
    processes = shown["processes"] if shown else []
    if as_json:
        document(processes)
    else:
        for process in processes:
            state = f"{process['pid']:>8} {process['state']:10} {process['address']}"
            print_line(f"{process['role']:18} {state}")
            if process["state"] != "running":
                print_line(f"{'':18} {health.describe(process)}")
    if not shown:
        raise Failed(f"no stack runs on {home}: start one with `leadstream up`")


@app.command()
def resume(
    role: Annotated[
        str,
        typer.Argument(help="What stopped, as `status` shows it: advance, advance@2, …"),
    ],
    home: Home = Path(".leadstream"),
    as_json: Json = False,
    seconds: Annotated[
        float, typer.Option(help="How long to watch whether it stops again.")
    ] = 20.0,
) -> None:
    """Start a stopped process again, once you have removed the cause.

    Example: leadstream resume advance
    """
    from streams import health
    from streams.embedded.home import read, start_again

    def now() -> dict[str, Any]:
        shown = read(home)
        if not shown:
            raise Failed(f"no stack runs on {home}: start one with `leadstream up`")
        found = {one["role"]: one for one in shown["processes"]}
        if role not in found:
            raise typer.BadParameter(f"{role!r} is none of {', '.join(found)}")
        return dict(found[role])

    before = now()
    if before["state"] not in ("stopped", "restarting"):
        raise Failed(f"{role} did not stop: it is {before['state']}")
    start_again(home, role)
    end = time.monotonic() + seconds
    after = before
    while time.monotonic() < end:
        after = now()
        if after["pid"] != before["pid"] and after["state"] in ("running", "stopped", "restarting"):
            break
        time.sleep(0.2)
    if as_json:
        document(after)
    if after["state"] == "stopped":
        raise Failed(
            f"{role} stopped again, the reason still holds: {after['reason']} "
            f"(then: {after['command']})"
        )
    if after["state"] != "running":
        state = health.describe(after)
        raise Failed(f"{state}: it does not run after {seconds:.0f} s; see {after['log']}")
    if not as_json:
        print_line(f"{role} runs")
