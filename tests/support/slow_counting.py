"""All figures as they are counted slowly, and those of the product in the same form."""

import pytest

from tests.support import (
    slow_kpis_of_deals,
    slow_kpis_of_handoffs,
    slow_kpis_of_records,
    slow_kpis_of_stages,
)
from tests.support.slow_kpis import KPIS, NUMBERS

PARTS = (slow_kpis_of_stages, slow_kpis_of_handoffs, slow_kpis_of_deals, slow_kpis_of_records)
SLOW = KPIS  # each part registers its own
TWO_BASES = ("win_rate", "cycle_time", "lost_cycle")


def of_product(figures):
    """Return documents as the slow count names them: numbers by (basis, dimensions)."""
    return {
        (
            one["basis"] if one["kpi"] in TWO_BASES else "",
            tuple(sorted((k, v) for k, v in one["dimensions"].items() if k != "ignores")),
        ): {name: one[name] for name in NUMBERS}
        for one in figures
    }


def approximate(counted):
    return {
        key: {
            name: None if numbers.get(name) is None else pytest.approx(float(numbers[name]))
            for name in NUMBERS
        }
        for key, numbers in counted.items()
    }
