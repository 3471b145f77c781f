"""Firms of other shapes: every figure is that of a slow count over what the dice wrote down."""

import pytest

from schemas.reading import FUNNELS, load
from sinks.clickhouse import kpis
from tests.integration.firm import Firm
from tests.support.firms import lives
from tests.support.slow_figures import Slow

EXAMPLES = FUNNELS / "examples"
FIRMS = [*sorted(path.stem for path in EXAMPLES.glob("*.yaml")), "default"]
COMMON = ("inflow", "outflow", "balance", "step_conversion", "conversion", "throughput", "win_rate")
OF_HANDOFFS = ("acceptance", "rejection", "no_decision", "sales_sourced")


def funnel_of(name):
    """Read a firm's funnel; its leads come of a system of its own."""
    folder = FUNNELS if name == "default" else EXAMPLES
    funnel = load(folder / f"{name}.yaml")
    sources = (*funnel.enabled_sources, "crm")
    return funnel.model_copy(update={"enabled_sources": tuple(dict.fromkeys(sources))})


@pytest.mark.parametrize("name", FIRMS)
def test_every_figure_is_that_of_a_slow_count(emptied, engine, name):
    firm = Firm(emptied, engine, quiet(funnel_of(name)))
    stories = lives(firm.funnel, 120, seed=7)
    for life in stories:
        firm.lead(*life.sent, until=400.0)
    slow = Slow(firm.funnel, stories, 0, 70, 400)
    shape = firm.funnel.shape()
    names = [*COMMON, "cycle_time"]
    names += OF_HANDOFFS if shape.handoffs else ()
    names += ["recycle"] if shape.recycled else ()
    for kpi in names:
        found = {
            key(one): (one.value, one.numerator, one.denominator)
            for one in firm.ask(kpi, start=0, end=70, asof=400.0)
            if one.basis in ("period", "now", "cohort") and wanted(kpi, one)
        }
        assert found == approx(getattr(slow, kpi)()), kpi


def quiet(funnel):
    """Return a funnel whose leads stay where their last event put them, but for unanswered hand-offs."""
    handing = {one.stage for one in funnel.shape().handoffs}
    parts = {
        part: {
            name: stage if name in handing else stage.model_copy(update={"timer": None})
            for name, stage in getattr(funnel, part).items()
        }
        for part in ("ladder", "aside")
    }
    return funnel.model_copy(update=parts)


def wanted(kpi, one):
    """Of figures on two bases, take those of the period."""
    return kpi not in ("win_rate", "cycle_time") or one.basis == "period"


def key(one):
    return tuple(sorted((name, value) for name, value in one.dimensions.items()))


def approx(figures):
    return {
        name: tuple(part if part is None else pytest.approx(part) for part in figure)
        for name, figure in figures.items()
    }


def test_what_a_funnel_lacks_is_not_applicable_with_the_reason(emptied, engine):
    firm = Firm(emptied, engine, funnel_of("sales-led"))
    figures = {one["kpi"]: one for one in firm.ask_all() if one["basis"] == kpis.NOT_APPLICABLE}
    why = {name: one["dimensions"]["why"] for name, one in figures.items()}
    assert why["acceptance"] == "no stage hands a lead off"
    assert why["recycle"] == "no stage is recycled"
    assert why["disagreement"] == "no stage has a gate"
    assert all(one["value"] is None and one["n"] is None for one in figures.values())
