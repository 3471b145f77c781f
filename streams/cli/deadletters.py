"""Commands for what could not be read: list, show, replay, discard; and for parked sources."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import typer

from .context import Failed, document, on_home, print_line
from .data import AnyHome
from .run import Json

app = typer.Typer()
deadletters_app = typer.Typer(
    help="What could not be read, and parked sources.", no_args_is_help=True
)
app.add_typer(deadletters_app, name="deadletters")
Ids = Annotated[list[str] | None, typer.Argument(help="Ids of letters, as `list` shows them.")]
Topic = Annotated[str, typer.Option(help="Only those of one topic.")]
Source = Annotated[str, typer.Option("--source", "--vendor", help="Only those of one source.")]
Reason = Annotated[
    str, typer.Option(help="Only those of one reason, as `list` writes it; * stands for anything.")
]
Each = Annotated[
    bool | None,
    typer.Option(
        "--each/--groups",
        help="List each letter, or groups with one reason; --json lists each by itself.",
    ),
]
RATE = 200.0  # records a second: what a stack on a laptop takes beside live events


@deadletters_app.command("list")
def list_(
    home: AnyHome = None,
    topic: Topic = "",
    source: Source = "",
    reason: Reason = "",
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that were replayed or discarded.")
    ] = False,
    each: Each = None,
    as_json: Json = False,
) -> None:
    """List the dead letters that wait, by source and reason, and who has to act.

    Example: leadstream deadletters list --source hubspot
    """
    from streams.operate import deadletters

    chosen = deadletters.Chosen((), topic, source, everything, reason)
    found = deadletters.read(on_home(home), chosen)
    if as_json if each is None else each:
        _each([one.document() for one in found], as_json)
    else:
        _groups([one.document() for one in deadletters.groups(found)], as_json)
    if not found and not as_json:
        print_line("no dead letter waits")


def _each(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        document(found)
        return
    for one in found:
        fate = f" ({one['fate']} by {one['by']})" if one["fate"] else ""
        head = f"{one['id']}  {one['source'] or one['worker']}  {one['whose_move']} to act{fate}"
        print_line(f"{head}: {one['reason']}")


def _groups(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        document(found)
        return
    for one in found:
        head = f"{one['letters']:>7}  {one['source']}  {one['whose_move']} to act: {one['reason']}"
        print_line(head)
        times = f"{one['first']} to {one['last']}" if one["letters"] > 1 else one["last"]
        print_line(f"{'':>7}  {times}, like {one['example']}")


@deadletters_app.command("show")
def show(
    letter: Annotated[str, typer.Argument(help="The letter's id.")],
    home: AnyHome = None,
    body: Annotated[
        bool,
        typer.Option("--body", help="Also its key, headers and body: they hold personal data."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Show one letter, and the place in its body that the reason names.

    Example: leadstream deadletters show lead.raw.crm:0:17:0
    """
    from streams.operate import deadletters

    settings = on_home(home)
    found = deadletters.read(settings, deadletters.Chosen((letter,), all=True))
    if not found:
        raise Failed(
            f"no dead letter has the id {letter}: `leadstream deadletters list --all` shows them"
        )
    record = deadletters.original(settings, found[0])
    place = deadletters.place(found[0].letter, record)
    shown = found[0].document() | {"places": place.places, "around": place.lines}
    came = {
        "headers": {name: _text(value or b"") for name, value in record.headers},
        "key": _text(record.key),
        "body": _text(record.value),
    }
    if as_json:
        coded = None if record.value is None else base64.b64encode(record.value).decode()
        document(shown | came | {"body_base64": coded})
        return
    apart = ("places", "around")
    lines = [f"{name}: {value}" for name, value in shown.items() if name not in apart]
    lines.append(f"place: {' or '.join(place.places) or 'the reason names none'}")
    lines += [f"    {line}" for line in place.lines]
    if body:
        lines += [f"{name}: {value}" for name, value in came.items()]
    else:
        lines.append(f"body: {len(record.value or b'')} bytes; --body shows them")
    for line in lines:
        print_line(line)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")


@deadletters_app.command("replay")
def replay(
    ids: Ids = None,
    home: AnyHome = None,
    topic: Topic = "",
    source: Source = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Send what waits through the pipeline again, byte for byte, after a fix.

    Example: leadstream deadletters replay --source hubspot
    """
    from kafka.errors import KafkaError

    from streams.operate import deadletters, reading

    settings = on_home(home)
    chosen = deadletters.Chosen(tuple(ids or ()), topic, source, reason=reason)
    found = deadletters.read(settings, chosen)
    try:
        done = deadletters.replay(settings, found)
    except (KafkaError, reading.Silent) as error:
        raise Failed(
            f"{error}; what was sent so far is marked: run this again for the rest"
        ) from error
    failed = {"failed": done.failed} if done.failed else {}
    _report({"replayed": done.number, **failed}, as_json)
    if failed:
        raise typer.Exit(1)


@deadletters_app.command("discard")
def discard(
    why: Annotated[
        str, typer.Option(help="Why nobody will fix them; kept with each letter and your name.")
    ],
    ids: Ids = None,
    home: AnyHome = None,
    topic: Topic = "",
    source: Source = "",
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Mark letters that nobody will fix, with a reason.

    Example: leadstream deadletters discard lead.raw.crm:0:17:0 --why "a test body"
    """
    from streams.operate import deadletters

    if not (ids or topic or source or reason):
        raise typer.BadParameter("name letters, a --topic, a --source or a --reason")
    if not why.strip() or len(why) > deadletters.MOST_WHY:
        raise typer.BadParameter(
            f"--why is kept with each letter: write at most {deadletters.MOST_WHY} characters"
        )
    settings = on_home(home)
    chosen = deadletters.Chosen(tuple(ids or ()), topic, source, reason=reason)
    found = deadletters.read(settings, chosen)
    _report({"discarded": deadletters.discard(settings, found, why.strip())}, as_json)


@deadletters_app.command("parked")
def parked(home: AnyHome = None, as_json: Json = False) -> None:
    """List the sources whose circuit breaker tripped, and where.

    Example: leadstream deadletters parked
    """
    from streams.operate import parked as sources

    found = sources.parked(on_home(home))
    if as_json:
        document([one.model_dump(mode="json", exclude={"version"}) for one in found])
        return
    for one in found:
        place = f"{one.topic}[{one.partition}] from offset {one.offset}"
        print_line(f"{one.source}: {place}: {one.reason}")
    if not found:
        print_line("no source is parked")


@deadletters_app.command("resume")
def resume(
    source: Annotated[str, typer.Argument(help="The source, as `parked` names it.")],
    home: AnyHome = None,
    rate: Annotated[
        float, typer.Option(min=1, help="At most this many parked records a second.")
    ] = RATE,
    accept_gone: Annotated[
        bool,
        typer.Option(help="Go on although the oldest parked records have expired."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Read a parked source again, beginning with what was parked.

    Example: leadstream deadletters resume hubspot
    """
    from kafka.errors import KafkaError

    from streams.operate import parked as sources

    try:
        count = sources.resume(on_home(home), source, rate, accept_gone=accept_gone)
    except KafkaError as error:
        raise Failed(
            f"{error}; what was sent so far is noted: run this again for the rest"
        ) from error
    _report({"source": source, "sent_again": count}, as_json)


def _report(fields: dict[str, Any], as_json: bool) -> None:
    if as_json:
        document(fields)
    else:
        print_line(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in fields.items()))
