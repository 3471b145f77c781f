"""Grafana as code: files are what the code makes, and what Grafana's own models take."""

import json
import re

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from sinks.clickhouse import grants
from tests.conftest import ROOT
from tests.support.deployed import compose
from tests.support.panels import dashboards, panels, statements

GRAFANA = ROOT / "deploy" / "grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
BOARDS = dashboards().BOARDS
PROVISIONED = GRAFANA / "provisioning"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def of(path, name):
    return yaml.safe_load((PROVISIONED / path / f"{name}.yaml").read_text())


def drawn(document):
    return [panel for panel in document["panels"] if panel["type"] != "row"]


ALL = [(path.stem, panel) for path in FILES for panel in drawn(read(path))]
NAMED = pytest.mark.parametrize(
    "panel", [one for _, one in ALL], ids=[f"{name}: {one['title']}" for name, one in ALL]
)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.UID)
def test_the_committed_dashboards_are_what_the_code_makes(board):
    file = GRAFANA / "dashboards" / f"{board.UID.removeprefix('leadstream-')}.json"
    assert file.read_text(encoding="utf-8") == dashboards().build(board)


def test_there_is_a_file_for_each_of_the_six_dashboards_and_no_other():
    assert {path.stem for path in FILES} == {
        "funnel", "handoffs", "stalled", "sources", "targets", "pipeline",
    }  # fmt: skip
    assert len({read(path)["uid"] for path in FILES}) == len(FILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_grafanas_own_models_read_a_dashboard_and_lose_nothing(path):
    """The SDK's models are generated from Grafana's schema: what they do not know they drop."""
    document = read(path)
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(document)))
    for one in document["annotations"]["list"]:  # the models know Grafana's own annotations only
        one.pop("target")
    for one in again["annotations"]["list"]:
        one.pop("target")
    assert again == document


@NAMED
def test_a_panel_asks_a_question_and_says_what_its_answer_means(panel):
    assert panel["title"].endswith("?"), panel["title"]
    assert len(panel["description"]) > 10
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    steps = defaults["thresholds"]["steps"]
    assert steps[0]["value"] is None
    values = [one["value"] for one in steps[1:]]
    assert values == sorted(values)


@NAMED
def test_a_panels_format_is_that_of_its_shape(panel):
    series = panel["type"] == "timeseries"
    for target in panel["targets"]:
        if panel["datasource"]["type"] == "prometheus":
            assert target["range" if series else "instant"] is True
        else:
            assert target["format"] == (0 if series else 1)
            assert target["queryType"] == ("timeseries" if series else "table")
            assert target["editorType"] == "sql"


def test_panels_have_ids_of_their_own():
    for path in FILES:
        ids = [panel["id"] for panel in drawn(read(path))]
        assert len(set(ids)) == len(ids)


def test_acceptance_is_drawn_over_the_three_benchmarks():
    panel = next(one for _, one in ALL if one["title"].startswith("What share of hand-offs"))
    defaults = panel["fieldConfig"]["defaults"]
    assert [one["value"] for one in defaults["thresholds"]["steps"]] == [None, 0.05, 0.23, 0.47]
    assert defaults["custom"]["thresholdsStyle"]["mode"] == "dashed"


def test_mature_and_pending_stand_apart_in_every_cohort():
    from sinks.clickhouse.catalogue import named

    tables = [
        panel
        for _, panel in panels()
        if panel.kind == "table" and panel.shown and named(panel.shown.kpi).form == "cohort"
    ]
    assert len(tables) > 8
    for panel in tables:
        assert {"value", "denominator", "pending"} <= set(panel.shown.numbers.values()), panel.title


def test_every_figure_of_the_catalogue_has_a_panel():
    from sinks.clickhouse.catalogue import catalogue

    shown = {panel.shown.kpi for _, panel in panels() if panel.shown}
    assert shown | {"attainment"} == {kpi.name for kpi in catalogue()}


def test_a_runbook_that_a_panel_leads_to_is_there():
    named = {panel.runbook for _, panel in panels() if panel.runbook}
    assert len(named) > 5
    for name in named:
        assert (ROOT / "docs" / "runbooks" / f"{name}.md").is_file()
    links = {link["url"] for _, panel in ALL for link in panel.get("links", [])}
    assert links == {f"${{runbooks}}/{name}.html" for name in named}


def test_a_funnel_leads_to_leads_and_these_to_their_own_pages():
    urls = {}
    for _, panel in ALL:
        for one in panel["fieldConfig"]["overrides"]:
            for made in one["properties"]:
                if made["id"] == "links":
                    column = one["matcher"]["options"]
                    urls.setdefault(column, set()).add(made["value"][0]["url"])
    assert urls["Lead"] == {'${live}/leads/${__data.fields["Lead"]}'}
    (to_leads,) = urls["Stage"]
    assert to_leads.startswith("/d/leadstream-funnel?${__url_time_range}&${source:queryparam}")
    listed = next(one for _, one in ALL if one["title"] == "Which leads are these?")
    assert to_leads.endswith(f"&viewPanel=panel-{listed['id']}")
    assert 'var-stage=${__data.fields["stage_id"]:percentencode}' in to_leads


