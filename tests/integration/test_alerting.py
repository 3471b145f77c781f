"""Alerts as they are deployed: facts in ClickHouse, the live process, Prometheus, Alertmanager.

Rules, routes and runbooks are the committed ones. Only their waiting is shortened.
"""

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import httpx
import pytest
import yaml

from schemas.reading import FUNNELS, load
from sinks.clickhouse.rows import ORDER
from streams.connections import clickhouse_client
from tests.conftest import ROOT, lacking, tool
from tests.integration.firm import FUNNEL, OURS, E, Firm, state
from tests.support.deployed import builder, free_ports
from tests.support.stories import DAY, MQL, T0

pytestmark = pytest.mark.ci

PROMETHEUS = ROOT / "deploy" / "prometheus"
HOT = {**OURS, "kind": "demo_form", "direction": "inbound"}
CALL = {"kind": "call", "direction": "human"}
MINUTE = 1 / 1440


def until(condition, what, seconds=90):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"no {what} within {seconds} s"
        time.sleep(0.2)
    return found


class Hook(http.server.BaseHTTPRequestHandler):
    """A webhook: keeps what Alertmanager delivers."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.delivered.append(json.loads(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args):
        """Say nothing."""


@pytest.fixture(scope="module")
def hook():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.delivered = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def alertmanager():
    """Return the binary, which Debian calls otherwise than its makers do."""
    for name in ("alertmanager", "prometheus-alertmanager"):
        if found := shutil.which(name):
            return found
    return lacking("alertmanager", "apt-get install prometheus-alertmanager")


def shortened(text):
    """Return rules that wait a second instead of minutes, and look back half a minute."""
    return re.sub(r"\[1h\]", "[30s]", re.sub(r"for: \w+", "for: 1s", text))


def ended(process):
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def watched(engine, hook, tmp_path_factory):
    """Run the live page, Prometheus and Alertmanager over an engine without facts."""
    folder = tmp_path_factory.mktemp("alerting")
    client = clickhouse_client(engine)
    for table in ORDER:
        client.command(f"TRUNCATE TABLE {table}")
    state(client)
    live, prometheus, manager = free_ports(3)
    running = {}

    def start(name, *command, **environment):
        log = (folder / f"{name}.log").open("a")
        running[name] = subprocess.Popen(
            list(map(str, command)), cwd=folder, env={**os.environ, **environment},
            stdout=log, stderr=log,
        )  # fmt: skip

    def start_live():
        start(
            "live", sys.executable, "-m", "streams.cli.main", "live",
            PYTHONPATH=str(ROOT),
            LEADSTREAM_HOME=str(folder / "home"),
            LEADSTREAM_PORT=str(live),
            LEADSTREAM_CLICKHOUSE_URL=engine.clickhouse_url,
            LEADSTREAM_CLICKHOUSE_USER="viewer",
            LEADSTREAM_CLICKHOUSE_PASSWORD=engine.clickhouse_viewer_password.get_secret_value(),
        )  # fmt: skip
        until(lambda: answers(f"http://127.0.0.1:{live}/readyz"), "live page")

    (folder / "rules").mkdir()
    for path in (PROMETHEUS / "rules").glob("*.yml"):
        (folder / "rules" / path.name).write_text(shortened(path.read_text()))
    (folder / "prometheus.yml").write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(folder / "rules" / "*.yml")],
                "alerting": {
                    "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]
                },
                "scrape_configs": [
                    {
                        "job_name": "leadstream",
                        "static_configs": [{"targets": [f"127.0.0.1:{live}"]}],
                    }
                ],
            }
        )
    )
    address = f"http://127.0.0.1:{hook.server_port}/"
    channel = {"webhook_configs": [{"url": address, "send_resolved": True}]}
    routes = builder("alertmanager").configuration(
        load(FUNNELS / "default.yaml"), dict.fromkeys((*FUNNEL.teams, "operations"), channel)
    )
    text = re.sub(r"group_(wait|interval): \w+", r"group_\1: 1s", yaml.safe_dump(routes))
    (folder / "alertmanager.yml").write_text(text)
    try:
        start_live()
        start(
            "alertmanager", alertmanager(),
            f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alerts",
            f"--web.listen-address=127.0.0.1:{manager}", "--cluster.listen-address=",
        )  # fmt: skip
        start(
            "prometheus", tool("prometheus", "prometheus"),
            f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/series",
            f"--web.listen-address=127.0.0.1:{prometheus}",
            f"--web.external-url=http://127.0.0.1:{prometheus}",
            f"--web.user-assets={PROMETHEUS}/assets",
        )  # fmt: skip
        for port in (manager, prometheus):
            until(lambda port=port: answers(f"http://127.0.0.1:{port}/-/ready"), "readiness")
        yield SimpleNamespace(
            hook=hook,
            firm=Firm(client, engine),
            ask=lambda query: asked(prometheus, query),
            start_live=start_live,
            stop_live=lambda: ended(running["live"]),
        )
    finally:
        for process in running.values():
            if process.poll() is None:
                ended(process)


def answers(address):
    try:
        return httpx.get(address).status_code == 200
    except httpx.HTTPError:
        return False


def asked(port, query):
    """Return the values that Prometheus has of a query."""
    answer = httpx.get(f"http://127.0.0.1:{port}/api/v1/query", params={"query": query}).json()
    return [float(one["value"][1]) for one in answer["data"]["result"]]


def delivered(hook, name, status):
    """Return what was delivered of an alert: receivers, and the alerts themselves."""
    found = [
        (one["receiver"], alert)
        for one in list(hook.delivered)
        for alert in one["alerts"]
        if alert["labels"]["alertname"] == name and alert["status"] == status
    ]
    return {receiver for receiver, _ in found}, [alert for _, alert in found]


def test_stalled_hot_leads_reach_both_teams_with_a_runbook_that_opens_and_end_with_the_call(
    watched,
):
    counted = 'leadstream_stalls_total{stage="mql", owner_team="joint"}'
    until(lambda: watched.ask(f"count_over_time({counted}[30s]) > 3"), "counter at rest")
    assert watched.ask(counted) == [0]
    assert watched.ask('ALERTS{alertname=~"LeadsStalled|LeadsHotWaiting"}') == []
    asking = (time.time() * 1000 - T0) / DAY - 30 * MINUTE
    story = [(asking, E.TOUCH, HOT), (asking + MINUTE, E.STAGE_REPORTED, MQL)]
    for _ in range(3):
        watched.firm.lead(*story, until=asking + 30 * MINUTE)
    teams = {"marketing", "sales"}  # `joint` is of both
    for name in ("LeadsStalled", "LeadsHotWaiting"):
        until(lambda name=name: delivered(watched.hook, name, "firing")[0] == teams, name)
        alert = delivered(watched.hook, name, "firing")[1][0]
        assert (alert["labels"]["stage"], alert["labels"]["owner_team"]) == ("mql", "joint")
        assert alert["annotations"]["summary"].startswith("3 ")
        runbook = httpx.get(alert["annotations"]["runbook_url"])
        assert runbook.status_code == 200
        assert runbook.headers["content-type"].startswith("text/html")
        assert "<h1>" in runbook.text
    watched.firm.leads -= 3
    for _ in range(3):
        watched.firm.leads += 1
        called = (asking + 29 * MINUTE, E.TOUCH, CALL)
        watched.firm.lead(*story, called, until=asking + 30 * MINUTE, again=2)
    for name in ("LeadsHotWaiting", "LeadsStalled"):
        until(lambda name=name: delivered(watched.hook, name, "resolved")[0] == teams, name)
    assert watched.ask(counted) == [3]  # what was late stays counted


def test_a_live_page_that_died_is_told_and_its_counters_go_on_where_they_were(watched):
    counted = 'leadstream_stalls_total{stage="mql", owner_team="joint"}'
    late = until(lambda: watched.ask(counted), "counter")
    before = len(delivered(watched.hook, "LeadsStalled", "firing")[1])
    watched.stop_live()
    until(lambda: delivered(watched.hook, "LeadProcessDown", "firing")[1], "alert")
    receivers, (alert, *_) = delivered(watched.hook, "LeadProcessDown", "firing")
    assert (receivers, alert["labels"]["severity"]) == ({"operations"}, "critical")
    watched.start_live()
    until(lambda: delivered(watched.hook, "LeadProcessDown", "resolved")[1], "end of it")
    until(lambda: watched.ask(f"count_over_time({counted}[5s]) > 3"), "counter")
    assert watched.ask(counted) == late
    assert watched.ask(f"resets({counted}[2m])") == [0]
    assert len(delivered(watched.hook, "LeadsStalled", "firing")[1]) == before
