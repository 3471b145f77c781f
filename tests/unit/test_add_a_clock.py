"""docs/how-to/add-a-clock.md, followed: from the file to what becomes of leads."""

import re
from datetime import UTC, date, datetime

import pytest
import yaml

from schemas.reading import FUNNELS, load
from streams.domain import clocks
from streams.domain.definition import prepare
from streams.sources import measuring
from tests.conftest import ROOT, run_cli
from tests.support.stories import DAY, MQL, T0, E, facts, fold, history

PAGE = (ROOT / "docs" / "how-to" / "add-a-clock.md").read_text()
BLOCK = yaml.safe_load(re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[1])
STAGE = re.search(r"the stage is `(\w+)`", PAGE)[1]
HOUR, MINUTE = DAY / 24, DAY / 24 / 60
CALL = {"kind": "call", "direction": "human"}
ACCEPTED = ((0, E.STAGE_REPORTED, MQL), (0.01, E.ACCEPTED, {}))
FORM = {"kind": "demo_form"}


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The shipped file with the page's lines in the page's stage, as a later version."""
    whole = yaml.safe_load((FUNNELS / "default.yaml").read_text())
    whole["ladder"][STAGE] |= BLOCK
    path = tmp_path_factory.mktemp("funnel") / "my-funnel.yaml"
    later = {**whole, "version": "2", "effective_from": date(2026, 1, 6)}
    path.write_text(yaml.safe_dump(later, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def definitions(file):
    """Both versions, as workers have them once the later one was added."""
    return prepare(load(FUNNELS / "default.yaml"), load(file))


@pytest.fixture(scope="module")
def alone(file):
    return prepare(load(file))


def first_call(folded):
    found = [one for one in facts(folded, "clock") if one[1]["clock"] == "first_call"]
    return found[0] if found else None


def test_what_was_there_before_stays():
    there = load(FUNNELS / "default.yaml").stages[STAGE].clocks
    assert BLOCK["clocks"].keys() - {"first_call"} == there.keys()
    assert all(
        there[name].within == type(there[name].within).read(spec["within"])
        for name, spec in BLOCK["clocks"].items()
        if name in there
    )


def test_check_finds_nothing_wrong_and_the_clock_can_be_stopped(file):
    _, printed, _ = run_cli("check", file)
    assert "good" in printed
    assert f"{STAGE}.first_call" not in printed


def test_a_clock_that_no_source_can_stop_is_named_until_a_system_of_ones_own_sends_it(file):
    funnel = load(file).model_copy(update={"enabled_sources": ("dialer",), "sends": {}})
    assert f"{STAGE}.first_call" in measuring.not_measured(funnel)
    heard = funnel.model_copy(update={"sends": {"dialer": ("human",)}})
    assert f"{STAGE}.first_call" not in measuring.not_measured(heard)


def at(folded, name):
    start, clock, _ = first_call(folded)
    return (clock[name] - start) / HOUR


def test_it_warns_at_three_hours_is_breached_at_four_and_escalates_at_six(alone):
    folded = fold(history(*ACCEPTED), 0.3, alone)
    assert (at(folded, "warn_at"), at(folded, "due_at"), at(folded, "escalate_at")) == (3, 4, 6)


def test_a_hot_lead_has_half_an_hour_by_night_too(alone):
    evening = datetime(2026, 1, 5, 20, tzinfo=UTC).timestamp() * 1000
    days = (evening - T0) / DAY
    events = history((days - 0.1, E.CREATED, FORM), (days, E.ACCEPTED, {}))
    assert at(fold(events, days + 0.1, alone), "due_at") == 0.5


OUTCOMES = [
    ("a call in time", [(0.1, E.TOUCH, CALL)], "met"),
    ("a call too late", [(0.2, E.TOUCH, CALL)], "breached"),
    ("nobody calls", [], "escalated"),
    ("an automated mail is no call", [(0.1, E.TOUCH, {"direction": "automated"})], "escalated"),
    (
        "the lead leaves before it is due",
        [(0.1, E.OPPORTUNITY_CREATED, {"deal": {"id": "d"}})],
        "cancelled",
    ),
]


@pytest.mark.parametrize(
    ("more", "status"), [one[1:] for one in OUTCOMES], ids=[one[0] for one in OUTCOMES]
)
def test_what_becomes_of_it(alone, more, status):
    assert first_call(fold(history(*ACCEPTED, *more), 2, alone))[1]["status"] == status


def test_a_call_heard_of_late_turns_the_breach_into_met(alone):
    before = first_call(fold(history(*ACCEPTED), 0.2, alone))
    assert clocks.level(before[1], before[0]) == "breached"
    after = first_call(fold(history(*ACCEPTED, (0.1, E.TOUCH, CALL)), 0.2, alone))
    assert (after[1]["status"], clocks.level(after[1], after[0])) == ("met", "")


def test_stays_that_began_before_the_version_keep_what_they_began_under(definitions):
    assert first_call(fold(history(*ACCEPTED), 9, definitions)) is None
    later = [(day + 2, kind, fields) for day, kind, fields in ACCEPTED]
    assert first_call(fold(history(*later), 9, definitions)) is not None


def test_the_page_names_every_signal():
    named = set(re.findall(r"`(\w+)`", PAGE))
    signals = {
        one
        for clock in load(FUNNELS / "default.yaml").stages.values()
        for spec in clock.clocks.values()
        for one in (*spec.stopped_by, *spec.restarted_by)
    }
    assert signals <= named
