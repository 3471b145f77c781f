"""Commands about definitions: check, draw, add a version, preview a candidate, adopt it, go back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .context import Failed, clean, console, document, errors, on_home
from .data import AnyHome
from .run import Json

app = typer.Typer()
definitions_app = typer.Typer(
    help="The versions of the funnel that the workers fold under.", no_args_is_help=True
)
app.add_typer(definitions_app, name="definitions")
DEFAULT = Path("schemas/funnels/default.yaml")
FunnelFile = Annotated[Path, typer.Argument(help="A funnel file, or a folder of its versions.")]


@app.command()
def sources(as_json: Json = False) -> None:
    """Show the sources that are read: routes, proofs, settings, what they can tell. Example: leadstream sources."""
    from streams.sources.described import described, markdown

    if as_json:
        document(described())
    else:
        console.print(markdown(), markup=False, highlight=False, soft_wrap=True)


@app.command()
def check(funnel: FunnelFile = DEFAULT, as_json: Json = False) -> None:
    """Check a funnel definition, or a folder of versions. Example: leadstream check my-funnel.yaml."""
    from schemas import reading as definitions
    from streams.domain.definition import prepare
    from streams.sources import measuring
    from streams.sources.registry import can_send

    try:
        found = prepare(*definitions.load_all(funnel))
    except definitions.FunnelError as error:
        if as_json:
            document([problem._asdict() for problem in error.problems])
        raise Failed(str(error)) from error
    if as_json:
        document([])
        return
    console.print(f"{funnel}: good")
    for version in found.versions:
        for name in measuring.not_measured(version.funnel):
            console.print(
                f"  version {version.funnel.version}: {name} is not measured: no enabled source can stop it"
            )
        for source in measuring.silent(version.funnel):
            known = ", ".join(can_send(version.funnel.sends))
            hint = f"known are {known}; of a system of your own write what it sends, under `sends`"
            console.print(
                f"  version {version.funnel.version}: enabled source {source} stops no clock: {hint}"
            )


@app.command()
def diagram(funnel: FunnelFile = DEFAULT) -> None:
    """Print a definition as a Mermaid diagram. Example: leadstream diagram."""
    from schemas import reading as definitions
    from streams.domain.definition import Definition
    from streams.domain.lifecycle import mermaid

    drawn = mermaid(Definition(definitions.in_force(funnel)))
    typer.echo(clean(drawn, keep="\n"), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a funnel file, for editors. Example: leadstream schema > funnel.schema.json."""
    from schemas.funnel import Funnel

    document(Funnel.model_json_schema())


@definitions_app.command("list")
def definitions_list(home: AnyHome = None, as_json: Json = False) -> None:
    """List generations and versions, as the workers have them. Example: leadstream definitions list."""
    from sinks.clickhouse import generations
    from streams.connections import clickhouse_client

    client = clickhouse_client(on_home(home))
    shown, log = generations.active(client), generations.history(client)
    found: list[dict[str, Any]] = [
        {
            "generation": number,
            "shown": number == shown,
            "versions": [
                {
                    "version": one.version,
                    "effective_from": one.effective_from,
                    "strategy": one.strategy,
                }
                for one in generations.versions(client, number)
            ],
        }
        for number in sorted({one.generation for one in log})
    ]
    found = [one for one in found if one["versions"] or one["shown"]]  # a dropped one has none
    if as_json:
        document(found)
        return
    for one in found:
        console.print(f"generation {one['generation']}{' (shown)' if one['shown'] else ''}")
        for version in one["versions"]:
            console.print(
                f"  version {version['version']} from {version['effective_from']} {version['strategy']}",
                highlight=False,
            )


@definitions_app.command("add")
def definitions_add(
    funnel: Annotated[Path, typer.Argument(help="The later version's file.")],
    home: AnyHome = None,
    as_json: Json = False,
    generation: Annotated[
        int | None, typer.Option(help="Another generation than the one that is shown.")
    ] = None,
) -> None:
    """Publish a later version to every worker: what begins from then on is judged by it. Example: leadstream definitions add v2.yaml."""
    from schemas.reading import FunnelError
    from sinks.clickhouse import generations
    from streams.agents import versions
    from streams.connections import clickhouse_client
    from streams.domain.definition import prepare
    from streams.operate import adoption

    settings = on_home(home)
    client = clickhouse_client(settings)
    to = generation or generations.active(client)
    try:
        fresh = adoption.add(
            settings, client, funnel, to, versions.record, lambda one: prepare(one).first.start
        )
    except (FunnelError, adoption.NotReady) as error:
        raise Failed(str(error)) from error
    if as_json:
        document(
            {"version": fresh.version, "effective_from": fresh.effective_from, "generation": to}
        )
        return
    console.print(
        f"version {fresh.version} holds from {fresh.effective_from}; put its file into every worker's folder too"
    )
    for other in sorted({one.generation for one in generations.history(client)} - {to}):
        if generations.versions(client, other):
            console.print(
                f"generation {other} is kept and does not have this version: run this again with --generation {other}"
            )


