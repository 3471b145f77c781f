"""A changed gate: previewed over the archive, adopted, gone back from; and a version by record."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.reading import FUNNELS
from sinks.clickhouse import generations
from sinks.clickhouse.rows import TABLES
from streams.embedded.stack import Stack
from tests.benchmarks.preview import candidates, stricter
from tests.conftest import run_cli
from tests.integration import histories, invariants
from tests.integration.orders import figures_now, imported, split
from tests.support.jobs import until
from tests.support.posting import cloudevent, take

LEADS = 300
pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("generations")
    histories.write(folder / "data", LEADS)
    histories.write(folder / "shuffled", LEADS, order="random")
    stricter(folder / "stricter.yaml")
    return folder


@pytest.fixture(scope="module")
def stack(folder):
    with Stack(folder / "home", "default") as running:
        run_cli(
            "import",
            folder / "data" / "mapping.yaml",
            "--data",
            folder / "data",
            "--json",
            home=running.home,
        )
        yield running


@pytest.fixture(scope="module")
def preview(stack, folder):
    # Of one that was killed.
    invariants.of(stack)[0].command("CREATE DATABASE lead_preview_1700000000_1")
    return run_cli("preview", folder / "stricter.yaml", "--json", home=stack.home)[1]


def test_a_preview_names_the_leads_that_would_stand_elsewhere_and_why(preview):
    assert preview["leads"] == LEADS
    assert 20 < len(preview["moved"]) < LEADS
    assert all(
        one["stands"] != one["would"] and ": enters " in one["why"] for one in preview["moved"]
    )
    assert any("gate at score" in one["why"] for one in preview["moved"])


def test_a_preview_leaves_no_database_behind_be_it_its_own_or_that_of_one_that_was_killed(
    stack, preview
):
    left = (
        invariants.of(stack)[0]
        .query("SELECT name FROM system.databases WHERE name LIKE '%preview%'")
        .result_rows
    )
    assert left == []


def test_a_preview_of_the_running_definition_differs_in_nothing(stack):
    found = run_cli("preview", FUNNELS / "default.yaml", "--json", home=stack.home)[1]
    assert [one for one in found["kpis"] if one["differs"] and one["kpi"] != "open_age"] == []
    assert found["moved"] == []


def test_a_preview_equals_a_re_import_in_two_random_parts_under_the_candidate(folder, preview):
    parts = split(folder / "shuffled", folder / "one", folder / "two")
    assert candidates(preview) == imported(
        folder / "other", *parts, funnel=str(folder / "stricter.yaml"), asked=figures_now
    )


def test_an_adopted_generation_shows_what_was_previewed_and_verifies_and_going_back_shows_what_was(
    stack, folder, preview
):
    before = figures_now(stack.home)
    adopted = run_cli("adopt", folder / "stricter.yaml", "--json", home=stack.home)[1]
    assert adopted == {"generation": 2, "before": 1}
    client, settings = invariants.of(stack)
    invariants.hold(client, settings)
    after = figures_now(stack.home)
    assert after == candidates(preview)
    assert after != before
    assert run_cli("rollback", "--json", home=stack.home)[1] == {"generation": 1, "before": 2}
    assert figures_now(stack.home) == before
    assert [one.generation for one in generations.history(client)] == [1, 2, 1]


def test_what_happens_after_the_switch_is_in_both_generations(stack):
    body = cloudevent(
        "lead.created",
        "late-comer",
        datetime.now(UTC).timestamp(),
        "late@example.com",
        kind="demo_form",
    )
    take(stack, body)
    client = invariants.of(stack)[0]
    statement = (
        "SELECT uniqExact(generation) FROM lead_state FINAL WHERE lead_id IN "
        "(SELECT lead_id FROM touches WHERE event_id LIKE '%late-comer')"
    )
    until(lambda: client.query(statement).first_row[0] == 2, "the lead in both")


def test_a_later_version_reaches_every_partition_as_a_record_and_one_that_reaches_back_is_refused(
    stack, folder
):
    text = (FUNNELS / "default.yaml").read_text().replace('version: "1"', 'version: "2"')
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    (folder / "later.yaml").write_text(text.replace("1970-01-01", day))
    (folder / "back.yaml").write_text(text.replace("1970-01-01", "2020-01-01"))
    code, _, error = run_cli(
        "definitions", "add", folder / "back.yaml", home=stack.home, check=False
    )
    assert code == 1
    assert "leadstream adopt" in error.replace("\n", " ")
    run_cli("definitions", "add", folder / "later.yaml", home=stack.home)

    def listed():
        found = run_cli("definitions", "list", "--json", home=stack.home)[1]
        return [[version["version"] for version in one["versions"]] for one in found]

    until(lambda: listed() == [["1", "2"], ["70"]], "the later version of the shown generation")
    printed = run_cli("definitions", "add", folder / "later.yaml", home=stack.home)[1]
    assert "generation 2 is kept and does not have this version" in printed
    run_cli("definitions", "add", folder / "later.yaml", "--generation", 2, home=stack.home)
    until(
        lambda: listed() == [["1", "2"], ["70", "2"]],
        "the later version of the generation that is kept",
    )
    code, _, error = run_cli(
        "definitions", "add", folder / "later.yaml", "--generation", 9, home=stack.home, check=False
    )
    assert (code, "there is no generation 9" in error) == (1, True)


def test_a_worker_whose_folder_disagrees_with_the_log_stops_and_says_so(stack):
    path = next((stack.home / "generations" / "1").glob("default.yaml"))
    good = path.read_text()
    path.write_text(good.replace("excluded: [duplicate, spam]", "excluded: [spam]"))
    try:
        stack.processes["advance"].terminate()
        until(lambda: stack.shown["advance"].state == "stopped", "the worker that stops")
        assert "put the file back" in (stack.home / "logs" / "advance.log").read_text()
    finally:
        path.write_text(good)
        (stack.home / "start-advance").touch()
    until(lambda: stack.shown["advance"].state == "running", "the worker's return")
    invariants.hold(*invariants.of(stack))


def test_a_generation_that_is_dropped_takes_its_facts_and_its_worker_with_it_and_nothing_else(
    stack, folder
):
    client, settings = invariants.of(stack)
    run_cli("adopt", folder / "stricter.yaml", "--generation", 2, home=stack.home)
    before = figures_now(stack.home)
    code, _, error = run_cli("definitions", "drop", "2", home=stack.home, check=False)
    assert code == 1
    assert "show another one first" in error.replace("\n", " ")
    assert run_cli("definitions", "drop", "1", "--json", home=stack.home)[1] == {"dropped": 1}
    tables = [
        "fact_revisions",
        "lead_state",
        "funnel_daily",
        "definitions",
        "cuts",
        *(table for table, _ in TABLES.values()),
    ]
    left = {
        table: client.query(
            f"SELECT countIf(generation = 2) > 0, countIf(generation = 1) FROM {table}"
        ).first_row
        for table in tables
    }
    assert {table: gone for table, (_, gone) in left.items() if gone} == {}
    assert sum(stays for stays, _ in left.values()) > 6
    assert "advance" not in stack.processes
    assert [
        one["generation"] for one in run_cli("definitions", "list", "--json", home=stack.home)[1]
    ] == [2]
    assert "nothing to go back to" in run_cli("rollback", home=stack.home, check=False)[2].replace(
        "\n", " "
    )
    invariants.hold(client, settings)
    stack.stop()
    with Stack(stack.home) as again:
        assert {role for role in again.processes if role.startswith("advance")} == {"advance@2"}
        invariants.hold(*invariants.of(again))
        assert figures_now(stack.home) == before
