"""The fault suite in short: one round of faults on a whole stack, and a schedule from its seed."""

import random
from collections import Counter

import pytest

from tests.fault import chapter, schedule
from tests.fault.report import HELD, Report, total


@pytest.mark.parametrize("theme", schedule.THEMES)
def test_a_seed_is_a_schedule(theme):
    assert schedule.deck(random.Random(5), theme) == schedule.deck(random.Random(5), theme)
    assert schedule.deck(random.Random(5), theme) != schedule.deck(random.Random(6), theme)


def test_a_deck_has_every_fault_of_its_theme_whatever_the_seed():
    for theme in (*schedule.THEMES, schedule.THREE):
        kinds = [
            Counter(fault.kind for fault in schedule.deck(random.Random(seed), theme))
            for seed in range(5)
        ]
        assert all(one == kinds[0] for one in kinds)
        dealt = schedule.rounds(schedule.deck(random.Random(5), theme))
        assert [fault for each in dealt for fault in each] == schedule.deck(random.Random(5), theme)


def test_reports_of_parts_add_up_and_one_finding_or_failure_is_enough_to_be_unclean(tmp_path):
    parts = [
        Report(["1"], records=3, deaths=Counter(advance=2)),
        Report(["2"], records=4, deaths=Counter(advance=1, broker=1)),
    ]
    for place, part in enumerate(parts):
        part.write(tmp_path / f"{place}.json")
    summed = total(tmp_path)
    totals = (summed.seeds, summed.records, summed.deaths, summed.clean)
    assert totals == (["1", "2"], 7, Counter(advance=3, broker=1), True)
    for name in HELD:
        assert not Report(found=Counter({name: 1})).clean
    assert not Report(failures=["it did not come back"]).clean


@pytest.mark.ci
def test_a_round_of_faults_loses_nothing_repeats_nothing_and_stops_nobody(tmp_path):
    report = Report()
    chapter.run("processes", "3.0", tmp_path / "short", report, print, number=6)
    assert report.clean, report.line()
    assert report.records > 1_000
    assert sum(report.deaths.values()) >= 3
