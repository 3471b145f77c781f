"""`leadstream reconcile` on ClickHouse's engine: events through our workers, an export beside them, and who differs for what."""

import csv
import itertools
import json
import os
import random
import re
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from schemas.events import EventType, LeadEvent
from schemas.reading import FUNNELS, load
from sinks.clickhouse import kpis
from sinks.clickhouse.writer import Writer
from streams.cli.context import Failed
from streams.cli.main import app
from streams.connections import clickhouse_client
from tests.conftest import ROOT
from tests.support.pipeline import Pipeline

KEY = "a key of sixteen bytes or more"
FUNNEL = load(FUNNELS / "default.yaml")
PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
E = EventType
BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEAD = ["Record ID", "Email", "Lifecycle Stage", "Became a Marketing Qualified Lead Date"]
MQL = "marketingqualifiedlead"


def ms(text, zone=PARIS):
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.fixture
def world(emptied, engine, monkeypatch):
    """Publish events, and ask the command: an engine without rows, and an installation that names it."""
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


class Firm:
    """Contacts of HubSpot's: what we heard of each, and what the export says of it."""

    def __init__(self, seed):
        self.events, self.report, self.truth = [], [], {}
        self.number, self.ids, self.rng = (
            itertools.count(1001),
            itertools.count(1),
            random.Random(seed),
        )

    def heard(self, alias, type_, when, *also, **said):
        at = when if isinstance(when, int) else ms(when)
        name, known = f"e{next(self.ids)}", (alias, *also)
        self.events.append(
            LeadEvent(
                id=name, type=type_, occurred_at=at, aliases=known, **{"source": "hubspot", **said}
            )
        )

    def contact(
        self,
        reason=None,
        *,
        qualified=None,
        dated="2026-01-10T09:00:00+01:00",
        word="Marketing Qualified Lead",
        listed=True,
        **said,
    ):
        """Add a contact that HubSpot counts, and that we count too where `qualified` (ms or text) says when."""
        number = next(self.number)
        alias = f"hubspot:62515:contact:{number}"
        if qualified is not None:
            self.heard(
                alias,
                E.STAGE_REPORTED,
                qualified,
                stage=MQL,
                record_url=f"https://crm.example/{number}",
                **said,
            )
        if listed:
            self.report.append([str(number), f"p{number}@x.example", word, dated])
        if reason:
            self.truth[str(number)] = reason
        return alias

    def day(self):
        return f"2026-01-{self.rng.randint(3, 29):02}T{self.rng.randint(9, 17):02}:00"

    def write(self, path):
        self.rng.shuffle(self.report)
        with path.open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file, delimiter=";").writerows([HEAD, *self.report])


