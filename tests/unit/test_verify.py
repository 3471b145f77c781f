"""What verify calls in flight, and what it calls lost."""

import pytest

from schemas.events import EventType, LeadEvent, to_event
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
    read, report = merged(NOW - ago), verify.Report()
    verify._in_flight(list(archive.components(read)), read, {0: archive.Cut(9, NOW)}, report)
    assert (len(report.missing), report.in_flight) == (lost, 1 - lost)
