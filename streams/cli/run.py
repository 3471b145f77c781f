"""Commands that run a process: workers, gateway, ClickHouse, live page, ticker, broker, and the stack of all of them."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer

from streams.settings import WORKERS, Settings

from .context import Failed, console, document, figures

app = typer.Typer()
Home = Annotated[Path, typer.Option(help="The data folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def _log(level: int = logging.INFO) -> None:
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for noisy in ("aiokafka", "kafka", "faust", "mode", "httpx", "uvicorn.access"):
        # at warn or error Faust's spinner would set the ROOT logger to DEBUG: levels are set by hand
        logging.getLogger(noisy).setLevel(logging.WARNING if noisy != "faust" else logging.INFO)


@app.command()
def worker(
    name: Annotated[str, typer.Argument(help="normalise, normalise-import, resolve, advance or deliver")],
) -> None:
    """Run one worker. Example: leadstream worker advance."""
    import faust
    from prometheus_client import start_http_server

    from streams.app import build

    if name not in WORKERS:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(WORKERS)}")
    _log()
    settings = Settings()
    built = build(settings, name)

    @built.task
    async def open_door() -> None:
        start_http_server(settings.metrics_port, addr=settings.host)

    faust.Worker(built, loglevel="info", logging_config=None, redirect_stdouts=False, override_logging=False).execute_from_commandline()


@app.command()
def ticker() -> None:
    """Tell the workers the time, once a second. Example: leadstream ticker."""
    from streams.agents import ticker as agent

    _log()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    settings = Settings()
    agent.run(settings.brokers, settings.partitions, stop)


@app.command()
def gateway() -> None:
    """Run the HTTP gateway. Example: LEADSTREAM_PORT=8381 leadstream gateway."""
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
def clickhouse() -> None:
    """Run ClickHouse's own engine behind its HTTP interface, on loopback. Example: leadstream clickhouse."""
    from sinks.clickhouse.server import serve

    _log()
    settings = Settings()
    folder = settings.home / "clickhouse"
    passwords = (settings.clickhouse_password, settings.clickhouse_viewer_password)
    try:
        serve(folder, settings.clickhouse_database, settings.port, *(one.get_secret_value() for one in passwords))
    except ValueError as error:
        raise Failed(str(error)) from error


@app.command()
def live() -> None:
    """Run the live page and its API. Example: LEADSTREAM_PORT=8380 leadstream live."""
    from streams.live.guard import Unprotected
    from streams.live.page import serve

    _log()
    try:
        serve(Settings(), figures(Settings()))
    except Unprotected as error:
        raise Failed(str(error)) from error


@app.command()
def up(
    home: Home = Path(".leadstream"),
    funnel: Annotated[str | None, typer.Option(help="The funnel file that a new home starts with.")] = None,
) -> None:
    """Start the embedded stack and keep it up until Ctrl-C. Example: leadstream up --home data."""
    from streams.embedded.home import StackError
    from streams.embedded.stack import PORTS, Stack

    try:
        with Stack(home, funnel, ports=PORTS, say=lambda text: console.print(f"  {text}")) as stack:
            console.print(f"live page  http://127.0.0.1:{stack.ports['live']}")
            console.print(f"gateway    http://127.0.0.1:{stack.ports['gateway']}/docs")
            signal.pause()
    except StackError as error:
        raise Failed(str(error)) from error
    except KeyboardInterrupt:
        console.print("stopped; state stays in", home)


@app.command()
def status(home: Home = Path(".leadstream"), as_json: Json = False) -> None:
    """List each process with role, pid, state and address. Example: leadstream status --json."""
    from streams.embedded.home import read

    shown = read(home)
    processes = shown["processes"] if shown else []
    if as_json:
        document(processes)
    else:
        for process in processes:
            console.print(f"{process['role']:18} {process['pid']:>8} {process['state']:10} {process['address']}")
    if not shown:
        raise Failed(f"no stack runs on {home}: start one with `leadstream up`")
