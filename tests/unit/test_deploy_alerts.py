"""Alert rules with their unit tests and runbooks, and the dashboard as code."""

import re
import subprocess

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from schemas.alerts import Alerts
from streams import metrics
from streams.settings import WORKERS
from tests.conftest import ROOT, tool
from tests.support.deployed import builder, compose

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
    if "alert" in rule
}


def ran(*command):
    done = subprocess.run(list(map(str, command)), cwd=PROMETHEUS, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_alert_rules_pass_their_unit_tests():
    assert {name.removesuffix(".test.yml") for name in TESTS} == set(RULES)
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
        job: {
            target.partition(":")[0]
            for one in jobs[job]["static_configs"]
            for target in one["targets"]
        }
        for job in ("leadstream", "optional")
    }
    services = compose()["services"]
    optional = {name for name, one in services.items() if one.get("profiles")} - {"tools"}
    assert targets == {
        "leadstream": {*WORKERS, "ticker", "gateway", "live"},
        "optional": optional,
    }
    assert all("metrics" in services[name]["networks"] for name in optional)
    assert jobs["leadstream"]["file_sd_configs"]


BUILT = builder("prometheus")


def test_the_committed_rules_and_runbooks_are_what_the_code_makes():
    made = BUILT.files()
    assert {path.relative_to(ROOT) for path in made} == {
        path.relative_to(ROOT) for folder in (BUILT.RULES, BUILT.PAGES) for path in folder.glob("*")
    }
    assert [path.name for path, text in made.items() if path.read_text() != text] == []


# Whose team comes with the series: those of the funnel file.
OF_A_TEAM = {rule.name for rule in BUILT.LEADS if rule.team is None}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_a_severity_and_an_owner(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in ("warning", "critical")
    if name in OF_A_TEAM:
        assert "owner_team" not in rule["labels"]
        assert "owner_team" in rule["expr"]
    else:
        assert rule["labels"]["owner_team"] == "operations"


@pytest.mark.parametrize("name", ALERTS)
def test_an_alerts_runbook_opens_where_prometheus_serves_it_and_says_what_to_do(name):
    address = ALERTS[name]["annotations"]["runbook_url"]
    base, _, page = address.partition("/user/")
    assert base == "{{ $externalURL }}"
    served = (PROMETHEUS / "assets" / page).read_text()
    text = (ROOT / "docs" / "runbooks" / f"{(PROMETHEUS / page).stem}.md").read_text()
    assert f"<h1>{text.splitlines()[0].removeprefix('# ')}</h1>" in served
    assert "<li>" in served or "<table>" in served  # what to do
    assert len(text.splitlines()) > 7


def test_a_link_between_runbooks_opens_and_one_to_another_document_is_its_name():
    for path in BUILT.PAGES.glob("*.html"):
        for link in re.findall(r'href="([^"]+)"', path.read_text()):
            assert link.startswith("https:") or (BUILT.PAGES / link.partition("#")[0]).is_file()
    sizes = (BUILT.PAGES / "sink-slow.html").read_text()
    assert "Sizes (<code>docs/operations.md</code>)" in sizes


def test_compose_serves_the_runbooks_and_prometheus_knows_its_own_address():
    service = compose()["services"]["prometheus"]
    assert "./prometheus:/etc/prometheus:ro" in service["volumes"]
    assert "--web.user-assets=/etc/prometheus/assets" in service["command"]
    assert "--web.external-url=http://127.0.0.1:9090" in service["command"]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_tested_not_firing_firing_and_resolved(name):
    cases = [
        [bool(case["exp_alerts"]) for case in one["alert_rule_test"] if case["alertname"] == name]
        for file in TESTS.values()
        for one in file["tests"]
    ]
    assert [False, True, False] in cases


def series_of(text):
    return set(re.findall(r"\bleadstream_\w+", text))


def test_every_series_of_a_rule_is_one_that_is_declared():
    declared = {
        f"{one.name}{suffix}"
        for metric in vars(metrics).values()
        if isinstance(metric, MetricWrapperBase)
        for one in metric.describe()
        for suffix in ("", "_total", "_bucket")
    }
    rules = series_of("".join(rule["expr"] for rule in ALERTS.values()))
    assert rules - declared == set()
    assert len(rules) > 25


def test_the_page_about_alerts_has_each_of_them_and_marks_the_critical():
    lines = (ROOT / "docs" / "alerts.md").read_text().splitlines()
    rows = {}
    for line in lines:
        first = line.partition("|")[2].partition("|")[0]
        for name in re.findall(r"Lead\w+", first):
            rows[name] = first
    assert rows.keys() == ALERTS.keys()
    for name, row in rows.items():
        marked = "(critical)" in row.split(name)[1].partition("), ")[0] + ")"
        assert marked is (ALERTS[name]["labels"]["severity"] == "critical"), name


def test_every_threshold_of_the_funnel_file_is_one_that_a_rule_asks_for():
    asked = set(re.findall(r'threshold="(\w+)"', str(RULES)))
    without_rule = {"weeks", "spend_without_leads"}  # what is expected is made of these
    assert asked == {*Alerts.model_fields, "acceptance"} - without_rule


def test_grafana_looks_for_dashboards_where_compose_mounts_them():
    provider = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/leadstream.yaml").read_text()
    )["providers"][0]
    assert (
        f"./grafana/dashboards:{provider['options']['path']}:ro"
        in compose()["services"]["grafana"]["volumes"]
    )


def test_the_funnels_json_schema_is_what_the_model_says():
    import json

    from schemas.funnel import Funnel
    from schemas.reading import FUNNELS

    assert json.loads((FUNNELS / "funnel.schema.json").read_text()) == json.loads(
        json.dumps(Funnel.model_json_schema())
    )
