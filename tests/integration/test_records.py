"""The command on the whole stack: what a file states stands in ClickHouse, and of a wrong file nothing does."""

from tests.conftest import run_cli
from tests.integration.test_engine_faults import until


def test_records_of_a_file_reach_clickhouse_and_a_later_file_replaces_them(stack, clickhouse, tmp_path):
    path = tmp_path / "targets.yaml"
    said = "targets:\n  - {metric: inflow, value: %d, owner: ann, start: 2026-01-01, end: 2026-03-31, strategy: baseline}\n"
    path.write_text(said % 10 + "rates:\n  - {currency: USD, reporting: EUR, day: 2026-01-02, rate: '0.9'}\n")
    assert run_cli("records", path, "--json", home=stack.home)[1] == {"Target": 1, "Rate": 1}
    path.write_text(said % 12)
    run_cli("records", path, home=stack.home)

    def standing():
        targets = clickhouse.query("SELECT toString(target) FROM targets FINAL WHERE owner = 'ann'").result_rows
        return targets == [("12",)] and clickhouse.query("SELECT count() FROM rates FINAL").first_row == (1,)

    until(standing, "the later target and the rate")


def test_of_a_file_with_one_wrong_line_nothing_is_published(stack, clickhouse, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text("rates:\n  - {currency: CHF, reporting: EUR, day: 2026-01-02, rate: '1'}\n  - {currency: CHF}\n")
    code, _, error = run_cli("records", path, home=stack.home, check=False)
    assert code == 1
    assert f"{path}:3: reporting: Field required" in error
    assert run_cli("records", tmp_path / "none.yaml", home=stack.home, check=False)[0] == 1
    assert clickhouse.query("SELECT count() FROM rates WHERE currency = 'CHF'").first_row == (0,)
