"""What a command makes of what people type, and of names that came from outside."""

import io
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from kafka.errors import KafkaConnectionError
from rich.table import Table
from typer.testing import CliRunner

from schemas.errors import LeadstreamError
from schemas.reading import FUNNELS, load
from sinks.clickhouse.asking import Asked, Unreadable, read
from streams.cli import context, main
from streams.cli.identity import as_alias

FUNNEL = load(FUNNELS / "default.yaml")
NOW = 1_800_000_000_000
EVIL = (
    "ann[/] [red]x[/red] [link=http://evil]l[/link] :bomb: \x1b[2J\x9b31m \u202eelif\nforged line"
)
SHOWN = (
    r"ann[/] [red]x[/red] [link=http://evil]l[/link] :bomb: \x1b[2J\x9b31m \u202eelif\nforged line"
)


@pytest.fixture
def out(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(context.console, "_file", written)
    monkeypatch.setattr(context.console, "_width", 200)
    return written


def test_a_name_from_outside_neither_styles_nor_links_nor_steers_the_terminal_nor_forges_a_line(
    out,
):
    context.console.print(EVIL, highlight=False, soft_wrap=True)
    assert out.getvalue() == SHOWN + "\n"


def test_nor_does_it_in_a_table(out):
    table = Table("owner")
    table.add_row(EVIL)
    context.console.print(table)
    assert SHOWN in out.getvalue()


def test_json_for_machines_escapes_what_a_terminal_would_obey_and_reads_back_as_it_was(capsys):
    import orjson

    context.document({"owner": EVIL, "city": "Zürich 東京"})
    text = capsys.readouterr().out
    assert not set("\x1b\x9b\u202e") & set(text)
    assert "Zürich 東京" in text
    assert orjson.loads(text)["owner"] == EVIL


@pytest.mark.parametrize("machine", ["Asia/Tokyo", "America/Los_Angeles", "UTC"])
def test_an_instant_without_a_zone_is_the_reporting_zones_wherever_the_machine_stands(
    monkeypatch, machine
):
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    try:
        asked = [
            read(FUNNEL, Asked(as_of=text), NOW).asof
            for text in (
                "2026-07-01T12:00",
                "2026-07-01T10:00Z",
                "2026-07-01T12:00:00+02:00",
                "2026-07-01",
            )
        ]
    finally:
        monkeypatch.undo()
        time.tzset()
    noon = int(datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Paris")).timestamp() * 1000)
    midnight = int(datetime(2026, 6, 30, 22, tzinfo=UTC).timestamp() * 1000)
    assert asked == [noon, noon, noon, midnight]


WRONG = [
    (("", "", "yesterday"), "--as-of 'yesterday' is not a time: write one like 2026-01-31T09:00 "),
    (("", "", "0001-01-01"), "from 1970 to 2099"),
    (("", "", "9999-12-31T23:59:59"), "from 1970 to 2099"),
    (("1.1.2026", "", ""), "--from '1.1.2026' is not a date: write one like 2026-01-31"),
    (("", "9999-12-31", ""), "--to '9999-12-31' is not a date"),
    (("2026-02-01", "2026-01-01", ""), "--to 2026-01-01 is not after --from 2026-02-01"),
]


@pytest.mark.parametrize(("asked", "hint"), WRONG)
def test_what_is_no_day_or_instant_is_refused_with_an_example(asked, hint):
    start, end, as_of = asked
    with pytest.raises(Unreadable) as refused:
        read(FUNNEL, Asked(start, end, as_of=as_of), NOW)
    assert hint in refused.value.marked("--")


NAMES = [
    ("jane@example.com", "email:jane@example.com"),
    (" Jane@Example.com ", "email:jane@example.com"),
    ("email:jane@example.com", "email:jane@example.com"),
    ("email: Jane@EXAMPLE.com", "email:jane@example.com"),
    ("EMAIL:jane@example.com", "email:jane@example.com"),
    ("hubspot:1:contact:77", "hubspot:1:contact:77"),
    ("segment:user:4", "segment:user:4"),
]


@pytest.mark.parametrize(("typed", "alias"), NAMES)
def test_a_name_is_written_as_events_carry_it(typed, alias):
    assert as_alias(typed) == alias


@pytest.mark.parametrize(
    "typed",
    [
        "jane",
        "email:",
        "email:jane",
        "email:email:jane@example.com",
        "phone:+33123456789",
        "segment:anon:1",
        "",
    ],
)
def test_what_names_nobody_strongly_is_refused(typed):
    with pytest.raises(context.Failed, match=r"is not a strong alias|is no email address"):
        as_alias(typed)


@pytest.fixture
def run(monkeypatch):
    """Runs the command line as a process does, but for the umask that it keeps."""
    monkeypatch.setattr("os.umask", lambda _mask: 0o022)
    return main.main


class LateError(LeadstreamError):
    """The order is late: call the baker."""

    exit_code = 3


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            LateError("the order is late:\ncall the baker"),
            3,
            "the order is late:\ncall the baker\n",
        ),
        (context.Failed("no"), 1, "no\n"),
        (KafkaConnectionError("nobody"), 1, "a server does not answer: KafkaConnectionError: nobo"),
    ],
)
def test_an_error_that_a_person_can_mend_ends_the_command_by_its_text_and_exit_code(
    run, monkeypatch, capsys, error, code, text
):
    def command():
        raise error

    monkeypatch.setattr(main, "app", command)
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == code
    assert capsys.readouterr().err.startswith(text)


def test_a_setting_that_cannot_be_read_is_named_without_its_value(run, monkeypatch, capsys):
    monkeypatch.setenv("LEADSTREAM_BROKERS", "none:1")
    monkeypatch.setenv("LEADSTREAM_PARTITIONS", "hunter2")
    monkeypatch.setattr("sys.argv", ["leadstream", "kpis"])
    with pytest.raises(SystemExit) as ended:
        run()
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert shown.startswith("LEADSTREAM_PARTITIONS: Input should be a valid integer")
    assert "hunter2" not in shown
    assert "Traceback" not in shown


def test_any_other_error_keeps_its_traceback(run, monkeypatch):
    def command():
        raise KeyError("ours")

    monkeypatch.setattr(main, "app", command)
    with pytest.raises(KeyError):
        run()


def test_sources_prints_its_document_line_by_line():
    done = CliRunner().invoke(main.app, ["sources"])
    assert done.exit_code == 0
    assert len([line for line in done.stdout.splitlines() if line.startswith("## ")]) > 5
