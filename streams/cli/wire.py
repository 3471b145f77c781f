"""leadstream asyncapi: the records of every topic, for machines and for whoever writes a reader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .context import Failed, document

app = typer.Typer()


@app.command()
def asyncapi(
    schemas: Annotated[
        Path | None,
        typer.Option(help="Also write a JSON Schema of each topic into this folder."),
    ] = None,
) -> None:
    """Print the AsyncAPI 3 document of all topics. Example: leadstream asyncapi > asyncapi.json."""
    import orjson

    from schemas.wire import asyncapi as exported

    if schemas is not None:
        try:
            schemas.mkdir(parents=True, exist_ok=True)
            for topic, schema in exported.json_schemas().items():
                body = orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
                (schemas / f"{topic}.json").write_bytes(body)
        except OSError as error:
            raise Failed(f"{schemas}: {error.strerror}") from error
    document(exported.document())