def test_what_a_link_needs_is_a_column_of_its_panel():
    for _, panel in ALL:
        text = json.dumps(panel["fieldConfig"])
        asked = " ".join(target.get("rawSql", "") for target in panel["targets"])
        for column in re.findall(r'__data\.fields\[\\+"(\w+)\\+"\]', text):
            assert f'"{column}"' in asked, (panel["title"], column)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_query_names_is_a_variable_of_its_dashboard(path):
    document = read(path)
    known = {one["name"] for one in document["templating"]["list"]}
    assert {"live", "runbooks"} <= known
    asked = json.dumps([panel["targets"] for panel in drawn(document)])
    named = {*re.findall(r"\$\{(\w+)", asked), *re.findall(r"\$([a-z]\w*)", asked)}
    assert named <= known, named - known
    for one in document["templating"]["list"]:
        if one["type"] == "query":
            assert one["multi"] is one["includeAll"] is True
            assert one["current"]["value"] == ["$__all"]


def test_only_macros_that_the_plugin_has_are_asked():
    known = {"conditionalAll", "fromTime_ms", "toTime_ms", "timeFilter"}
    for name, sql in statements().items():
        assert set(re.findall(r"\$__(\w+)", sql)) <= known, name
        assert "--" not in sql, "the plugin takes a comma in a comment for one of a macro"
        assert "[[" not in sql, "Grafana takes it for a variable"
        assert not re.search(r"\$[$&`'\d]", sql), "the plugin replaces text by JavaScript's rules"
        assert not name.startswith("variable") or "$" not in sql, "its values are of all time"


def test_the_metrics_that_panels_ask_are_declared():
    from prometheus_client.metrics import MetricWrapperBase

    import streams.metrics as declared

    known = {"up"}
    for one in vars(declared).values():
        for family in one.collect() if isinstance(one, MetricWrapperBase) else ():
            known |= {family.name, f"{family.name}_total", f"{family.name}_bucket"}
    for _, panel in panels():
        for expr, _ in panel.exprs:
            asked = set(re.findall(r"\b(leadstream_\w+|up)\b", expr))
            assert asked, expr
            assert asked <= known, asked - known


def test_a_statement_has_nothing_of_one_funnel_in_it():
    from schemas.reading import FUNNELS, load

    funnel = load(FUNNELS / "default.yaml")
    for name, sql in statements().items():
        words = set(re.findall(r"'([^'\n]*)'", sql))
        own = {*funnel.stages, funnel.reporting.zone, funnel.reporting.currency}
        assert not words & (own - {"lost"}), name  # a deal's status too


def test_panels_ask_the_sources_that_are_provisioned_with_a_user_that_reads_only():
    clickhouse = of("datasources", "clickhouse")["datasources"][0]
    prometheus = of("datasources", "prometheus")["datasources"][0]
    known = {(one["type"], one["uid"]) for one in (clickhouse, prometheus)}
    asked = {(panel["datasource"]["type"], panel["datasource"]["uid"]) for _, panel in ALL}
    assert asked == known
    assert clickhouse["jsonData"]["username"] == "grafana"
    plugin = compose()["services"]["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    assert plugin.endswith(f"@{clickhouse['jsonData']['version']}")
    assert {t["pluginVersion"] for _, p in ALL for t in p["targets"] if "rawSql" in t} == {
        clickhouse["jsonData"]["version"]
    }
    command = " ".join(compose()["services"]["prometheus"]["command"])
    assert "enable-admin-api" not in command
    assert "enable-lifecycle" not in command


def test_grafana_reaches_prometheus_and_none_of_its_targets():
    services = compose()["services"]
    shared = set(services["grafana"]["networks"]) & set(services["prometheus"]["networks"])
    assert shared == {"prometheus"}
    assert {name for name, one in services.items() if "prometheus" in one["networks"]} == {
        "grafana", "prometheus",
    }  # fmt: skip
    assert compose()["networks"]["prometheus"]["internal"] is True


def test_the_plugin_asks_no_more_at_once_than_its_user_may():
    from sinks.clickhouse import access

    text = access.script()
    most = int(re.search(r"max_concurrent_queries_for_user\s*=\s*(\d+)", text)[1])
    assert (
        int(of("datasources", "clickhouse")["datasources"][0]["jsonData"]["maxOpenConns"]) == most
    )


def test_the_plugins_user_may_ask_for_as_long_as_the_plugins_client_asks():
    """clickhouse-go asks for 5 s more than the plugin waits: no query of a panel was let run."""
    script = (ROOT / "deploy" / "clickhouse" / "access.sql").read_text()
    bounds = re.search(r"max_execution_time = (\d+) MIN 1 MAX (\d+)", script)
    waits = of("datasources", "clickhouse")["datasources"][0]["jsonData"]["queryTimeout"]
    assert int(bounds[1]) == 60
    assert int(waits) + 5 <= int(bounds[2]) == grants.MOST_SECONDS


def test_grafana_looks_for_dashboards_where_compose_mounts_them():
    provider = of("dashboards", "leadstream")["providers"][0]
    mounted = compose()["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounted
    assert provider["allowUiUpdates"] is False
