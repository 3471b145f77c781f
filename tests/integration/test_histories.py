"""The same history in file order, in random order, and in two halves with a restart between: the same figures, and verify clean."""

import csv
import json
import random

import pytest
import yaml

from sinks.clickhouse import kpis
from streams.embedded.stack import Stack
from tests.conftest import ROOT, run_cli
from tests.integration import histories, invariants

AS_OF = "2026-11-01"


def imported(home, *folders, funnel, seconds=280):
    """Import folders one after the other into a new home, with a restart between them; give every figure."""
    for folder in folders:
        with Stack(home, funnel) as stack:
            report = run_cli("import", folder / "mapping.yaml", "--data", folder, "--json", home=home, timeout=seconds)[1]
            assert report["rejected"] == []
            invariants.hold(*invariants.of(stack))
            found = run_cli("kpis", "--json", "--as-of", AS_OF, home=home)[1]
    return {json.dumps([figure["kpi"], figure["basis"], figure["dimensions"]], sort_keys=True): figure for figure in found if figure["basis"] != kpis.ARRIVAL}


def same(tmp_path, ways, **options):
    first, *others = [imported(tmp_path / f"home-{name}", *folders, **options) for name, folders in ways.items()]
    assert len(first) > 10
    for other in others:
        assert other == first


def split(folder, one, two, chosen):
    """Share out the rows of every file of a folder; `chosen` says of a row whether it goes into the first."""
    for target in (one, two):
        target.mkdir()
        (target / "mapping.yaml").write_text((folder / "mapping.yaml").read_text())
    for path in folder.glob("*.csv"):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for target, wanted in ((one, True), (two, False)):
            with (target / path.name).open("w", newline="") as out:
                writer = csv.DictWriter(out, rows[0])
                writer.writeheader()
                writer.writerows(row for number, row in enumerate(rows) if chosen(number, row) is wanted)
    return one, two


def generated(tmp_path, leads, *, apart, **options):
    """Import a generated history in file order, and shuffled in two halves; `apart`, also shuffled as a whole."""
    whole, shuffled = tmp_path / "lead", tmp_path / "random"
    histories.write(whole, leads)
    histories.write(shuffled, leads, order="random")
    halves = split(shuffled, tmp_path / "one", tmp_path / "two", lambda number, _row: number % 2 == 0)
    ways = {"file": [whole], **({"random": [shuffled]} if apart else {}), "random halves": halves}
    same(tmp_path, ways, funnel="default", **options)


def test_a_generated_history_gives_the_same_figures_in_any_order_and_over_a_restart(tmp_path):
    generated(tmp_path, 300, apart=False)


@pytest.mark.long
@pytest.mark.timeout(4 * 3600)
def test_two_hundred_thousand_leads_give_the_same_figures_in_any_order_and_over_a_restart(tmp_path):
    generated(tmp_path, 200_000, apart=True, seconds=3600)


def test_olist_gives_the_same_figures_in_any_order_and_over_a_restart(olist, tmp_path):
    spec = yaml.safe_load((ROOT / "schemas" / "mappings" / "olist.yaml").read_text())
    whole, shuffled = tmp_path / "whole", tmp_path / "shuffled"
    for folder, order in ((whole, False), (shuffled, True)):
        folder.mkdir()
        (folder / "mapping.yaml").write_text(yaml.safe_dump({**spec, "order": "file"}))
        for named in spec["files"]:
            head, *lines = (olist / named["file"]).read_text().splitlines()
            if order:
                random.Random(1).shuffle(lines)
            (folder / named["file"]).write_text("\n".join([head, *lines]) + "\n")
    halves = split(shuffled, tmp_path / "one", tmp_path / "two", lambda number, _row: number % 2 == 0)
    same(tmp_path, {"file": [whole], "random": [shuffled], "random halves": halves}, funnel="olist")
