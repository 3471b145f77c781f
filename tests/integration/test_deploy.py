"""The dashboard's panels against ClickHouse's own engine. What needs no stack is in tests/unit/test_deploy_*.py."""

import importlib.util
import re
import time

from schemas import reading
from sinks.clickhouse import kpis
from tests.conftest import ROOT
from tests.integration.test_engine_faults import until
from tests.integration.test_pipeline import said, take

DEPLOY = ROOT / "deploy"


def dashboard():
    spec = importlib.util.spec_from_file_location("build", DEPLOY / "grafana" / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
