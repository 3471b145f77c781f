"""What tests share of any order."""

import os
from datetime import date

import orjson
from hypothesis import HealthCheck, Phase, settings

from schemas.gates import Points
from schemas.stages import Timer
from streams.domain.definition import prepare
from tests.support.variants import FIRST, scoring, stages, variant


def version(name, day, **changes):
    """Make a later version of the default funnel."""
    return variant(version=name, effective_from=date.fromisoformat(day), **changes)


WORTH = {
    **FIRST.scoring.points,
    "page_view": Points(points=20, daily=60),
    "call": Points(points=30),
}


DEFINITION = prepare(
    FIRST,
    version("2", "2025-11-20", **scoring(points=WORTH)),
    version(
        "3",
        "2026-02-01",
        **stages(mql={"decided_by": "gate", "timer": Timer(after="7 days", to="recycled")}),
    ),
    version(
        "4",
        "2026-05-01",
        **stages(sal={"authority": ("salesforce",)}, nurturing={"clocks": {}}),
    ),
)


SHRINK = [] if os.environ.get("LEADSTREAM_NO_SHRINK") else [Phase.shrink]


EXAMPLES = int(os.environ.get("LEADSTREAM_EXAMPLES", "300"))
WHOLE = 0 if "LEADSTREAM_EXAMPLES" in os.environ else 500  # of the property that holds the house up


PROPERTY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, *SHRINK],
)


class Sink:
    """What ClickHouse does: keep the highest revision of each fact, hide the tombstones."""

    def __init__(self):
        self.facts, self.states = {}, {}

    def take(self, lead, step):
        for change in step.changes:
            key = (lead, change.id, change.at)
            if key not in self.facts or self.facts[key].revision < change.revision:
                self.facts[key] = change
        if step.state and (
            lead not in self.states or self.states[lead].revision < step.state.revision
        ):
            self.states[lead] = step.state

    def visible(self):
        return {
            key: change.content for key, change in self.facts.items() if change.content is not None
        }

    def standing(self):
        return {
            lead: orjson.loads(state.content)
            for lead, state in self.states.items()
            if state.content is not None
        }
