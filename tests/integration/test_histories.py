"""A generated history in file order, in random order, and in two halves with a restart between: the same figures, and verify clean."""

import pytest

from tests.integration import histories
from tests.integration.orders import same, split


def generated(tmp_path, leads, *, apart, **options):
    """Import a generated history in file order, and shuffled in two halves; `apart`, also shuffled as a whole."""
    whole, shuffled = tmp_path / "lead", tmp_path / "random"
    histories.write(whole, leads)
    histories.write(shuffled, leads, order="random")
    halves = split(shuffled, tmp_path / "one", tmp_path / "two", lambda number, _row: number % 2 == 0)
    ways = {"file": [whole], **({"random": [shuffled]} if apart else {}), "random halves": halves}
    same(tmp_path, ways, funnel="default", **options)


@pytest.mark.timeout(1200)  # three stacks and as many imports, as in test_olist_orders
def test_a_generated_history_gives_the_same_figures_in_any_order_and_over_a_restart(tmp_path):
    generated(tmp_path, 300, apart=False)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_two_hundred_thousand_leads_give_the_same_figures_in_any_order_and_over_a_restart(tmp_path):
    generated(tmp_path, 200_000, apart=True, seconds=3600)
