"""A report of figures fits a terminal, and nothing that tells its rows apart is cut."""

import csv
import io
import json
import random

from schemas.reading import FUNNELS, load
from sinks.clickhouse import kpis
from sinks.clickhouse.catalogue import catalogue
from streams.cli.figures import WIDTH, readable, table

FUNNEL = load(FUNNELS / "default.yaml")
LONG = "a-campaign-of-a-name-" * 6
NAMES = ("", "meta", "a campaign of several words, with a comma", LONG, "春のキャンペーン")
SPAN = {
    "zone": "America/Argentina/ComodRivadavia",
    "from": "2026-01-01T00:00:00-03:00",
    "to": "2026-02-01T00:00:00-03:00",
    "as_of": "2026-03-01T00:00:00-03:00",
}


def report(dice):
    asked = kpis.question(FUNNEL, 0, 1, 1, "source")
    figures = []
    for kpi in catalogue():
        for _ in range(3):
            values = {row: dice.choice([*NAMES, "mql", "mql.first_touch"]) for row in kpi.rows}
            values |= {"currency": "EUR"} if "currency" in values else {}
            values |= {"by": dice.choice(NAMES)} if kpi.split else {}
            values |= {"basis": "cohort"} if kpi.basis == "both" else {}
            numbers = {name: dice.choice([None, 0, 7, 12_345_678]) for name in kpis.FIGURES}
            figure = kpis.figure_of(kpi, {**values, **numbers}, asked)
            note = dice.choice(["", "no enabled source reports sql: every entry is implied"])
            figures.append({**figure, "previous": dice.choice([None, 0.25, 1e9]), "note": note})
    why = {"why": kpis.PAST_NEEDS_ARCHIVE}
    figures.append({**figures[0], "basis": kpis.NOT_APPLICABLE, "value": None, "dimensions": why})
    return {"period": SPAN, "before": SPAN, "figures": figures}


def test_no_line_is_wider_than_a_terminal_but_for_one_name_that_is():
    for seed in range(20):
        found = report(random.Random(seed))
        for line in readable(found, FUNNEL):
            assert len(line) <= WIDTH or len(line.split()) == 1 or LONG in line.split(), line


def test_nothing_that_tells_rows_apart_is_cut():
    for seed in range(20):
        found = report(random.Random(seed))
        for figure in found["figures"]:
            text = " ".join(" ".join(readable({**found, "figures": [figure]}, FUNNEL)).split())
            for value in FUNNEL.shown(figure["dimensions"]).values():
                assert str(value) in text, figure


def test_what_is_printed_as_csv_reads_back():
    found = report(random.Random(1))["figures"]
    rows = list(csv.DictReader(io.StringIO(table(found))))
    assert len(rows) == len(found)
    for row, figure in zip(rows, found, strict=True):
        assert row["kpi"] == figure["kpi"]
        assert json.loads(row["dimensions"]) == figure["dimensions"]
        for name in ("value", "previous", *kpis.FIGURES[1:]):
            assert (row[name] == "") == (figure[name] is None), name
            assert row[name] == "" or float(row[name]) == figure[name]
