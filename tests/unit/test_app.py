"""Tests of the composition root: each worker of the table is made, and of nothing but the table."""

import pytest
from pydantic import SecretStr

from schemas import topics
from streams.app import build
from streams.settings import Settings


def settings(home):
    return Settings(
        home=home,
        funnel="schemas/funnels/default.yaml",
        identity_key=SecretStr("0123456789abcdef"),
        clickhouse_url="http://127.0.0.1:9",
    )


@pytest.mark.parametrize("spec", topics.WORKERS.values(), ids=lambda spec: spec.name)
def test_a_worker_reads_what_the_table_names(spec, tmp_path):
    app = build(settings(tmp_path), spec.name)
    assert app.conf.id == Settings().app_id(spec.name)
    assert {name.removeprefix(f"{spec.name}.") for name in app.agents} == {*spec.reads}
    assert set(app.tables) == ({spec.name} & {*topics.STATEFUL})


def test_a_worker_that_is_not_in_the_table_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'alert' is none of normalise, normalise-import"):
        build(settings(tmp_path), "alert")


def test_a_topic_is_written_and_read_by_the_workers_of_the_table_and_by_others():
    by_name = {one.name: one for one in topics.TOPICS}
    assert by_name[topics.FACTS].producers == "resolve, advance, people"
    assert by_name[topics.FACTS].consumers == "normalise-import, deliver"
    assert by_name[topics.SPEND].producers == "normalise, import"
    named = {topic for one in topics.WORKERS.values() for topic in one.reads + one.writes}
    assert named <= {*by_name}
