"""Olist, a funnel of 8,000 MQLs and 842 wins: whatever is killed, all figures equal pandas'."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml

from sinks.clickhouse import kpis
from tests.conftest import ROOT, run_cli
from tests.integration import invariants, orders
from tests.support.jobs import LIMIT

MAPPING = ROOT / "schemas" / "mappings" / "olist.yaml"


def in_file_order(olist, folder, shuffled=None):
    """Write Olist and a mapping that publishes it as its rows stand; `shuffled` is a seed."""
    spec = yaml.safe_load(MAPPING.read_text())
    folder.mkdir()
    (folder / "mapping.yaml").write_text(yaml.safe_dump({**spec, "order": "file"}))
    for named in spec["files"]:
        head, *lines = (olist / named["file"]).read_text().splitlines()
        if shuffled is not None:
            random.Random(shuffled).shuffle(lines)
        (folder / named["file"]).write_text("\n".join([head, *lines]) + "\n")
    return folder


@pytest.fixture(scope="module")
def truth(olist):
    leads = pd.read_csv(olist / "olist_marketing_qualified_leads_dataset.csv")
    deals = pd.read_csv(olist / "olist_closed_deals_dataset.csv")
    leads["at"] = pd.to_datetime(leads.first_contact_date).dt.tz_localize(
        "America/Sao_Paulo", nonexistent="shift_forward"
    )
    deals["won"] = pd.to_datetime(deals.won_date).dt.tz_localize("UTC")
    both = leads.merge(deals[["mql_id", "won"]], on="mql_id", how="left")
    both["days"] = (both.won - both["at"]).dt.total_seconds() / 86400
    return both


@pytest.fixture(scope="module")
def home(tmp_path_factory, olist):
    """Import Olist into a home while a worker, the sink and the broker are killed by -9 in turn."""
    from streams.embedded.stack import Stack

    home = tmp_path_factory.mktemp("olist") / "home"
    with pytest.MonkeyPatch.context() as patch:
        # A sink in small steps, so that a kill can fall into the middle.
        patch.setenv("LEADSTREAM_SINK_ROWS", "400")
        with Stack(home, "olist") as stack:
            out, shares = _killed_while_importing(stack, olist)
            patch.undo()  # the stacks of the tests below write as usual
            invariants.hold(*invariants.of(stack))
            yield home, json.loads(out), shares, orders.figures(home)


def _killed_while_importing(stack, olist):
    """Import Olist, kill thrice meanwhile; return what the importer printed and each kill."""
    importing = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "streams.cli.main",
            "import",
            str(MAPPING),
            "--data",
            str(olist),
            "--home",
            str(stack.home),
            "--json",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={
            name: value for name, value in os.environ.items() if not name.startswith("LEADSTREAM_")
        },
    )
    kills = (("advance", 0.2), ("deliver", 0.35), ("broker", 0.5))
    try:
        shares = [_kill_at(stack, role, share, importing) for role, share in kills]
        out, err = importing.communicate(timeout=600)
    finally:
        importing.kill()
    assert importing.returncode == 0, err[-3000:]
    return out, shares


def _arrived(stack):
    from streams.connections import clickhouse_client
    from streams.settings import Settings

    with contextlib.suppress(Exception):
        return (
            clickhouse_client(Settings.of(stack.environment()))
            .query("SELECT uniqExact(lead_id) FROM lead_state")
            .first_row[0]
            / 8000
        )
    return 0.0


def _kill_at(stack, role, share, importing):
    """Kill a process by -9 once so much has arrived; return how much had, the importer running."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        arrived = _arrived(stack)
        if arrived >= share:
            running = importing.poll() is None
            os.kill(stack.processes[role].pid, signal.SIGKILL)
            return role, arrived, running
        assert importing.poll() is None, importing.communicate()[1][-3000:]
    raise AssertionError(f"{share:.0%} did not arrive within {LIMIT} s")


def figures(home):
    found = run_cli("kpis", "--json", home=home)[1]
    return {
        (f["kpi"], f["basis"], json.dumps(f["dimensions"], sort_keys=True)): f
        for f in found
        if f["kpi"] != "open_age" and f["basis"] != kpis.ARRIVAL
    }


