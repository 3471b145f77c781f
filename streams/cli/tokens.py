"""leadstream token: who may see the live page and its API, and what of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from .context import Failed, document, print_line
from .run import Json

app = typer.Typer()
Home = Annotated[Path | None, typer.Option("--home", help="The data folder; the tokens lie there.")]


@app.command()
def token(
    name: Annotated[
        str | None, typer.Argument(help="Whose it is. Without one: list all names.")
    ] = None,
    role: Annotated[
        Literal["viewer", "lead_details"],
        typer.Option(help="viewer: figures; lead_details: leads, owners' lists and stories too."),
    ] = "viewer",
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the name's token out.")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make a token for the live page and its API. It is shown once, and kept as a hash.

    Example: leadstream token ann --role viewer
    """
    from streams.live.tokens import Tokens
    from streams.settings import Settings

    settings = Settings() if home is None else Settings(home=home)
    tokens = Tokens(settings.tokens_path())
    if name is None:
        _list(tokens.read(), as_json=as_json)
    elif revoke:
        if not tokens.remove(name):
            raise Failed(f"{name} has no token in {tokens.path}: `leadstream token` lists all")
        print_line(f"{name}'s token opens nothing any more")
    else:
        made = tokens.add(name, role)
        if as_json:
            document({"name": name, "role": role, "token": made, "file": str(tokens.path)})
            return
        print_line(made)
        print_line(f"{name}, {role}: shown once; its hash is in {tokens.path}")
        print_line("a page that runs without a login asks for one after its next start")


def _list(entries: tuple[tuple[str, str, str], ...], *, as_json: bool) -> None:
    if as_json:
        document([{"name": one[0], "role": one[1]} for one in entries])
        return
    for name, role, _ in entries:
        print_line(f"{role:12} {name}")
    if not entries:
        print_line("there are no tokens: `leadstream token NAME` makes one")
