"""The `leadstream` command. Exit code 0 ok, 1 failed, 2 wrong use."""

from __future__ import annotations

import faulthandler
import os
import sys
from typing import NoReturn

import typer

from streams.embedded import leash

from . import (
    data,
    deadletters,
    definitions,
    demo,
    doctor,
    identity,
    importing,
    people,
    reconciling,
    records,
    run,
    wire,
)
from .context import Failed, away, errors

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
PARTS = (
    run,
    data,
    people,
    deadletters,
    doctor,
    definitions,
    identity,
    importing,
    records,
    reconciling,
    demo,
    wire,
)
for part in (module.app for module in PARTS):
    app.registered_commands += part.registered_commands
    app.registered_groups += part.registered_groups


def main() -> None:
    """Run the command line."""
    os.umask(0o077)  # what a home holds is its owner's
    if leash.follow():
        faulthandler.enable()  # a supervisor that finds a process hanging asks where (SIGABRT)
    try:
        app()
    except Failed as error:
        _say(str(error))
    except Exception as error:
        if not away(error):
            raise
        _say(f"a server does not answer: {error}; see `leadstream doctor`")


def _say(text: str) -> NoReturn:
    errors.print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
