"""The guide use-your-own-stages.md is followed, from a firm's own file to a lead's way."""

import re

import pytest
import yaml

from schemas.funnel import Funnel
from schemas.reading import FUNNELS, load
from streams.domain.definition import prepare
from streams.domain.drawing import mermaid
from tests.conftest import ROOT
from tests.support.stories import DAY, DEAL, MQL, T0, E, facts, fold, history, path

GUIDE = (ROOT / "docs" / "how-to" / "use-your-own-stages.md").read_text()
BLOCK = yaml.safe_load(re.search(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)[1])


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    """Write the file as the guide says, over a copy of the shipped one.

    Return it, read as the commands read it.
    """
    file = tmp_path_factory.mktemp("funnel") / "own.yaml"
    file.write_text(
        yaml.safe_dump(
            {**yaml.safe_load((FUNNELS / "default.yaml").read_text()), **BLOCK}, sort_keys=False
        )
    )
    return prepare(load(file))


WAYS = [
    ("a form that the gate lets pass",
        [(0, E.CREATED, {"kind": "demo_form"}), (1, E.ACCEPTED, {})],
        "subscriber ready demo_booked"),
    ("a rejection",
        [(0, E.STAGE_REPORTED, MQL), (1, E.REJECTED, {"reason": "no-fit"})],
        "subscriber* ready out"),
    ("a deal that is won passes an optional stage by",
        [(0, E.CREATED, {}), (0.1, E.OPPORTUNITY_WON, DEAL)],
        "subscriber ready* demo_booked* demo_held* deal* closed_won"),
    ("a loss",
        [(0, E.OPPORTUNITY_CREATED, DEAL), (1, E.OPPORTUNITY_LOST, DEAL)],
        "subscriber* ready* demo_booked* demo_held* deal lost"),
    ("nobody decides", [(0, E.STAGE_REPORTED, MQL)], "subscriber* ready later asleep"),
    ("nobody hears of it again", [(0, E.CREATED, {})], "subscriber newsletter"),
]  # fmt: skip


@pytest.mark.parametrize(("events", "way"), [way[1:] for way in WAYS], ids=[way[0] for way in WAYS])
def test_leads_go_their_way_by_the_firms_own_names(definitions, events, way):
    assert path(fold(history(*events), under=definitions)) == way


def test_the_guide_names_every_role():
    roles = {stage.role for stage in load(FUNNELS / "default.yaml").stages.values()} - {None}
    assert all(f"`role: {role}`" in GUIDE for role in roles)


def guided(**changes):
    """Return the guide's funnel with some stages of the ladder changed."""
    whole = {**yaml.safe_load((FUNNELS / "default.yaml").read_text()), **BLOCK}
    ladder = {name: {**stage, **changes.get(name, {})} for name, stage in BLOCK["ladder"].items()}
    return prepare(Funnel.model_validate({**whole, "ladder": ladder}))


LATE = [
    (
        "a deal that a timer gave up and that is won all the same",
        {"after": "30 days", "to": "lost"},
        "closed_won",
    ),
    (
        "also where it may be taken back",
        {"after": "30 days", "to": "lost", "taken_back_within": "30 days"},
        "closed_won",
    ),
    (
        "also from another detour",
        {"after": "30 days", "to": "later", "taken_back_within": "30 days"},
        "closed_won",
    ),
]


@pytest.mark.parametrize(("timer", "end"), [one[1:] for one in LATE], ids=[one[0] for one in LATE])
def test_what_comes_back_from_a_timer_overrules_no_hand_off_that_people_decided(timer, end):
    events = history(
        (0, E.STAGE_REPORTED, MQL),
        (1, E.ACCEPTED, {}),
        (2, E.OPPORTUNITY_CREATED, DEAL),
        (40, E.OPPORTUNITY_WON, DEAL),
    )
    folded = fold(events, 41, guided(deal={"timer": timer}))
    assert path(folded).split()[-1] == end
    handoff = facts(folded, "handoff")[0][1]
    assert handoff["stage"] == "ready"
    assert (handoff["outcome"], handoff["decided_at"]) == ("accepted", events[1].at)


def test_the_team_that_a_lead_is_handed_to_may_write_about_it():
    handoff = {"to": "customer_success", "accepted_by": "demo_booked"}
    under = guided(ready={"owner": "marketing", "handoff": handoff})
    team = {"attributes": {"team": "customer_success"}}
    events = history((0, E.STAGE_REPORTED, MQL), (1, E.ACCEPTED, team))
    notes = [note["what"] for _, note, _ in facts(fold(events, 2, under), "note")]
    assert "not the owner" not in notes


def test_a_name_that_mermaid_could_not_read_is_drawn_as_a_label():
    whole = {**yaml.safe_load((FUNNELS / "default.yaml").read_text()), **BLOCK}
    text = yaml.safe_dump(whole, allow_unicode=True, sort_keys=False).replace(
        "demo_booked", "商談-1"
    )
    drawn = mermaid(prepare(Funnel.model_validate(yaml.safe_load(text))).first)
    assert 'state "Demo booked" as s2' in drawn
    assert "ready --> s2" in drawn


def test_customer_success_acknowledges_a_customer_without_a_move(definitions):
    events = history(
        (0, E.OPPORTUNITY_WON, DEAL),
        (1, E.ACCEPTED, {}),  # nobody says whose word it is: an echo of the first hand-off
        (2, E.ACCEPTED, {"attributes": {"team": "customer_success"}}),
    )
    for until, outcome in ((1.5, "pending"), (3, "accepted")):
        folded = fold(
            [event for event in events if event.at <= T0 + until * DAY], until, definitions
        )
        ledger = {row["stage"]: row["outcome"] for _, row, _ in facts(folded, "handoff")}
        assert ledger == {"closed_won": outcome}
        assert folded.state["stage"] == "closed_won"
