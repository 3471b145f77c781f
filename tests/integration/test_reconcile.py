"""`leadstream reconcile` on ClickHouse's engine: our workers, an export, and who differs why."""

import csv
import json
import os
import random
import re
from collections import Counter
from datetime import datetime

import pytest
from typer.testing import CliRunner

from schemas.events import LeadEvent
from schemas.reading import FUNNELS, load
from sinks.clickhouse import kpis
from sinks.clickhouse.writer import Writer
from streams.cli.context import Failed
from streams.cli.main import app
from streams.connections import clickhouse_client
from tests.conftest import ROOT
from tests.support.january import FEW, HEAD, E, Firm, january, ms
from tests.support.pipeline import Pipeline

KEY = "a key of sixteen bytes or more"
FUNNEL = load(FUNNELS / "default.yaml")
BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def world(emptied, engine, monkeypatch):
    """Publish events, and run the command on an engine without rows, named by an installation."""
    monkeypatch.setenv("LEADSTREAM_BROKERS", "127.0.0.1:1")
    monkeypatch.setenv("LEADSTREAM_CLICKHOUSE_URL", engine.clickhouse_url)
    monkeypatch.setenv(
        "LEADSTREAM_CLICKHOUSE_PASSWORD", engine.clickhouse_password.get_secret_value()
    )
    monkeypatch.setenv("LEADSTREAM_IDENTITY_KEY", KEY)
    monkeypatch.setenv("LEADSTREAM_FUNNEL", str(FUNNELS / "default.yaml"))
    monkeypatch.setenv("COLUMNS", "80")

    def happen(events, until):
        pipeline = Pipeline(KEY.encode(), FUNNEL)
        pipeline.publish(*events)
        pipeline.until(until)
        pipeline.deliver(Writer(engine))

    return happen


def ask(*arguments, code=0):
    done = CliRunner().invoke(app, ["reconcile", *map(str, arguments)])
    assert done.exit_code == code, (done.output, done.exception)
    return json.loads(done.stdout) if "--json" in arguments else done.output


HUBSPOT = (
    "--account",
    "62515",
    "--stage",
    "mql",
    "--from",
    "2026-01-01",
    "--to",
    "2026-02-01",
    "--zone",
    "America/New_York",
)


def test_each_lead_of_a_generated_month_has_the_reason_for_which_it_was_made(
    world, engine, tmp_path
):
    firm, path, out = january(7, FEW), tmp_path / "contacts.csv", tmp_path / "out.csv"
    firm.write(path)
    world(firm.events, ms("2026-03-01"))
    found = ask("hubspot", path, *HUBSPOT, "--csv", out, "--json")
    by_reason = {one["reason"]: one["only_there"] + one["only_here"] for one in found["reasons"]}
    assert by_reason == {name: count for name, count in FEW.items() if name != "same"}
    assert {one["id"]: one["reason"] for one in found["leads"] if one["id"]} == firm.truth
    assert (
        sum(one["sum"] for one in found["reasons"])
        == found["difference"]
        == found["leadstream"] - found["reported"]
    )
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert Counter(row["reason"] for row in rows) == by_reason
    assert all(row["address"] for row in rows if row["id"])
    days = {(row["there"], row["here"]) for row in rows if row["reason"] == "other day"}
    assert days == {("2025-12-31", "2026-01-01"), ("2026-01-31", "2026-02-01")}
    why = Counter(row["detail"] for row in rows if row["reason"] == "excluded")
    assert why == {"a test": 2, "spam": 2, "erased": 2}
    assert Counter(row["detail"] for row in rows if row["reason"] == "only here") == {
        "known from hubspot: another pipeline, or not exported": 2,
        "came from segment": 3,
    }
    assert "@x.example" not in out.read_text() + json.dumps(found)


@pytest.mark.parametrize("seed", [11, 12])
def test_so_has_each_of_a_month_with_any_numbers_and_our_figure_is_the_kpis_but_for_spam(
    world, engine, tmp_path, seed
):
    draw = random.Random(seed)
    few = {name: draw.randint(0, 5) for name in FEW}
    firm, path = january(seed, few), tmp_path / "contacts.csv"
    firm.write(path)
    world(firm.events, ms("2026-03-01"))
    found = ask("hubspot", path, *HUBSPOT, "--json")
    sums = {one["reason"]: one["only_there"] + one["only_here"] for one in found["reasons"]}
    assert sums == {name: count for name, count in few.items() if name != "same" and count}
    assert {one["id"]: one["reason"] for one in found["leads"] if one["id"]} == firm.truth
    asked = kpis.question(FUNNEL, ms("2026-01-01"), ms("2026-02-01"), ms("2026-03-01"))
    figures = kpis.ask(clickhouse_client(engine), asked, ["inflow"])
    inflow = sum(one["n"] for one in figures if one["dimensions"]["stage"] == "mql")
    spam = sum(one["detail"] == "spam" for one in found["leads"])
    assert (found["inflow"], found["leadstream"]) == (inflow, inflow - spam)


def test_the_example_of_the_document_says_what_stands_beside_it(world, tmp_path, monkeypatch):
    """LEADSTREAM_GOLDEN=write writes what the command says into the document."""
    document = ROOT / "docs" / "reconcile.md"
    text = document.read_text()
    found = {name: body for _, name, body in BLOCK.findall(text)}
    world(
        [
            LeadEvent.model_validate(_timed(json.loads(line)))
            for line in found["events.jsonl"].splitlines()
        ],
        ms("2026-03-01"),
    )
    for name in ("contacts.csv", "leads.csv", "ours.yaml"):
        (tmp_path / name).write_text(found[name])
    monkeypatch.chdir(tmp_path)
    for command in ("ask", "ask-by-stage"):
        shown = command.replace("ask", "shown")
        _, _, *arguments = found[command].replace("\\\n", " ").split()
        shown_now = ask(*arguments)
        assert max(map(len, shown_now.splitlines())) <= 80
        if os.environ.get("LEADSTREAM_GOLDEN") == "write":
            text = text.replace(
                f"```text {shown}\n{found[shown]}```", f"```text {shown}\n{shown_now}```"
            )
            document.write_text(text)
        else:
            assert shown_now == found[shown]


