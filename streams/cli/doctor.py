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

    Topics are compared with their declaration, and processes or their groups with what must run.

    Example: leadstream doctor
    """
    from streams import health
    from streams.embedded.home import read

    settings = on_home(home)
    shown = read(settings.home)
    dead = (
        health.Check("processes", lambda _: health.processes(shown["processes"]))
        if shown
        else health.Check("workers", health.workers)
    )
    found = health.examine(settings, [dead, *health.CHECKS])
    if as_json:
        document([one._asdict() for one in found])
    else:
        for one in found:
            print_line(f"{'ok  ' if one.ok else 'BAD '} {one.check}: {one.detail}")
    if not all(one.ok for one in found):
        raise Failed("something is wrong; each line above says what")