def january(seed, few):
    """A January of which HubSpot and we count different things; `few` says how many for which reason."""
    firm = Firm(seed)
    for _ in range(few["same"]):
        firm.contact(qualified=firm.day())
    for _ in range(few["never received"]):
        firm.contact("never received")
    for _ in range(few["unmapped value"]):
        alias = firm.contact("unmapped value", word="Sales ready")
        firm.heard(alias, E.STAGE_REPORTED, firm.day(), stage="salesready")
    for _ in range(few["merged"]):
        kept = firm.contact(qualified="2026-01-10T09:00", dated="2026-01-10T09:00:00+01:00")
        gone = firm.contact(
            "merged", qualified="2026-01-12T09:00", dated="2026-01-12T09:00:00+01:00"
        )
        firm.heard(kept, E.MERGE, "2026-01-14T09:00", gone)
    for number in range(few["excluded"]):
        if number % 3 == 0:
            firm.contact("excluded", qualified=firm.day(), test=True)
        elif number % 3 == 1:
            alias = firm.contact("excluded", qualified="2026-01-10T09:00")
            firm.heard(alias, E.REJECTED, "2026-01-12T09:00", reason="spam")
        else:
            alias = firm.contact("excluded", qualified="2026-01-10T09:00")
            firm.heard(alias, E.ERASE, "2026-01-12T09:00")
    for _ in range(few["opening balance"]):
        alias = firm.contact("opening balance")
        firm.heard(alias, E.SNAPSHOT, "2026-01-20T09:00", stage=MQL)
    for number in range(few["other journey"]):
        if (
            number % 2
        ):  # HubSpot keeps the newest date only: January's entry is gone there, and February's here as there
            alias = firm.contact(
                "other journey", qualified="2026-01-05T09:00", dated="2026-02-20T09:00:00+01:00"
            )
            firm.heard(alias, E.REJECTED, "2026-01-07T09:00", reason="not-ready")
            firm.heard(alias, E.STAGE_REPORTED, "2026-02-20T09:00", stage=MQL)
        else:  # qualified again in January, which we were not told
            alias = firm.contact("other journey", qualified="2025-10-10T09:00")
            firm.heard(alias, E.REJECTED, "2025-10-12T09:00", reason="not-ready")
    for number in range(few["other day"]):
        moment = (
            "2026-02-01T03:30" if number % 2 else "2026-01-01T03:30"
        )  # the evening before in New York
        firm.contact(
            "other day",
            qualified=ms(moment),
            dated=datetime.fromisoformat(moment).replace(tzinfo=PARIS).isoformat(),
        )
    for _ in range(few["not reached"]):
        alias = firm.contact("not reached")
        firm.heard(alias, E.CREATED, firm.day(), kind="crm")
    for _ in range(few["not counted there"]):
        firm.contact("not counted there", qualified=firm.day(), dated="", word="Lead")
    for number in range(few["only here"]):
        if number % 2:
            firm.contact(qualified=firm.day(), listed=False)
        else:
            firm.heard(
                f"email:web{number}@x.example",
                E.CREATED,
                firm.day(),
                kind="demo_form",
                source="segment",
            )
    return firm


FEW = {
    "same": 40,
    "never received": 5,
    "unmapped value": 3,
    "merged": 4,
    "excluded": 6,
    "opening balance": 2,
    "other journey": 4,
    "other day": 6,
    "not reached": 3,
    "not counted there": 2,
    "only here": 5,
}
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


def test_our_figure_is_the_kpis_but_for_what_is_said_beside_it(world, engine, tmp_path):
    firm, path = january(11, FEW), tmp_path / "contacts.csv"
    firm.write(path)
    world(firm.events, ms("2026-03-01"))
    found = ask("hubspot", path, *HUBSPOT, "--json")
    asked = kpis.question(FUNNEL, ms("2026-01-01"), ms("2026-02-01"), ms("2026-03-01"))
    (inflow,) = (
        one["n"]
        for one in kpis.ask(clickhouse_client(engine), asked, ["inflow"])
        if one["dimensions"]["stage"] == "mql"
    )
    assert (found["inflow"], found["leadstream"]) == (inflow, inflow - 2)  # two that are spam


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
        said = ask(*arguments)
        assert max(map(len, said.splitlines())) <= 80
        if os.environ.get("LEADSTREAM_GOLDEN") == "write":
            text = text.replace(
                f"```text {shown}\n{found[shown]}```", f"```text {shown}\n{said}```"
            )
            document.write_text(text)
        else:
            assert said == found[shown]


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
    (("hubspot", "{csv}", "--stage", "mql"), "say which account of hubspot it is, by --account"),
    (("hubspot", "{csv}", "--stage", "mql", "--account", "6 2"), "'6 2' is no account"),
    (
        ("hubspot", "{csv}", "--account", "1", "--stage", "sal"),
        "does not say how its rows count for sal",
    ),
    (
        ("hubspot", "{csv}", "--account", "1", "--stage", "mql", "--from", "1.1.2026"),
        "--from '1.1.2026' is no day",
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
def test_wrong_use_is_said_before_the_first_row_and_ends_with_2(world, tmp_path, asked, why):
    path = tmp_path / "contacts.csv"
    path.write_text(",".join(HEAD) + "\n")
    arguments = [one.format(csv=path) for one in asked]
    if "--stage" not in arguments:
        arguments += ["--stage", "mql"]
    text = re.sub(r"[│╭╮╰╯─\s]+", " ", ask(*arguments, code=2))
    assert why in text
