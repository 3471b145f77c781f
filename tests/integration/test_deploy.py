"""What is deployed: alert rules with their unit tests, routing, the dashboard's panels against ClickHouse's own engine."""

import importlib.util
import re
import subprocess
import time

import yaml

from schemas import reading
from sinks.clickhouse import kpis
from tests.conftest import ROOT, tool
from tests.integration.test_engine_faults import until
from tests.integration.test_pipeline import said, take

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


def expanded(sql):
    """Expand the ClickHouse plugin's macros as it does."""
    sql = re.sub(r"\$__timeFilter\((\w+)\)", r"\1 >= toDateTime(0) AND \1 <= toDateTime(2000000000)", sql)
    sql = re.sub(r"\$__timeInterval\((\w+)\)", r"toStartOfInterval(toDateTime(\1), INTERVAL 3600 second)", sql)
    assert "$__" not in sql
    return sql


def test_every_panels_query_runs_on_clickhouse_and_open_leads_equal_the_kpi(stack, clickhouse):
    body = said("opportunity.won", "panel-1", time.time(), "panel@example.com", deal={"id": "panel"})
    take(stack, body)
    panels = {title: expanded(sql) for title, sql in dashboard().PANELS.items()}
    now = int(time.time() * 1000)
    asked = kpis.question(reading.in_force(stack.funnel), 0, now, now)

    def agree():
        standing = dict(clickhouse.query(panels["Open now"]).result_rows)
        figures = {f["dimensions"]["stage"]: f["value"] for f in kpis.ask(clickhouse, asked, ["balance"]) if f["value"]}
        return "customer" in standing and standing == figures

    until(agree, "panel and KPI to agree")
    for sql in panels.values():
        clickhouse.query(sql)  # raises what ClickHouse says


def test_compose_names_every_process_of_the_stack():
    from streams.settings import WORKERS

    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert {*WORKERS, "gateway", "live", "ticker", "kafka", "clickhouse", "prometheus", "alertmanager", "grafana"} <= set(services)


def test_the_funnels_json_schema_is_what_the_model_says():
    import json

    from schemas.funnel import Funnel
    from schemas.reading import FUNNELS

    assert json.loads((FUNNELS / "funnel.schema.json").read_text()) == json.loads(json.dumps(Funnel.model_json_schema()))
