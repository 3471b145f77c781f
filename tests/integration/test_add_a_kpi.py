"""docs/how-to/add-a-kpi.md, followed: its file, put beside the others, is a figure like any."""

import re
from decimal import Decimal

import pytest
import yaml

from schemas.funnel import BUILT_IN
from schemas.records import Target
from sinks.clickhouse import catalogue, kpis
from streams.intake.records import unknown
from tests.conftest import ROOT
from tests.integration.firm import FUNNEL, E, Firm
from tests.support.stories import DAY, T0

PAGE = (ROOT / "docs" / "how-to" / "add-a-kpi.md").read_text()
NAME = re.search(r"`sinks/clickhouse/kpis/(\w+\.sql)`", PAGE)[1]


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


@pytest.fixture
def firm(emptied, engine, tmp_path, monkeypatch):
    """A small firm with the page's file among the KPIs, and the page's line in its funnel."""
    for path in kpis.FILES.glob("*.sql"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / NAME).write_text(block("sql"))
    monkeypatch.setattr(catalogue, "FILES", tmp_path)
    catalogue.catalogue.cache_clear()
    named = yaml.safe_load(block("yaml"))["dimensions"]
    yield Firm(emptied, engine, FUNNEL.model_copy(update={"dimensions": tuple(named)}))
    catalogue.catalogue.cache_clear()


def test_the_page_s_own_test_holds(firm):
    written = {}
    exec(compile(block("python"), "add-a-kpi.md", "exec"), written)
    (test,) = [value for name, value in written.items() if name.startswith("test_")]
    test(firm)


def test_it_answers_by_every_dimension(firm):
    firm.lead((0, E.CREATED, {"segment": "north", "origin": "marketing"}))
    for by in ("", *BUILT_IN, *firm.funnel.dimensions):
        assert firm.one("returning", by=by).value == 0.0


def test_the_comment_at_its_top_is_what_people_read(firm):
    (kpi,) = [one for one in kpis.catalogue() if one.name == "returning"]
    assert (kpi.basis, kpi.meaning.startswith("of the journeys that began")) == ("period", True)


def test_a_file_without_name_basis_and_meaning_is_named(firm, tmp_path):
    (tmp_path / "40_bare.sql").write_text("-- counts leads\nSELECT 1 AS value\n")
    catalogue.catalogue.cache_clear()
    with pytest.raises(ValueError, match=r"40_bare\.sql: the comment at its top must say kpi"):
        kpis.catalogue()


def test_a_target_may_be_set_for_it(firm):
    days = {"start": "2026-01-01", "end": "2026-01-31"}
    target = Target(metric="returning", value=Decimal("0.1"), owner="ann", strategy="one", **days)
    assert [*unknown(target, FUNNEL)] == []


def test_the_parameters_that_the_page_names_are_given():
    named = {"start", "end", "asof", "zone", "ladder", "entry", "won"}
    assert named <= kpis.question(FUNNEL, T0, T0 + DAY, T0).parameters().keys()
    assert all(f"{{{name}}}" in PAGE for name in named)
