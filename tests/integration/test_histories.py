"""A long history in file order, random order, or two parts: the same figures, and verify clean.

Of a short one, test_generations holds a preview of file order to an import of random parts.
"""

import pytest

from tests.integration import histories
from tests.integration.orders import imported, split


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_two_hundred_thousand_leads_give_the_same_figures_in_any_order_and_over_a_restart(tmp_path):
    whole, shuffled = tmp_path / "lead", tmp_path / "random"
    histories.write(whole, 200_000)
    histories.write(shuffled, 200_000, order="random")
    parts = split(shuffled, tmp_path / "one", tmp_path / "two")
    first = imported(tmp_path / "home-lead", whole, funnel="default", timeout=3600)
    assert len(first) > 10
    assert imported(tmp_path / "home-random", shuffled, funnel="default", timeout=3600) == first
    assert imported(tmp_path / "home-parts", *parts, funnel="default", timeout=3600) == first
