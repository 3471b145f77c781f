"""Firms of other shapes: every figure is that of a slow count over what the dice wrote down."""

import pytest

from schemas.reading import FUNNELS, load
from sinks.clickhouse import kpis
from tests.integration.firm import Firm
from tests.support.firms import lives
from tests.support.slow_figures import Slow, approx, asked_of, figures
from tests.support.variants import stages, variant

EXAMPLES = FUNNELS / "examples"
FIRMS = [*sorted(path.stem for path in EXAMPLES.glob("*.yaml")), "default"]


def funnel_of(name):
    """Read a firm's funnel.

    The default one gets a system of its own, and no timer but the hand-off's.
    """
    if name != "default":
        return load(EXAMPLES / f"{name}.yaml")
    funnel = load(FUNNELS / "default.yaml")
    still = {name: {"timer": None} for name in funnel.stages if name != "mql"}
    sources = (*funnel.enabled_sources, "crm")
    return variant(**stages(funnel, **still), enabled_sources=sources)


@pytest.mark.parametrize("name", FIRMS)
def test_every_figure_is_that_of_a_slow_count(emptied, engine, name):
    firm = Firm(emptied, engine, funnel_of(name))
    stories = lives(firm.funnel, 60, seed=7)
    for life in stories:
        firm.lead(*life.sent, until=400.0)
    slow = Slow(firm.funnel, stories, 0, 70, 400)
    for kpi in asked_of(firm.funnel):
        found = firm.ask(kpi, start=0, end=70, asof=400.0)
        assert figures(kpi, found) == approx(getattr(slow, kpi)()), kpi


def test_what_a_funnel_lacks_is_not_applicable_with_the_reason(emptied, engine):
    firm = Firm(emptied, engine, funnel_of("sales-led"))
    lacking = {one["kpi"]: one for one in firm.ask_all() if one["basis"] == kpis.NOT_APPLICABLE}
    why = {name: one["dimensions"]["why"] for name, one in lacking.items()}
    assert why["acceptance"] == "no stage hands a lead off"
    assert why["recycle"] == "no stage is recycled"
    assert why["disagreement"] == "no stage has a gate"
    assert all(one["value"] is None and one["n"] is None for one in lacking.values())


def test_the_command_line_shows_figures_by_the_titles_of_the_firm():
    funnel = funnel_of("japanese")
    figure = {"stage": "見込み", "next_stage": "商談", "clock": "見込み.判断", "source": "見込み"}
    assert funnel.shown(figure) == {
        "stage": "見込み客",
        "next_stage": "商談中",
        "clock": "見込み客.判断",
        "source": "見込み",
    }
