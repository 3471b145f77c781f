"""Alert rules with their unit tests and runbooks, where alerts go, and the dashboard as code."""

import subprocess

import pytest
import yaml

from streams.settings import WORKERS
from tests.conftest import ROOT, tool

DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
RULES = {
    path.stem: yaml.safe_load(path.read_text())
    for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
}
TESTS = {
    path.name: yaml.safe_load(path.read_text()) for path in sorted(PROMETHEUS.glob("*.test.yml"))
}
ALERTS = {
    rule["alert"]: rule
    for file in RULES.values()
    for group in file["groups"]
    for rule in group["rules"]
}
RECEIVERS = DEPLOY / "alertmanager" / "alertmanager.yml"


def ran(*command):
    done = subprocess.run(list(map(str, command)), cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_alert_rules_pass_their_unit_tests():
    ran(tool("promtool", "prometheus"), "test", "rules", *TESTS)


def test_prometheus_reads_its_rules_and_its_configuration(tmp_path):
    promtool = tool("promtool", "prometheus")
    ran(promtool, "check", "rules", *(f"rules/{name}.yml" for name in RULES))
    (tmp_path / "generations").mkdir()
    # As docs/operations.md has it.
    (tmp_path / "generations" / "2.json").write_text('[{"targets": ["advance-2:9100"]}]')
    here = (
        (PROMETHEUS / "prometheus.yml")
        .read_text()
        .replace("/etc/prometheus/rules", f"{PROMETHEUS}/rules")
        .replace("/etc/prometheus", str(tmp_path))
    )
    (tmp_path / "prometheus.yml").write_text(here)
    ran(promtool, "check", "config", tmp_path / "prometheus.yml")


def test_every_process_that_has_metrics_is_scraped():
    jobs = {
        job["job_name"]: job
        for job in yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    }
    targets = {
        target.partition(":")[0]
        for one in jobs["leadstream"]["static_configs"]
        for target in one["targets"]
    }
    assert targets == {*WORKERS, "ticker", "gateway", "live"}
    assert jobs["leadstream"]["file_sd_configs"]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_severity_an_owner_and_a_page_that_says_what_to_do(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert "owner_team" in rule["labels"] or name == "LeadsStalled"  # there it is the leads' own
    assert (ROOT / rule["annotations"]["runbook"]).is_file()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_firing_and_not_firing(name):
    cases = [
        case
        for file in TESTS.values()
        for one in file["tests"]
        for case in one["alert_rule_test"]
        if case["alertname"] == name
    ]
    assert any(case["exp_alerts"] for case in cases)
    assert any(not case["exp_alerts"] for case in cases)


def test_alertmanager_reads_its_configuration():
    assert "SUCCESS" in ran(tool("amtool", "prometheus-alertmanager"), "check-config", RECEIVERS)


def test_alertmanager_routes_each_alert_to_its_owner_team():
    amtool = tool("amtool", "prometheus-alertmanager")
    for team, receivers in {
        "sales": ["sales"],
        "marketing": ["marketing"],
        "joint": ["sales", "marketing"],
        "customer_success": ["customer-success"],
        "operations": ["operations"],
    }.items():
        chosen = ran(
            amtool, "config", "routes", "test", f"--config.file={RECEIVERS}", f"owner_team={team}"
        ).strip()
        assert [name.removesuffix("-nobody-told-yet") for name in chosen.split(",")] == receivers


def test_a_receiver_that_tells_nobody_says_so_in_its_name():
    text = RECEIVERS.read_text()
    for receiver in yaml.safe_load(text)["receivers"]:
        configured = any(key.endswith("_configs") for key in receiver)
        assert configured is not receiver["name"].endswith("-nobody-told-yet"), receiver["name"]
    assert text.startswith("# NOBODY IS TOLD YET") is ("nobody-told-yet" in text)


def test_the_funnels_json_schema_is_what_the_model_says():
    import json

    from schemas.funnel import Funnel
    from schemas.reading import FUNNELS

    assert json.loads((FUNNELS / "funnel.schema.json").read_text()) == json.loads(
        json.dumps(Funnel.model_json_schema())
    )