def figure(home, kpi, basis, *arguments, **dimensions):
    found = run_cli("kpis", "--json", *arguments, home=home)[1]
    return next(
        f
        for f in found
        if f["kpi"] == kpi and f["basis"] == basis and dimensions.items() <= f["dimensions"].items()
    )


def test_each_kill_fell_between_20_and_80_percent_while_the_importer_still_ran(home):
    for role, arrived, running in home[2]:
        assert 0.2 <= arrived <= 0.8, role
        assert running, role


def test_all_leads_and_wins_arrive_and_none_is_rejected(home):
    report = home[1]
    assert (report["read"], report["accepted"], report["rejected"]) == (8842, 8842, [])
    assert report["events"] == {
        "lead.created": 8000,
        "lead.stage_reported": 8000,
        "opportunity.won": 842,
    }
    assert (report["held"], report["ignored"]) == (0, [])
    assert figure(home[0], "inflow", "period", stage="inquiry")["value"] == 8000
    assert figure(home[0], "inflow", "period", stage="mql")["value"] == 8000
    assert figure(home[0], "inflow", "period", stage="customer")["value"] == 842


def test_verify_finds_no_difference_after_the_kills(home):
    code, report, _ = run_cli("verify", "--json", home=home[0], check=False)
    assert (code, report["verified"]) == (0, True), {
        name: report[name][:3] for name in ("missing", "extra", "different")
    }
    assert (report["leads"], report["events"]) == (8000, 16842)


def test_days_to_close_equal_pandas_over_all_wins_and_over_the_cohort(home, truth):
    won = truth.dropna(subset=["days"])
    period = figure(home[0], "cycle_time", "period")
    cohort = figure(home[0], "cycle_time", "cohort")
    assert (period["n"], cohort["n"]) == (842, 838)
    assert period["value"] == pytest.approx(won.days.median(), abs=1e-6)
    assert round(period["value"], 2) == 14.55
    assert cohort["value"] == pytest.approx(won[won.days < 365].days.median(), abs=1e-6)


def test_conversion_by_origin_equals_pandas_and_a_missing_origin_stays_apart_from_unknown(
    home, truth
):
    found = run_cli("kpis", "--json", "--by", "lead_origin", home=home[0])[1]
    ours = {
        f["dimensions"]["lead_origin"]: (f["numerator"], f["denominator"])
        for f in found
        if f["kpi"] == "conversion" and f["dimensions"]["stage"] == "customer"
    }
    theirs = {}
    for origin, group in truth.fillna({"origin": ""}).groupby("origin"):
        theirs[origin] = (int((group.days < 365).sum()), len(group))
    assert ours == theirs
    assert "" in ours
    assert "unknown" in ours


def test_the_deal_won_before_its_first_contact_is_flagged_and_counted(home, truth):
    from streams.connections import clickhouse_client
    from streams.embedded.home import read
    from streams.settings import Settings

    client = clickhouse_client(Settings.of(read(home[0])["environment"]))
    assert (
        client.query("SELECT sum(negative) FROM v_journeys").first_row[0]
        == (truth.days < 0).sum()
        == 1
    )


def test_what_comes_in_equals_what_goes_out_and_what_is_open(home):
    for found in run_cli("kpis", "--json", home=home[0])[1]:
        if found["kpi"] == "balance":
            assert found["numerator"] - found["denominator"] == found["value"], found


def test_the_same_import_again_changes_no_figure(home, olist):
    before = figures(home[0])
    report = run_cli("import", MAPPING, "--data", olist, "--json", home=home[0])[1]
    assert report["accepted"] == 8842
    assert figures(home[0]) == before


@pytest.mark.ci
@pytest.mark.parametrize("seed", [None, 1], ids=["file order", "random order"])
def test_another_order_gives_the_same_figures(home, olist, tmp_path, seed):
    folder = in_file_order(olist, tmp_path / "olist", shuffled=seed)
    assert len(home[3]) > 10
    assert orders.imported(tmp_path / "home", folder, funnel="olist") == home[3]


