"""The command on the whole stack: a file's records stand in ClickHouse, a wrong file's do not."""

import pytest
from kafka import KafkaProducer

from schemas import topics
from schemas.records import Spend
from streams.operate import deadletters
from tests.conftest import run_cli
from tests.integration.invariants import of
from tests.support.jobs import until

COST = {"platform": "meta", "account": "a", "day": "2026-01-31", "amount": "5", "currency": "EUR"}


@pytest.fixture
def settings(stack):
    return of(stack)[1]


@pytest.fixture
def publish(settings):
    """Send records to lead.spend as whoever has access to Kafka may."""
    producer = KafkaProducer(bootstrap_servers=settings.brokers, acks="all")
    yield lambda *bodies: [
        producer.send(topics.SPEND, body, key=b"k").get(timeout=30) for body in bodies
    ]
    producer.close(timeout=5)


def test_a_record_that_no_column_takes_is_a_dead_letter_and_what_comes_after_it_arrives(
    settings, clickhouse, publish
):
    good = Spend(**COST).model_dump_json()
    wrong = [
        (good.replace("2026-01-31", "2026-02-31"), "day:"),
        (good.replace('"5"', '"1234567890123"'), "amount:"),
        (good.replace('"clicks":0', '"clicks":-1'), "clicks:"),
        (good.replace("EUR", "EUX"), "currency:"),
        ("no JSON", "no JSON: only our workers write to lead.spend"),
    ]
    publish(*(body.encode() for body, _ in wrong), good.encode())
    until(
        lambda: (
            clickhouse.query("SELECT sum(amount) FROM spend FINAL WHERE account = 'a'").first_row
            == (5,)
        ),
        "the good one",
    )

    def letters():
        return deadletters.read(settings, deadletters.Chosen(topic=topics.SPEND))

    until(lambda: len(letters()) == len(wrong), "the dead letters")
    refused = [
        (deadletters.original(settings, one).value.decode(), one.letter.reason) for one in letters()
    ]
    assert sorted(body for body, _ in refused) == sorted(body for body, _ in wrong)
    assert all(reason.startswith(dict(wrong)[body]) for body, reason in refused)
    assert {one.letter.worker for one in letters()} == {"deliver"}


def test_spend_that_is_stated_again_replaces_what_its_key_had_also_where_it_is_read_first(
    clickhouse, publish
):
    def cost(amount, stated_at, **key):
        return (
            Spend(**{**COST, "account": "b", "amount": amount, "stated_at": stated_at, **key})
            .model_dump_json()
            .encode()
        )

    publish(cost("9", 2), cost("7", 1), cost("1", 1, breakdown="ad 2"), cost("2", 1, campaign="c"))

    def standing():
        return clickhouse.query(
            "SELECT sum(amount), count() FROM spend FINAL WHERE account = 'b'"
        ).first_row == (12, 3)

    until(standing, "the later statement of each key")


def test_records_of_a_file_reach_clickhouse_and_a_later_file_replaces_them(
    stack, clickhouse, tmp_path
):
    path = tmp_path / "targets.yaml"
    target = (
        "targets:\n  - {metric: inflow, value: %d, owner: ann, start: 2026-01-01, end: 2026-03-31,"
        " strategy: baseline}\n"
    )
    path.write_text(
        target % 10 + "rates:\n  - {currency: USD, reporting: EUR, day: 2026-01-02, rate: '0.9'}\n"
    )
    assert run_cli("records", path, "--json", home=stack.home)[1] == {"Target": 1, "Rate": 1}
    path.write_text(target % 12)
    run_cli("records", path, home=stack.home)

    def standing():
        targets = clickhouse.query(
            "SELECT toString(target) FROM targets FINAL WHERE owner = 'ann'"
        ).result_rows
        return targets == [("12",)] and clickhouse.query(
            "SELECT count() FROM rates FINAL"
        ).first_row == (1,)

    until(standing, "the later target and the rate")


def test_of_a_file_with_one_wrong_line_nothing_is_published(stack, clickhouse, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "rates:\n  - {currency: CHF, reporting: EUR, day: 2026-01-02, rate: '1'}\n"
        "  - {currency: CHF}\n"
    )
    code, _, error = run_cli("records", path, home=stack.home, check=False)
    assert code == 1
    assert f"{path}:3: reporting: Field required" in error
    assert run_cli("records", tmp_path / "none.yaml", home=stack.home, check=False)[0] == 1
    assert clickhouse.query("SELECT count() FROM rates WHERE currency = 'CHF'").first_row == (0,)
