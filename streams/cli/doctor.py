"""leadstream doctor: check once everything that a running installation needs."""

from __future__ import annotations

import typer

from .context import Failed, document, on_home, print_line
from .data import AnyHome
from .run import Json

app = typer.Typer()


@app.command()
def doctor(home: AnyHome = None, as_json: Json = False) -> None:
    """Check everything that a running installation needs; exit 1 if anything is wrong.

    Example: leadstream doctor
    """
    from streams import health
    from streams.embedded.home import read

    settings = on_home(home)
    shown = read(settings.home)
    checks = [*health.CHECKS]
    if shown:
        processes = health.Check("processes", lambda _: health.processes(shown["processes"]))
        checks.insert(0, processes)
    found = health.examine(settings, checks)
    if as_json:
        document([one._asdict() for one in found])
    else:
        for one in found:
            print_line(f"{'ok  ' if one.ok else 'BAD '} {one.check}: {one.detail}")
    if not all(one.ok for one in found):
        raise Failed("something is wrong; each line above says what")