def _timed(event):
    return {
        **event,
        "occurred_at": int(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000),
    }


def test_salesforces_ids_of_15_and_18_characters_are_one_record(world, tmp_path):
    long, short = "00Q5g00000AbCdEEAV", "00Q5g00000FgHiJ"
    firm = Firm(1)
    for name in (long, short):
        firm.heard(
            f"salesforce:default:lead:{name}",
            E.STAGE_REPORTED,
            "2026-01-10T09:00",
            source="salesforce",
            stage="Working",
        )
    world(firm.events, ms("2026-03-01"))
    path = tmp_path / "leads.csv"
    path.write_text(f"Lead ID,Lead Status\n{long[:15]},Working\n{short},Working\n")
    found = ask(
        "salesforce", path, "--stage", "sal", "--from", "2026-01-01", "--to", "2026-02-01", "--json"
    )
    assert (found["reported"], found["leadstream"], found["matched"]) == (2, 2, 2)
    assert found["leads"] == []


def test_a_deal_counts_as_the_journey_of_its_primary_contact_and_a_second_one_is_merged_there(
    world, tmp_path
):
    firm = Firm(1)
    for number in (1, 2):
        deal = {"deal": {"id": f"hubspot:62515:deal:{number}"}}
        firm.heard(
            "hubspot:62515:contact:7",
            E.LINKED,
            "2026-01-09T09:00",
            f"hubspot:62515:deal:{number}",
            **deal,
        )
        firm.heard(
            f"hubspot:62515:deal:{number}",
            E.OPPORTUNITY_CREATED,
            f"2026-01-1{number}T09:00",
            **deal,
        )
    world(firm.events, ms("2026-03-01"))
    path = tmp_path / "deals.csv"
    path.write_text(
        "Record ID,Deal Stage,Create Date\n1,open,2026-01-11 09:00\n2,open,2026-01-12 09:00\n"
    )
    found = ask(
        "hubspot-deals",
        path,
        "--account",
        "62515",
        "--stage",
        "opportunity",
        "--from",
        "2026-01-01",
        "--to",
        "2026-02-01",
        "--json",
    )
    assert [(one["id"], one["reason"], one["detail"]) for one in found["leads"]] == [
        ("2", "merged", "one lead with 1")
    ]


def test_rows_that_cannot_be_read_are_named_and_the_command_fails(world, tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_text(
        f"{','.join(HEAD)}\n7,a@x.example,Lead,soon\n1.05E+11,,Lead,\n8,,Lead,2026-01-10\n"
    )
    done = CliRunner().invoke(app, ["reconcile", "hubspot", str(path), *HUBSPOT])
    assert isinstance(done.exception, Failed)
    assert (
        "refused contacts.csv:2: Became a Marketing Qualified Lead Date: 'soon' is no time"
        in done.output
    )
    assert (
        "refused contacts.csv:3: Record ID: '1.05E+11' is an id that a spreadsheet has changed"
        in done.output
    )
    assert "no record of the report is known here: is --account right" in done.output


WRONG = [
    (("hubspt", "{csv}"), "'hubspt' is no ready report: there is hubspot, "),
    (
        ("hubspot", "{csv}", "--stage", "mqll"),
        "--stage 'mqll' is no stage of the funnel; did you mean 'mql'",
    ),
    (("hubspot", "{csv}", "--stage", "mql"), "name the account of hubspot, by --account"),
    (("hubspot", "{csv}", "--stage", "mql", "--account", "6 2"), "'6 2' is no account"),
    (
        ("hubspot", "{csv}", "--account", "1", "--stage", "sal"),
        "does not say how its rows count for sal",
    ),
    (
        ("hubspot", "{csv}", "--account", "1", "--stage", "mql", "--from", "1.1.2026"),
        "--from '1.1.2026' is not a date",
    ),
    (
        (
            "hubspot",
            "{csv}",
            "--account",
            "1",
            "--stage",
            "mql",
            "--from",
            "2026-02-01",
            "--to",
            "2026-01-01",
        ),
        "--to 2026-01-01 is not after",
    ),
    (
        ("hubspot", "{csv}", "--account", "1", "--stage", "mql", "--zone", "Paris"),
        "'Paris' is no IANA time zone",
    ),
    (
        ("hubspot", "{csv}", "--account", "1", "--stage", "mql", "--id", "Nr"),
        "contacts.csv:1: has no column 'Nr' (the record's id)",
    ),
    (
        ("hubspot", "{csv}", "--account", "1", "--stage", "mql", "--every-row", "--counts", "x"),
        "leave out --entered and --counts",
    ),
    (
        ("hubspot", "none.csv", "--account", "1", "--stage", "mql"),
        "none.csv can't be read: No such file or directory",
    ),
]


@pytest.mark.parametrize(("asked", "why"), WRONG)
def test_wrong_use_is_reported_before_the_first_row_and_ends_with_2(world, tmp_path, asked, why):
    path = tmp_path / "contacts.csv"
    path.write_text(",".join(HEAD) + "\n")
    arguments = [one.format(csv=path) for one in asked]
    if "--stage" not in arguments:
        arguments += ["--stage", "mql"]
    text = re.sub(r"[│╭╮╰╯─\s]+", " ", ask(*arguments, code=2))
    assert why in text
