"""leadstream records: targets, rates of currencies and survey answers from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .context import Failed, document, on_home, print_line
from .data import AnyHome
from .run import Json

app = typer.Typer()


@app.command()
def records(
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON Lines (each with a `record`), or YAML with targets:, rates:, answers:."
        ),
    ],
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Publish targets, exchange rates, costs and survey answers from a file, all or nothing.

    Example: leadstream records targets.yaml
    """
    from collections import Counter

    from kafka.errors import KafkaError

    from schemas import reading
    from streams.intake import records as intake

    settings = on_home(home)
    try:
        found = intake.read(file, reading.in_force(settings.funnel))
        intake.publish(found, settings)
    except OSError as error:
        raise Failed(f"{file}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Failed(f"{file} is not UTF-8 ({error}): save it as UTF-8") from error
    except KafkaError as error:
        raise Failed(
            f"Kafka has not acknowledged all of {file}: {error}; publish it again, "
            "a record that was sent twice counts once"
        ) from error
    published = dict(Counter(type(one).__name__ for one in found))
    if as_json:
        document(published)
        return
    counts = ", ".join(f"{count} {name}" for name, count in published.items())
    print_line(f"published {counts or 'nothing: the file has no record'}")