@pytest.mark.long
def test_two_random_parts_with_a_restart_between_give_the_same_figures(home, olist, tmp_path):
    shuffled = in_file_order(olist, tmp_path / "shuffled", shuffled=2)
    parts = orders.split(shuffled, tmp_path / "one", tmp_path / "two")
    assert orders.imported(tmp_path / "home", *parts, funnel="olist") == home[3]


def test_a_home_that_runs_another_funnel_refuses(home, olist, tmp_path):
    mapping = tmp_path / "other.yaml"
    mapping.write_text(MAPPING.read_text().replace("funnel: olist", "funnel: default"))
    code, _, error = run_cli("import", mapping, "--data", olist, home=home[0], check=False)
    assert code == 1
    assert "use another --home" in error.replace("\n", " ")


def test_a_second_stack_on_the_same_home_is_refused_clearly(home):
    code, _, error = run_cli("up", home=home[0], check=False)
    assert code == 1
    assert "a stack runs on" in error.replace("\n", " ")


HANDS = {
    "a fact changed": (
        "ALTER TABLE stage_transitions UPDATE why = 'by hand' "
        "WHERE fact_id = '{fact}' AND lead_id = '{lead}'",
        "different",
    ),
    "a fact deleted": (
        "ALTER TABLE stage_transitions DELETE WHERE fact_id = '{fact}' AND lead_id = '{lead}'",
        "missing",
    ),
    "a fact added": (
        "INSERT INTO stage_transitions "
        "(generation, lead_id, journey, fact_id, event_time, revision, to_stage) "
        "VALUES (1, '{lead}', 1, 'by hand', now(), 1, 'mql')",
        "extra",
    ),
    "an archive row removed": (
        "ALTER TABLE touches DELETE WHERE lead_id = '{lead}' AND event_id LIKE 'olist:won:%'",
        "extra",
    ),
}


def test_verify_finds_and_names_each_thing_that_a_hand_changed(home):
    from streams.connections import clickhouse_client
    from streams.embedded.home import read
    from streams.settings import Settings

    client = clickhouse_client(Settings.of(read(home[0])["environment"]))
    statement = (
        "SELECT toString(lead_id), fact_id FROM v_stage_transitions "
        f"WHERE to_stage = 'customer' ORDER BY lead_id LIMIT {len(HANDS)} OFFSET 10"
    )
    chosen = dict(zip(HANDS, client.query(statement).result_rows, strict=True))
    for hand, (lead, fact) in chosen.items():
        client.command(HANDS[hand][0].format(lead=lead, fact=fact), settings={"mutations_sync": 2})
    code, report, _ = run_cli("verify", "--json", home=home[0], check=False)
    assert code == 1
    for hand, (lead, _) in chosen.items():
        assert any(difference["lead"] == lead for difference in report[HANDS[hand][1]]), (
            hand,
            report,
        )
    assert {one["lead"] for kind in ("missing", "extra", "different") for one in report[kind]} == {
        lead for lead, _ in chosen.values()
    }


def test_an_unreadable_row_is_reported_with_file_line_column_and_reason_and_the_rest_lands(
    olist, tmp_path
):
    from streams.sources.files import Refused, load, read

    for name in ("olist_marketing_qualified_leads_dataset.csv", "olist_closed_deals_dataset.csv"):
        shutil.copy(olist / name, tmp_path / name)
    path = tmp_path / "olist_marketing_qualified_leads_dataset.csv"
    path.chmod(0o644)
    lines = path.read_text().splitlines()
    cells = lines[41].split(",")
    lines[41] = ",".join([cells[0], "yesterday", *cells[2:]])
    path.write_text("\n".join(lines) + "\n")
    items = list(read(load(MAPPING), tmp_path))
    refused = [item for item in items if isinstance(item, Refused)]
    assert refused == [
        Refused(path.name, 42, "first_contact_date", "'yesterday' is no time like %Y-%m-%d")
    ]
    assert len(items) == 1 + 16842 - 2  # none of a refused row's events
