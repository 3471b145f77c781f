"""Olist in file order, in random order, and in two halves with a restart between: the same figures, and verify clean."""

import random

import pytest
import yaml

from tests.conftest import ROOT
from tests.integration.orders import same, split


@pytest.mark.timeout(1200)  # three imports of 8,842 rows, a restart and four verifies: more than one test's share
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
