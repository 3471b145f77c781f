"""Commands about definitions: check, draw, add a version, preview a candidate, adopt, go back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streams.settings import live_from

from .context import Failed, clean, document, errors, on_home, print_line
from .data import AnyHome
from .run import Json

app = typer.Typer()
definitions_app = typer.Typer(
    help="The versions of the funnel that are in use.", no_args_is_help=True
)
app.add_typer(definitions_app, name="definitions")
DEFAULT = Path("schemas/funnels/default.yaml")
FunnelFile = Annotated[Path, typer.Argument(help="A funnel file, or a folder of its versions.")]


@app.command()
def sources(as_json: Json = False) -> None:
    """Show which sources can be read, with addresses, proofs, settings and what each sends.

    Example: leadstream sources
    """
    from streams.sources.described import described, markdown

    if as_json:
        document(described())
    else:
        typer.echo(clean(markdown(), keep="\n"))


@app.command()
def check(
    funnel: FunnelFile = DEFAULT,
    as_json: Json = False,
    rewrite: Annotated[
        bool, typer.Option("--rewrite", help="Print a file of an older form in today's form.")
    ] = False,
) -> None:
    """Check a funnel definition, or a folder of versions.

    Example: leadstream check my-funnel.yaml
    """
    from schemas import reading as definitions
    from schemas.checking import nowhere_to_go
    from streams.domain.definition import prepare
    from streams.sources import measuring
    from streams.sources.registry import can_send

    if rewrite:
        _rewrite(funnel)
        return
    try:
        found = prepare(*definitions.load_all(funnel))
    except definitions.FunnelError as error:
        if as_json:
            document([problem._asdict() for problem in error.problems])
        raise
    if as_json:
        document([])
        return
    print_line(f"{funnel}: good")
    for version in found.versions:
        head = f"  version {version.funnel.version}"
        for what in nowhere_to_go(version.funnel):
            print_line(f"{head}: {what}: the lead stays and a note says so")
        for name in measuring.not_measured(version.funnel):
            print_line(f"{head}: {name} is not measured: no enabled source can stop it")
        for source in measuring.silent(version.funnel):
            known = ", ".join(can_send(version.funnel.sends))
            hint = f"known are {known}; for a system of your own write what it sends, under `sends`"
            print_line(f"{head}: enabled source {source} stops no clock: {hint}")


def _rewrite(funnel: Path) -> None:
    """Print a file in today's form; the file itself is left as it is."""
    from schemas import documents, first_form

    try:
        raw = documents.read(funnel).value
    except documents.DocumentError as error:
        raise Failed(f"{funnel}:{error.problem.line}: {error.problem.text}") from error
    if not isinstance(raw, dict):
        raise Failed(f"{funnel}: no funnel: begin with a copy of schemas/funnels/default.yaml")
    if not first_form.is_first(raw):
        raise Failed(f"{funnel}: is in today's form already; `leadstream check {funnel}` checks it")
    text = first_form.text(first_form.renewed(raw))
    typer.echo(clean(text, keep="\n"), nl=False)
    errors.print(
        f"{funnel} itself is unchanged: put this into a new file (comments are not carried over) "
        "and run `leadstream check` on it",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def diagram(funnel: FunnelFile = DEFAULT) -> None:
    """Print a funnel definition as a Mermaid diagram.

    Example: leadstream diagram
    """
    from schemas import reading as definitions
    from streams.domain.definition import Definition
    from streams.domain.drawing import mermaid

    drawn = mermaid(Definition(definitions.in_force(funnel)))
    typer.echo(clean(drawn, keep="\n"), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a funnel file, for editors.

    Example: leadstream schema > funnel.schema.json
    """
    from schemas.funnel import Funnel

    document(Funnel.model_json_schema())


@definitions_app.command("list")
def definitions_list(home: AnyHome = None, as_json: Json = False) -> None:
    """List generations and versions, as the workers use them.

    Example: leadstream definitions list
    """
    from sinks.clickhouse import generations
    from streams.connections import clickhouse_client

    client = clickhouse_client(on_home(home))
    shown, log = generations.active(client), generations.history(client)
    outdated = {one.generation for one in log if one.outdated}
    found: list[dict[str, Any]] = [
        {
            "generation": number,
            "shown": number == shown,
            "outdated": number in outdated,
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
        print_line(f"generation {one['generation']}{' (shown)' if one['shown'] else ''}")
        if one["outdated"]:
            print_line(
                "  an earlier release made its facts, and this one does not carry it on: "
                f"`leadstream adopt` HOME/generations/{one['generation']}"
            )
        for version in one["versions"]:
            since = f"from {version['effective_from']} {version['strategy']}"
            print_line(f"  version {version['version']} {since}")


@definitions_app.command("add")
def definitions_add(
    funnel: Annotated[Path, typer.Argument(help="The later version's file.")],
    home: AnyHome = None,
    as_json: Json = False,
    generation: Annotated[
        int | None, typer.Option(help="For this generation; without it, the one that is shown.")
    ] = None,
) -> None:
    """Publish a later version to every worker: it applies to what begins from its day on.

    Example: leadstream definitions add v2.yaml
    """
    from sinks.clickhouse import generations
    from streams.agents import versions
    from streams.connections import clickhouse_client
    from streams.domain.definition import prepare
    from streams.operate import adoption

    settings = on_home(home)
    client = clickhouse_client(settings)
    to = generation or generations.active(client)
    fresh = adoption.add(
        settings, client, funnel, to, versions.record, lambda one: prepare(one).first.start
    )
    if as_json:
        document(
            {"version": fresh.version, "effective_from": fresh.effective_from, "generation": to}
        )
        return
    since = f"version {fresh.version} applies from {fresh.effective_from}"
    print_line(f"{since}; put its file into every worker's folder too")
    for other in sorted({one.generation for one in generations.history(client)} - {to}):
        if generations.versions(client, other):
            hint = f"run this again with --generation {other}"
            print_line(f"generation {other} is kept and does not have this version: {hint}")


@definitions_app.command("drop")
def definitions_drop(
    generation: Annotated[int, typer.Argument(help="The generation that nobody needs any more.")],
    home: AnyHome = None,
    as_json: Json = False,
) -> None:
    """Delete a generation that is not shown: its worker stops, its facts go, all events stay.

    Example: leadstream definitions drop 1
    """
    from streams.connections import clickhouse_client
    from streams.operate import adoption

    settings = on_home(home)
    adoption.drop(settings, clickhouse_client(settings), generation)
    if as_json:
        document({"dropped": generation})
    else:
        hint = "`leadstream adopt` computes all facts again under any definition"
        print_line(f"generation {generation} is gone; {hint}")


def _candidate(path: Path) -> Any:
    from schemas import reading
    from streams.domain.definition import prepare

    return prepare(*reading.load_all(path))


@app.command()
def preview(
    funnel: FunnelFile, home: AnyHome = None, as_json: Json = False, limit: int = 20
) -> None:
    """Show which figures and leads a changed funnel file would change, over all history.

    Example: leadstream preview my-funnel.yaml
    """
    from streams.audit import preview as audit

    found = audit.preview(on_home(home), _candidate(funnel))
    if as_json:
        document(found.document())
        return
    print_line(f"{found.leads} leads, {found.events} events, {found.seconds} s")
    for figure in found.kpis:
        if figure["differs"]:
            print_line(
                f"  {_named(figure)}: {_value(figure, 'running')} -> {_value(figure, 'candidate')}"
            )
    print_line(f"{len(found.moved)} leads would be in another stage or journey")
    for one in found.moved[:limit]:
        print_line(f"  {one.lead}: {one.stands} -> {one.would}; {one.why}")
    print_line("alerts that the last 90 days would have raised, by week")
    for fired in found.fired:
        clock = f"{fired['clock']} {fired['level']} {fired['n']}"
        print_line(f"  {fired['week']} {fired['recipient']}: {clock}")


def _named(figure: dict[str, Any]) -> str:
    dimensions = " ".join(f"{name}={value}" for name, value in figure["dimensions"].items())
    return f"{figure['kpi']} {figure['basis']} {dimensions}"


def _value(figure: dict[str, Any], side: str) -> str:
    value = (figure[side] or {}).get("value")
    return "nothing" if value is None else f"{value:.4g}"


@app.command()
def adopt(
    funnel: FunnelFile,
    home: AnyHome = None,
    note: Annotated[str, typer.Option(help="Why; kept in the log of generations.")] = "",
    generation: Annotated[
        int | None,
        typer.Option(help="Go on with a generation that did not catch up in time before."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compute all history under a changed funnel file beside what runs, then show that.

    Example: leadstream adopt my-funnel.yaml
    """
    from schemas.errors import LeadstreamError
    from sinks.clickhouse import generations
    from streams.audit import verify
    from streams.connections import clickhouse_client
    from streams.embedded.home import start_again
    from streams.operate import adoption

    settings = on_home(home)
    client = clickhouse_client(settings)
    before = generations.active(client)
    number = generation or adoption.prepare_generation(settings, client, funnel)
    again = f"`leadstream adopt {funnel} --generation {number}`"
    if not start_again(settings.home, f"advance@{number}"):
        _ask_for_worker(number, settings.home / "generations" / str(number))
    try:
        adoption.caught_up(lambda: clickhouse_client(settings), settings, number)
        report = verify.verify(client, settings.partitions, number)
    except LeadstreamError as error:
        raise Failed(f"{error}; then {again} goes on with it") from error
    if not report.clean:
        raise Failed(
            f"generation {number} differs from the archive, so {before} stays: "
            f"see `leadstream verify --generation {number}`; {again} tries again"
        )
    name = _candidate(funnel).first.funnel.funnel
    generations.switch(client, number, name, note or f"adopted {funnel.name}")
    if as_json:
        document({"generation": number, "before": before})
    else:
        hint = f"`leadstream rollback` shows {before} again, which keeps running"
        print_line(f"generation {number} is shown; {hint}")


def _ask_for_worker(number: int, folder: Path) -> None:
    """Ask for the worker of a generation, where no stack starts it."""
    variables = {
        "LEADSTREAM_GENERATION": number,
        "LEADSTREAM_FUNNEL": folder,
        "LEADSTREAM_LIVE_FROM_FILE": live_from(folder),
    }
    written = " ".join(f"{name}={value}" for name, value in variables.items())
    compose = f"docker compose -p leadstream-{number} -f deploy/compose.generation.yaml up -d"
    errors.print(
        f"no stack runs here: start a worker `advance` with {written} "
        f"(compose: GENERATION={number} {compose}); waiting for it",
        soft_wrap=True,
        highlight=False,
    )


@app.command()
def rollback(home: AnyHome = None, as_json: Json = False) -> None:
    """Go back to the generation that was shown before.

    Example: leadstream rollback
    """
    from sinks.clickhouse import generations
    from streams.connections import clickhouse_client
    from streams.operate import adoption

    settings = on_home(home)
    client = clickhouse_client(settings)
    shown = generations.active(client)
    log = generations.history(client)
    others = (one.generation for one in reversed(log) if one.generation != shown)
    # a dropped generation has no versions
    earlier = next((number for number in others if generations.versions(client, number)), None)
    if earlier is None:
        raise Failed(
            f"generation {shown} is the only one that was shown and was not dropped: "
            "there is nothing to go back to"
        )
    generations.require_current(client, earlier)
    adoption.caught_up(lambda: clickhouse_client(settings), settings, earlier, 60.0)
    name = generations.versions(client, earlier)[-1].funnel
    generations.switch(client, earlier, name, f"rolled back from generation {shown}")
    if as_json:
        document({"generation": earlier, "before": shown})
    else:
        print_line(f"generation {earlier} is shown")
