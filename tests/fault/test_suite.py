"""The fault suite in short: one round of faults on a whole stack, and that its schedule is its seed's."""

import random

import pytest

from tests.fault import suite


def test_a_seed_is_a_schedule():
    assert suite.schedule(random.Random(5), 20) == suite.schedule(random.Random(5), 20)
    assert suite.schedule(random.Random(5), 20) != suite.schedule(random.Random(6), 20)


@pytest.mark.ci
def test_a_round_of_faults_loses_nothing_repeats_nothing_and_stops_nobody(tmp_path):
    report = suite.run(3, 0, tmp_path / "home", faults=8)
    assert report.clean, report.document()
    assert report.records > 100
    assert report.deaths >= 2
