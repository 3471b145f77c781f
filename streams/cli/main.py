"""The `leadstream` command. Exit code 0 ok, 1 failed, 2 wrong use."""

from __future__ import annotations

import faulthandler
import os
import sys
from typing import NoReturn

import typer

from schemas.errors import LeadstreamError
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
)
from .context import errors, is_away

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
    except LeadstreamError as error:
        _fail(str(error), error.exit_code)
    except Exception as error:
        if not is_away(error):
            raise
        _fail(f"a server does not answer: {error}; see `leadstream doctor`")


def _fail(text: str, code: int = 1) -> NoReturn:
    errors.print(text, style="red", highlight=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
