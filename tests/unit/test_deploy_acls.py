"""Least privilege on Kafka follows from the registry of topics, and is what was committed."""

import importlib.util

import pytest

from schemas import topics
from streams.settings import WORKERS, Settings
from streams.sources.registry import SOURCES
from tests.conftest import ROOT

FOLDER = ROOT / "deploy" / "kafka"


@pytest.fixture(scope="module")
def acls():
    spec = importlib.util.spec_from_file_location("acls", FOLDER / "acls.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_files_are_what_the_code_makes(acls):
    for name, make in acls.OUTPUTS.items():
        assert (FOLDER / name).read_text() == make(), f"run: python deploy/kafka/{name}"


def test_a_topic_whose_writer_is_nobody_here_is_refused(acls, monkeypatch):
    unknown = topics.Topic(
        "lead.new", "somebody", "deliver", 1, "a topic that acls.py has not heard of"
    )
    monkeypatch.setattr(topics, "TOPICS", (*topics.TOPICS, unknown))
    with pytest.raises(ValueError, match=r"lead\.new.*somebody"):
        acls.script()


def test_every_topic_has_a_writer_and_a_reader(acls):
    for one in topics.TOPICS:
        assert any(one.name in acls.writes(role) for role in acls.ROLES), one.name
        assert any(one.name in acls.reads(role) for role in acls.ROLES), one.name


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_reads_what_it_is_built_on_and_has_its_group_and_changelog(acls, worker):
    mine = [rule for rule in acls.rules() if rule.role == worker]
    named = {
        name.replace("$PARTITIONS", "4").replace("$GENERATION", "1")
        for rule in mine
        for name in rule.names
    }
    assert {*topics.READS[worker], topics.DEADLETTERS, Settings().app_id(worker)} <= named
    assert (Settings().changelog(worker) in named) is (worker in topics.STATEFUL)
    assert not any(rule.prefixed for rule in mine)


def test_a_retriever_reads_and_writes_where_its_vendors_bodies_are_and_has_a_group_for_each(acls):
    retrieved = {name: one for name, one in SOURCES.items() if one.retrieval}
    raw = {one.topic for one in retrieved.values()}
    rights = (set(acls.reads("retriever")), set(acls.writes("retriever")))
    assert rights == (raw, raw | {topics.DEADLETTERS})
    (groups,) = [
        rule.names for rule in acls.rules() if (rule.role, rule.kind) == ("retriever", "group")
    ]
    assert [name.replace("$PARTITIONS", "4") for name in groups] == [
        Settings().app_id(f"retriever-{name}") for name in retrieved
    ]


def test_who_is_outside_writes_bodies_and_reads_what_is_for_everybody(acls):
    assert acls.writes("publisher") == topics.RAW_LIVE
    assert acls.reads("publisher") == ()
    assert set(acls.reads("reader")) == {topics.STATE, topics.ALERTS}
    assert acls.writes("reader") == ()


def test_compose_gives_its_publisher_the_same_rights(acls):
    line = next(
        line
        for line in (FOLDER / "outside.sh").read_text().splitlines()
        if line.startswith("topics=")
    )
    assert tuple(
        line.strip('"').replace('topics="', "").replace("--topic ", "").split()
    ) == acls.writes("publisher")
