"""What holds for every vendor, whoever wrote its file."""

import json

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from schemas.reading import FUNNELS, load
from streams.domain.aliases import Strength, record_kind, strength
from streams.domain.members import DEALS
from streams.intake.openapi import SCHEMES
from streams.sources.adapter import UNREADABLE, decoded
from streams.sources.registry import GENERIC, SOURCES
from streams.sources.vendor import WORK
from tests.support.bodies import BODIES
from tests.support.spoiling import CONNECTION, JUNK, spoiled

VENDORS = sorted(SOURCES)
FUNNEL = load(FUNNELS / "default.yaml")


@pytest.mark.parametrize("name", VENDORS)
def test_the_default_funnel_says_of_a_vendor_what_its_file_says(name):
    vendor = SOURCES[name]
    assert name in FUNNEL.enabled_sources
    stages = {
        word: to if isinstance(to, str) else to.says
        for word, to in FUNNEL.vendors.get(name, {}).items()
    }
    assert stages == vendor.stages
    assert FUNNEL.origins.default.get(name, "") == vendor.origin
    ends = FUNNEL.deals.get(name)
    assert (
        (tuple(ends.won), tuple(ends.lost)) == (vendor.won, vendor.lost)
        if ends
        else not (vendor.won or vendor.lost)
    )


@pytest.mark.parametrize("name", VENDORS)
def test_a_vendors_records_differ_by_how_their_aliases_are_written(name):
    vendor = SOURCES[name]
    assert vendor.sends <= WORK
    for kind in (*vendor.records, *vendor.deals):
        alias = f"{name}:account:{kind}:5"
        assert (strength(alias), record_kind(alias)) == (Strength.CRM, f"{name}:account:{kind}")
        assert record_kind(alias).endswith(DEALS) is (kind in vendor.deals)


@pytest.mark.parametrize("name", VENDORS)
def test_every_route_of_a_vendor_is_open_to_its_sender_alone_and_described(name):
    for route in SOURCES[name].routes:
        assert route.path.startswith("/v1/")
        assert route.meaning.endswith(".")
        assert all(scheme.name in SCHEMES for scheme in route.schemes)
        assert not route.proof or route.challenge
    assert SOURCES[name].routes or name == GENERIC


@pytest.mark.parametrize(("source", "good", "bad", "together"), BODIES.values(), ids=BODIES)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), JUNK)
def test_whatever_stands_in_a_part_costs_no_more_than_that_part(
    source, good, bad, together, places, junk
):
    body = together(good, spoiled(good, places, junk), good)
    raw = json.dumps(body).encode()
    alone = SOURCES[source].normalise(together(good, good), 1_795_000_000_000, CONNECTION)
    found = SOURCES[source].normalise(decoded(raw), 1_795_000_000_000, CONNECTION)
    kept = [event.id for event in found.events] + [one.key for one in found.spend]
    wanted = [event.id for event in alone.events] + [one.key for one in alone.spend]
    assert all(kept.count(name) >= wanted.count(name) for name in wanted)
    assert all(reason and isinstance(part, bytes) for reason, part in found.rejected)
    assert bad


@pytest.mark.parametrize("name", VENDORS)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(JUNK)
def test_a_body_of_anything_is_refused_with_a_reason_and_nothing_else(name, junk):
    try:
        body = decoded(json.dumps(junk).encode())
    except ValueError:
        return
    try:
        found = SOURCES[name].normalise(body, 1_795_000_000_000, CONNECTION)
    except UNREADABLE as error:
        assert not isinstance(error, OSError)
        return
    assert all(isinstance(orjson.loads(event.model_dump_json()), dict) for event in found.events)
