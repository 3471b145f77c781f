"""Each figure's file says what people read of it; one that does not is named."""

import pytest

from schemas.reading import FUNNELS, load
from sinks.clickhouse import catalogue

GOOD = """-- kpi: odd
-- title: Odd
-- basis: period
-- figure: count
-- rows: stage, next_stage
-- unit: leads
-- better: higher
-- needs: recycled or lost
-- meaning: what a sentence says,
-- over two lines
SELECT
  event_time AS at,
  lead_id,
  if(a = 1, 'x', 'y') AS stage -- no column, FROM here
FROM transitions
"""


def read(tmp_path, text):
    path = tmp_path / "99_odd.sql"
    path.write_text(text)
    return catalogue._read(path)


def test_a_file_says_what_people_read_of_its_figure(tmp_path):
    kpi = read(tmp_path, GOOD)
    assert (kpi.name, kpi.rows, kpi.needs) == ("odd", ("stage", "next_stage"), ("recycled", "lost"))
    assert kpi.meaning == "what a sentence says, over two lines"
    assert (kpi.format, kpi.filters, kpi.written) == ("integer", "all", "")
    assert kpi.columns == ("at", "lead_id", "stage")
    assert not kpi.split
    assert not kpi.of_states


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (GOOD.replace("-- unit: leads\n", ""), "must say unit"),
        (GOOD.replace("basis: period", "basis: week"), "basis is 'week'; it is one of period"),
        (GOOD.replace("unit: leads", "unit: euros"), "unit is 'euros'; it is one of leads"),
        (GOOD.replace("figure: count", "figure: written"), "goes with `figure: written`"),
        (GOOD + "-- figure\nSELECT 1\n", "goes with `figure: written`"),
        (GOOD.replace("-- better: higher", "-- better: more"), "better is 'more'"),
        ("SELECT 1\n", "must say kpi, title"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path, wrong, why):
    with pytest.raises(ValueError, match=r"^99_odd\.sql: ") as error:
        read(tmp_path, wrong)
    assert why in str(error.value)


def test_what_a_file_says_of_each_figure_can_be_shown():
    found = catalogue.catalogue()
    assert len({kpi.name for kpi in found}) == len({kpi.title for kpi in found}) == len(found)
    for kpi in found:
        assert kpi.unit in catalogue.FORMATS
        assert not kpi.members or {"at", "lead_id", "journey"} <= {*kpi.columns}, kpi.name


def test_a_figure_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'inflo' is no KPI; ask for one of inflow, outflow"):
        catalogue.named("inflo")


def test_a_funnel_lacks_what_none_of_its_stages_is():
    shape = load(FUNNELS / "examples" / "sales-led.yaml").shape()
    assert catalogue.lacking(catalogue.named("acceptance"), shape) == "no stage hands a lead off"
    assert catalogue.lacking(catalogue.named("inflow"), shape) == ""