@definitions_app.command("drop")
def definitions_drop(
    generation: Annotated[int, typer.Argument(help="The generation that nobody needs any more.")],
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """End a generation that is not shown: its worker and its facts. The archive stays. Example: leadstream definitions drop 1."""
    from streams.connections import clickhouse_client
    from streams.operate import adoption

    settings = on_home(home)
    try:
        adoption.drop(settings, clickhouse_client(settings), generation)
    except adoption.NotReady as error:
        raise Failed(str(error)) from error
    if as_json:
        document({"dropped": generation})
    else:
        console.print(
            f"generation {generation} is gone; `leadstream adopt` folds the archive anew under any definition"
        )


def _candidate(path: Path) -> Any:
    from schemas import reading as definitions
    from streams.domain.definition import prepare

    try:
        return prepare(*definitions.load_all(path))
    except definitions.FunnelError as error:
        raise Failed(str(error)) from error


@app.command()
def preview(
    funnel: FunnelFile, home: AnyHome = None, as_json: Json = False, limit: int = 20
) -> None:
    """Fold the archive under a candidate: which KPIs and leads would differ. Example: leadstream preview my-funnel.yaml."""
    from streams.audit import preview as audit

    try:
        found = audit.preview(on_home(home), _candidate(funnel))
    except ValueError as error:
        raise Failed(str(error)) from error
    if as_json:
        document(found.document())
        return
    console.print(f"{found.leads} leads, {found.events} events, {found.seconds} s")
    for figure in found.kpis:
        if figure["differs"]:
            now, then = (
                (one or {}).get("value") for one in (figure["running"], figure["candidate"])
            )
            named = " ".join(f"{name}={value}" for name, value in figure["dimensions"].items())
            console.print(
                f"  {figure['kpi']} {figure['basis']} {named}: {_figure(now)} -> {_figure(then)}",
                highlight=False,
            )
    console.print(f"{len(found.moved)} leads would be in another stage or journey")
    for one in found.moved[:limit]:
        console.print(f"  {one.lead}: {one.stands} -> {one.would}; {one.why}", highlight=False)
    console.print("alerts that would have been raised in the last 90 days, by week")
    for fired in found.fired:
        console.print(
            f"  {fired['week']} {fired['recipient']}: {fired['clock']} {fired['level']} {fired['n']}",
            highlight=False,
        )


def _figure(value: float | None) -> str:
    return "nothing" if value is None else f"{value:.4g}"


@app.command()
def adopt(
    funnel: FunnelFile,
    home: AnyHome = None,
    note: Annotated[str, typer.Option(help="Why; kept with the switch.")] = "",
    generation: Annotated[
        int | None,
        typer.Option(help="Go on with one that was begun before and did not catch up in time."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fold all history under a candidate beside what runs, then show it. Example: leadstream adopt my-funnel.yaml."""
    from schemas.reading import FunnelError
    from sinks.clickhouse import generations
    from streams.audit import verify
    from streams.connections import clickhouse_client
    from streams.embedded.home import start_again
    from streams.operate import adoption

    settings = on_home(home)
    client = clickhouse_client(settings)
    before = generations.active(client)
    try:
        number = generation or adoption.prepare_generation(settings, client, funnel)
    except FunnelError as error:
        raise Failed(str(error)) from error
    if not start_again(settings.home, f"advance@{number}"):
        folder = settings.home / "generations" / str(number)
        variables = f"LEADSTREAM_GENERATION={number} LEADSTREAM_FUNNEL={folder} LEADSTREAM_LIVE_FROM_FILE={folder / 'birth.json'}"
        errors.print(
            f"no stack runs here: start a worker `advance` with {variables} (compose: GENERATION={number} "
            f"docker compose -p leadstream-{number} -f deploy/compose.generation.yaml up -d); waiting for it",
            soft_wrap=True,
            highlight=False,
        )
    try:
        adoption.caught_up(lambda: clickhouse_client(settings), settings, number)
        report = verify.verify(client, settings.partitions, number)
    except (adoption.NotReady, ValueError) as error:
        raise Failed(
            f"{error}; then `leadstream adopt {funnel} --generation {number}` goes on with it"
        ) from error
    if not report.clean:
        raise Failed(
            f"generation {number} differs from the archive, so {before} stays: see `leadstream verify --generation {number}`; "
            f"`leadstream adopt {funnel} --generation {number}` tries again"
        )
    generations.switch(
        client, number, _candidate(funnel).first.funnel.funnel, note or f"adopted {funnel.name}"
    )
    if as_json:
        document({"generation": number, "before": before})
    else:
        console.print(
            f"generation {number} is shown; `leadstream rollback` shows {before} again, which keeps running"
        )


@app.command()
def rollback(home: AnyHome = None, as_json: Json = False) -> None:
    """Show the generation that was shown before. Example: leadstream rollback."""
    from sinks.clickhouse import generations
    from streams.connections import clickhouse_client
    from streams.operate import adoption

    settings = on_home(home)
    client = clickhouse_client(settings)
    shown = generations.active(client)
    others = (
        one.generation for one in reversed(generations.history(client)) if one.generation != shown
    )
    earlier = next(
        (number for number in others if generations.versions(client, number)), None
    )  # a dropped one has none
    if earlier is None:
        raise Failed(
            f"generation {shown} is the only one that was shown and was not dropped: there is nothing to go back to"
        )
    try:
        adoption.caught_up(lambda: clickhouse_client(settings), settings, earlier, 60.0)
    except adoption.NotReady as error:
        raise Failed(str(error)) from error
    name = generations.versions(client, earlier)[-1].funnel
    generations.switch(client, earlier, name, f"rolled back from generation {shown}")
    if as_json:
        document({"generation": earlier, "before": shown})
    else:
        console.print(f"generation {earlier} is shown")
