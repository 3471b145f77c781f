"""The API against its OpenAPI, on ClickHouse's own engine: no 5xx, no answer outside its schema."""

import os
import uuid

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from sinks.clickhouse.rows import ORDER
from streams.cli.context import figures
from streams.connections import clickhouse_client
from streams.live import api
from streams.live.guard import Guard
from tests.integration.firm import NOT_READY, OURS, E, Firm, deal, state
from tests.support.stories import MQL


@pytest.fixture(scope="module")
def schema(engine):
    client = clickhouse_client(engine)
    for table in ORDER:
        client.command(f"TRUNCATE TABLE {table}")
    state(client)
    firm = Firm(client, engine)
    firm.lead((0, E.STAGE_REPORTED, {**MQL, **OURS}), (1, E.REJECTED, NOT_READY), until=30)
    firm.lead((0, E.OPPORTUNITY_CREATED, {**OURS, **deal("d1", "100", "EUR")}))
    firm.lead(
        (0, E.CREATED, {"owner": "ann", "record_url": "javascript:alert(1)"}),
        (20, E.TOUCH, {"kind": "email", "direction": "automated"}),
        until=40,
    )
    firm.target("inflow", 10, stage="mql")
    firm.spend("300")
    app = Guard(api.application(figures(engine)), frozenset({"testserver"}))
    return schemathesis.openapi.from_asgi("/openapi.json", app, headers={"Host": "127.0.0.1"})


LONGER = max(1, int(os.environ.get("LEADSTREAM_FUZZ_SECONDS", "40")) // 40)
PATHS = [
    "/api/v1/kpis",
    "/api/v1/catalogue",
    "/api/v1/funnel",
    "/api/v1/flow",
    "/api/v1/health",
    "/api/v1/kpis/{kpi}/leads",
    "/api/v1/stalled",
    "/api/v1/about-to-breach",
    "/api/v1/hot-waiting",
    "/api/v1/feed",
    "/api/v1/leads",
    "/api/v1/leads/{lead}",
]
COSTLY = {"/api/v1/kpis": 8}  # all statements of the KPIs cost 3 s
# What a schema of single parameters cannot say: that `from` comes before `to`, which dimensions
# and stages the funnel has.
BETWEEN = (positive_data_acceptance,)


@pytest.mark.ci
@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_asked_is_answered_as_the_openapi_says(schema, path):
    number = COSTLY.get(path, 40) * LONGER

    @settings(
        max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(
        case=schema[path]["GET"].as_strategy()
        | schema[path]["GET"].as_strategy(GenerationMode.NEGATIVE)
    )
    def ask(case):
        case.call_and_validate(excluded_checks=BETWEEN, timeout=120)

    ask()


@pytest.mark.ci
def test_a_lead_that_is_there_is_shown_as_the_openapi_has_it_without_an_address_that_would_run(
    schema,
):
    operation = schema["/api/v1/leads/{lead}"]["GET"]
    for number in (1, 2, 3):
        story = operation.Case(
            path_parameters={"lead": str(uuid.UUID(int=number))}
        ).call_and_validate()
        assert story.status_code == 200
        assert story.json()["events"]
        assert "javascript" not in story.text


@pytest.mark.ci
def test_no_path_of_the_openapi_is_left_out(schema):
    assert {operation.ok().path for operation in schema.get_all_operations()} == set(PATHS)
