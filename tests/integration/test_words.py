"""What a person says about who is who: of names that lead somewhere, and of nobody else."""

import orjson
import pytest
from typer.testing import CliRunner

from sinks.clickhouse.batch import Batch
from streams.cli import main
from streams.domain.aliases import origin_id
from tests.integration.firm import Firm

KEY = "0123456789abcdef"
JANE, JOHN, HALF = "email:jane@example.com", "hubspot:1:contact:77", "hubspot:1:contact:78"


@pytest.fixture
def say(emptied, engine, monkeypatch):
    """Run a command on an engine with Jane, John and a conflict; return its records or refusal."""
    firm = Firm(emptied, engine)
    common = {"generation": 1, "journey": 0, "partition": 0, "offset": 1, "revision": 1}
    batch = Batch()
    for name in (JANE, JOHN):
        origin = origin_id(KEY.encode(), name)
        batch.state(
            {
                **common,
                "lead": origin,
                "content": orjson.dumps({"stage": "inquiry", "origins": [origin]}).decode(),
            }
        )
    ends = {"a": origin_id(KEY.encode(), HALF), "b": origin_id(KEY.encode(), JOHN)}
    batch.fact(
        {
            **common,
            "lead": ends["b"],
            "id": "c",
            "kind": "conflict",
            "at": 1,
            "content": orjson.dumps(ends).decode(),
        }
    )
    firm.insert(batch)
    environment = {
        "BROKERS": "127.0.0.1:1",
        "CLICKHOUSE_URL": engine.clickhouse_url,
        "CLICKHOUSE_PASSWORD": engine.clickhouse_password.get_secret_value(),
        "IDENTITY_KEY": KEY,
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"LEADSTREAM_{name}", value)
    published = []

    class Publisher:
        def __init__(self, *args, **kwargs):
            pass

        def publish(self, _id, kind, _at, *, aliases):
            published.append((kind, aliases))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

    monkeypatch.setattr("streams.intake.client.LeadPublisher", Publisher)

    def run(*arguments):
        published.clear()
        done = CliRunner().invoke(main.app, list(arguments))
        return list(published) or str(done.exception)

    return run


def test_an_address_is_the_same_with_and_without_its_kind_before_it(say):
    for name in ("jane@example.com", JANE, " email:Jane@Example.COM"):
        assert say("merge", name, JOHN) == [("merge", (JANE, JOHN))]
    assert say("unmerge", JOHN, JANE) == [("unmerge", (JOHN, JANE))]


def test_a_name_that_no_lead_has_is_refused_and_nothing_is_published(say):
    assert "no lead has email:jnae@example.com" in say("merge", "jnae@example.com", JOHN)
    assert "no lead has hubspot:1:contact:1" in say("unmerge", JANE, "hubspot:1:contact:1")
    assert "are the same name" in say("merge", JANE, "jane@example.com")


def test_a_half_of_a_conflict_that_has_no_lead_yet_may_be_decided_about(say):
    assert say("merge", HALF, JOHN) == [("merge", (HALF, JOHN))]
