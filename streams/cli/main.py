"""The `leadstream` command. Exit code 0 ok, 1 failed, 2 wrong use."""

from __future__ import annotations

import faulthandler
import os
import sys
from typing import NoReturn

import typer
from pydantic import ValidationError

from schemas.errors import LeadstreamError
from streams.embedded import leash
from streams.settings import Settings

from . import (
    data,
    deadletters,
    definitions,
    demo,
    doctor,
    figures,
    identity,
    importing,
    notifying,
    people,
    reconciling,
    records,
    run,
    tokens,
    weekly,
    wire,
)
from .context import errors, is_away

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
PARTS = (
    run,
    data,
    figures,
    people,
    notifying,
    deadletters,
    doctor,
    definitions,
    identity,
    importing,
    records,
    reconciling,
    demo,
    tokens,
    weekly,
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
    except LeadstreamError as error:
        _fail(str(error), error.exit_code)
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        _fail(_settings_to_mend(error))
    except Exception as error:
        if not is_away(error):
            raise
        _fail(f"a server does not answer: {error}; see `leadstream doctor`")


def _settings_to_mend(error: ValidationError) -> str:
    """Return a line for each setting that can't be read; its value may be a secret."""
    return "\n".join(
        f"LEADSTREAM_{str(one['loc'][0]).upper()}: {one['msg']}" if one["loc"] else one["msg"]
        for one in error.errors(include_input=False)
    )


def _fail(text: str, code: int = 1) -> NoReturn:
    errors.print(text, style="red", highlight=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
