"""Setting up topics and tables waits for servers that are still starting, and only for those."""

import pytest
import stamina
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from kafka.errors import KafkaConnectionError, KafkaTimeoutError
from typer.testing import CliRunner

from streams.cli import main
from streams.cli.context import patiently


class Server:
    """Answers after it has been away so often."""

    def __init__(self, *errors):
        self.errors, self.asked = list(errors), 0

    def ask(self, *_arguments, **_options):
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return []


@pytest.fixture(autouse=True)
def _no_pauses():
    stamina.set_testing(True, attempts=5, cap=True)
    yield
    stamina.set_testing(False)


@pytest.mark.parametrize("error", [KafkaTimeoutError, KafkaConnectionError, OperationalError])
def test_a_server_that_is_away_is_asked_again(error):
    server = Server(error("away"), error("away"))
    assert patiently(120, server.ask) == []
    assert server.asked == 3


def test_without_a_limit_it_is_asked_once():
    server = Server(KafkaConnectionError())
    with pytest.raises(KafkaConnectionError):
        patiently(0, server.ask)
    assert server.asked == 1


def test_what_waiting_does_not_mend_is_reported_at_once():
    server = Server(DatabaseError("Code: 516. Authentication failed"))
    with pytest.raises(DatabaseError):
        patiently(120, server.ask)
    assert server.asked == 1


def test_topics_apply_waits_for_kafka(monkeypatch):
    server = Server(KafkaTimeoutError("Unable to bootstrap"))
    monkeypatch.setenv("LEADSTREAM_BROKERS", "kafka:9092")
    monkeypatch.setattr("streams.operate.admin.apply", server.ask)
    done = CliRunner().invoke(main.app, ["topics", "apply", "--wait", "120s"])
    assert (done.exit_code, server.asked) == (0, 2), done.output


def test_migrate_waits_for_clickhouse(monkeypatch):
    server = Server(OperationalError("Connection refused"))
    monkeypatch.setenv("LEADSTREAM_BROKERS", "kafka:9092")
    monkeypatch.setenv("LEADSTREAM_FUNNEL", "schemas/funnels/default.yaml")
    monkeypatch.setattr("streams.connections.clickhouse_client", server.ask)
    monkeypatch.setattr("sinks.clickhouse.migrate.apply", lambda *_: ["001_core.sql"])
    monkeypatch.setattr("sinks.clickhouse.access.apply", lambda *_: [])
    done = CliRunner().invoke(main.app, ["migrate", "--wait", "2m"])
    assert (done.exit_code, server.asked) == (0, 2), done.output


def test_a_limit_that_is_no_duration_is_wrong_use(monkeypatch):
    monkeypatch.setenv("LEADSTREAM_BROKERS", "kafka:9092")
    done = CliRunner().invoke(main.app, ["topics", "apply", "--wait", "soon"])
    assert done.exit_code == 2
    assert "no duration" in done.output
