"""What is deployed: alert rules with their unit tests, routing, the dashboard's panels against ClickHouse's own engine."""

import importlib.util
import re
import subprocess

import yaml

from tests.conftest import ROOT, tool

DEPLOY = ROOT / "deploy"


def dashboard():
    spec = importlib.util.spec_from_file_location("build", DEPLOY / "grafana" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_alert_rules_pass_their_unit_tests():
    promtool = tool("promtool", "prometheus")
    done = subprocess.run([promtool, "test", "rules", "leads.test.yml"], cwd=DEPLOY / "prometheus", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_its_configuration():
    promtool = tool("promtool", "prometheus")
    done = subprocess.run([promtool, "check", "rules", "rules/leads.yml"], cwd=DEPLOY / "prometheus", capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_alertmanager_routes_each_alert_to_its_owner_team():
    amtool = tool("amtool", "prometheus-alertmanager")
    config = DEPLOY / "alertmanager" / "alertmanager.yml"
    for team, receivers in {
        "sales": "sales",
        "marketing": "marketing",
        "joint": "sales,marketing",
        "customer_success": "customer-success",
        "operations": "operations",
    }.items():
        command = [amtool, "config", "routes", "test", f"--config.file={config}", f"owner_team={team}"]
        said = subprocess.run(command, capture_output=True, text=True)
        assert said.stdout.strip() == receivers, said.stderr


def test_the_committed_dashboard_is_what_the_code_makes():
    built = dashboard()
    assert built.TARGET.read_text() == built.build()


def test_every_panels_query_runs_on_clickhouse_with_the_plugins_macros_expanded(stack, clickhouse):
    for title, sql in dashboard().PANELS.items():
        sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime(0) AND \1 <= toDateTime(2000000000)", sql)
        sql = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 3600 second)", sql)
        assert "$__" not in sql
        assert clickhouse.query(sql).column_names, title


def test_compose_names_every_process_of_the_stack():
    from streams.settings import WORKERS

    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert {*WORKERS, "gateway", "live", "ticker", "kafka", "clickhouse", "prometheus", "alertmanager", "grafana"} <= set(services)


def test_the_funnels_json_schema_is_what_the_model_says():
    import json

    from schemas.funnel import FUNNELS, Funnel

    assert json.loads((FUNNELS / "funnel.schema.json").read_text()) == json.loads(json.dumps(Funnel.model_json_schema()))
