"""The bridge from a saved report to today's: it names each lead that changed it, and why."""

import time
from collections import defaultdict

import pytest

from streams.domain.aliases import origin_id
from streams.embedded.stack import Stack
from streams.intake import arrival
from tests.benchmarks.preview import stricter
from tests.conftest import run_cli
from tests.integration import invariants
from tests.support.posting import cloudevent, secret, take

pytestmark = pytest.mark.ci
DAY = 86_400
START = time.time() - 60 * DAY
MQL = {"stage": "mql"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("bridge") / "home", "default") as running:
        yield running


class Told:
    """Leads of a stack by short names, in days after the start."""

    def __init__(self, stack):
        self.stack, self.count = stack, 0

    def event(self, name, kind, day, /, **data):
        self.count += 1
        identity = f"{name}-{self.count}"
        take(
            self.stack,
            cloudevent(kind, identity, START + day * DAY, f"{name}@example.com", **data),
        )
        return f"cloudevents:{identity}"

    def lead(self, name):
        key = secret(self.stack, "IDENTITY_KEY").encode()
        return origin_id(key, f"email:{name}@example.com")

    def settled(self):
        client, settings = invariants.of(self.stack)
        arrival.settled(lambda: client, settings.partitions)


def asked(*more):
    first, last = (time.strftime("%Y-%m-%d", time.gmtime(START + day * DAY)) for day in (-2, 30))
    names = ("inflow", "acceptance", "step_conversion", "pipeline", "revenue", "regression")
    return ("kpis", "--from", first, "--to", last, *(f"--kpi={name}" for name in names), *more)


def causes(found, kpi="inflow", **dimensions):
    """Give the leads of each cause of a figure that changed."""
    named = defaultdict(set)
    for figure in found["figures"]:
        assert_sums(figure)
        if figure["kpi"] == kpi and dimensions.items() <= figure["dimensions"].items():
            for part in figure["parts"]:
                named[part["cause"]] |= {lead["lead"] for lead in part["leads"]}
    return dict(named)


def assert_sums(figure):
    from decimal import Decimal

    changes = sum(Decimal(str(part["change"])) for part in figure["parts"])
    assert Decimal(str(figure["saved"])) + changes == Decimal(str(figure["now"])), figure
    for part in figure["parts"]:
        listed = sum(Decimal(str(lead["change"])) for lead in part["leads"])
        assert listed == Decimal(str(part["change"])) or part["cause"] == "erased"


def test_each_change_of_a_frozen_report_has_its_cause_and_its_leads(stack, tmp_path):
    told = Told(stack)
    for number in range(12):
        told.event(f"plain{number}", "lead.created", 1)
        told.event(f"plain{number}", "lead.stage_reported", 2, **MQL)
    mistake = told.event("mistake", "lead.created", 1)
    told.event("mistake", "touch", 1.5, kind="email", direction="automated")
    for twin in ("twin", "double"):
        told.event(twin, "lead.created", 1)
    deal = {"id": "d1", "amount": "100", "currency": "EUR"}
    told.event("returner", "opportunity.created", 3, deal=deal, origin="marketing")
    told.event("returner", "opportunity.lost", 5, deal=deal)
    told.event("spammer", "lead.stage_reported", 2, **MQL)
    told.event("forgotten", "lead.created", 1)
    told.settled()
    saved = tmp_path / "report.json.gz"
    run_cli(*asked("--save", saved), home=stack.home)
    unchanged = run_cli("kpis", "--since", saved, "--json", home=stack.home)[1]
    assert all(not figure["parts"] for figure in unchanged["figures"])

    for number in range(3):
        told.event(f"late{number}", "lead.created", 4)
    told.event("plain0", "lead.accepted", 4)
    told.event("mistake", "void", 6, voids=mistake)
    told.event("returner", "opportunity.stage_changed", 6, deal={"id": "d1", "stage": "open"})
    told.event("spammer", "lead.rejected", 3, reason="spam")
    run_cli("merge", "twin@example.com", "double@example.com", home=stack.home)
    told.event("forgotten", "erase", 7)
    told.settled()
    found = run_cli("kpis", "--since", saved, "--json", home=stack.home)[1]

    entry = causes(found, stage="inquiry")
    assert entry["late"] == {told.lead(f"late{number}") for number in range(3)}
    assert entry["voided"] == {told.lead("mistake")}
    assert entry["merged"] <= {told.lead("twin"), told.lead("double")}
    assert set(entry) == {"late", "voided", "merged", "erased"}
    assert causes(found, stage="sal")["late"] == {told.lead("plain0")}
    assert causes(found, stage="lost") == {"reopened": {told.lead("returner")}}
    assert causes(found, "step_conversion", stage="mql")["excluded"] == {told.lead("spammer")}
    assert "late" in causes(found, "acceptance")

    again = tmp_path / "again.json"
    run_cli(*asked("--save", again), home=stack.home)
    run_cli("adopt", stricter(tmp_path / "stricter.yaml"), "--json", home=stack.home)
    told.settled()
    after = run_cli("kpis", "--since", again, "--json", home=stack.home)[1]
    assert {
        cause
        for figure in after["figures"]
        for cause in causes({"figures": [figure]}, figure["kpi"])
    } <= {"definition"}


def test_a_file_that_is_no_report_is_refused_with_the_command_that_writes_one(stack, tmp_path):
    (tmp_path / "list.json").write_text("[]")
    code, _, error = run_cli(
        "kpis", "--since", tmp_path / "list.json", home=stack.home, check=False
    )
    assert code == 1
    assert "leadstream kpis --save" in error.replace("\n", " ")
