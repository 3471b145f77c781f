"""The fault suite in short: one round of faults on a whole stack; and that its schedule is its seed's."""

import random

import pytest

from tests.fault import chapter, schedule
from tests.fault.report import Report


@pytest.mark.parametrize("theme", schedule.THEMES)
def test_a_seed_is_a_schedule(theme):
    assert schedule.deck(random.Random(5), theme) == schedule.deck(random.Random(5), theme)
    assert schedule.deck(random.Random(5), theme) != schedule.deck(random.Random(6), theme)


@pytest.mark.ci
def test_a_round_of_faults_loses_nothing_repeats_nothing_and_stops_nobody(tmp_path):
    report = Report()
    chapter.run("processes", "3.0", tmp_path / "short", report, print, number=9)
    assert report.clean, report.line()
    assert report.records > 1_000
    assert sum(report.deaths.values()) >= 4
