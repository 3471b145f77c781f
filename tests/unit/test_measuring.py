"""Which stages nothing can report, so that every conversion into them is implied."""

import pytest

from schemas.reading import FUNNELS, load
from streams.sources.measuring import not_reported

FUNNEL = load(FUNNELS / "default.yaml")


@pytest.mark.parametrize(
    ("sources", "silent"),
    [
        (("hubspot",), ["sal"]),
        (("hubspot", "salesforce"), []),
        (("pipedrive",), ["sal", "sql"]),
        (("segment",), ["sal", "sql", "opportunity", "customer"]),
        (("segment", "cloudevents"), []),
        (("segment", "crm-of-our-own"), []),
    ],
)
def test_a_stage_is_reported_by_a_gate_a_mapped_word_a_deal_or_a_system_of_ones_own(
    sources, silent
):
    assert not_reported(FUNNEL.model_copy(update={"enabled_sources": sources})) == silent
