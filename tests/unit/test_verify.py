"""What verify calls in flight, and what it calls lost."""

from types import SimpleNamespace

import pytest

from schemas.events import EventType, LeadEvent, to_event
from schemas.facts import FOLD_VERSION
from sinks.clickhouse import generations
from streams.audit import archive, verify
from streams.domain import members

MINUTE = 60_000
OLD, NOW = 1_700_000_000_000, 1_700_000_000_000 + 60 * MINUTE
ONE, TWO = "00000000-0000-8000-8000-000000000001", "00000000-0000-8000-8000-000000000002"


def merged(joined_at):
    """Return an archive of two leads of an hour ago, merged at `joined_at`; no copy has arrived."""
    found = archive.Archive()
    for lead in (ONE, TWO):
        stated = LeadEvent(
            id=f"shop:{lead}",
            type=EventType.TOUCH,
            occurred_at=OLD,
            source="shop",
            aliases=("email:a@x.example",),
        )
        event = to_event(stated, lead)
        found.events[lead].add(event)
        found.received[event] = OLD
    found.edges.add(
        members.Edge(
            OLD,
            0,
            "edge",
            members.MERGE,
            members.Origin(OLD, "", ONE, ""),
            members.Origin(OLD + 1, "", TWO, ""),
        )
    )
    found.joined = dict.fromkeys((ONE, TWO), joined_at)
    return found


@pytest.mark.parametrize(("ago", "lost"), [(MINUTE // 2, 0), (2 * MINUTE, 1)])
def test_the_copy_of_an_old_event_is_in_flight_for_a_minute_after_its_lead_was_merged(ago, lost):
    read = merged(NOW - ago)
    flight = verify.in_flight(list(archive.components(read)), read, {0: archive.Cut(9, NOW)})
    assert (len(flight.lost), len(flight.leads)) == (lost, 1 - lost)


class Log:
    """A database whose log of generations holds these: number and version of the fold."""

    def __init__(self, *shown):
        self.rows = [(number, "default", None, "", fold) for number, fold in shown]

    def query(self, statement):
        assert "generation_log" in statement
        return SimpleNamespace(result_rows=self.rows)


def test_a_generation_of_another_releases_fold_is_held_against_nothing():
    log = Log((1, FOLD_VERSION - 1), (2, FOLD_VERSION))
    with pytest.raises(generations.Outdated, match="`leadstream adopt HOME/generations/1`"):
        verify.verify(log, 4, 1)
    generations.require_current(log, 2)
    generations.require_current(log, 3)  # one that is being adopted was not shown yet


def key(fact, journey=1):
    return verify.Key(ONE, fact, "journey", journey, OLD)


def test_facts_are_compared_by_their_keys_and_each_difference_names_the_fact():
    report = verify.Report()
    verify.compare_revisions(
        {key("same"): "{}", key("changed"): "{}", key("lost"): "{}", key("moved"): "{}"},
        {key("same"): "{}", key("changed"): "[]", key("made"): "{}", key("moved", 2): "{}"},
        report,
    )
    assert [one["fact"] for one in report.different] == ["changed"]
    assert (report.different[0]["expected"], report.different[0]["found"]) == ("{}", "[]")
    named = {"lead": ONE, "kind": "journey", "event_time": OLD}
    assert [(one["fact"], one["journey"]) for one in report.missing] == [("lost", 1), ("moved", 1)]
    assert {(one["fact"], one["journey"]) for one in report.extra} == {("made", 1), ("moved", 2)}
    assert all(named.items() <= one.items() for one in report.missing + report.extra)


def test_what_moved_while_the_tables_were_read_is_left_to_the_next_run():
    report = verify.Report(missing=[key("moved").difference("not in journeys")])
    report.different.append(key("stands").difference("journeys", column="test"))
    report.forget({key("moved").name})
    assert (report.missing, len(report.different), report.clean) == ([], 1, False)
