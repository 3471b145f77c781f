"""The list of mutants stays true: each names a text that stands exactly once in its file."""

import pytest

from tests.conftest import ROOT
from tests.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.rule for mutant in MUTANTS])
def test_a_mutants_text_stands_once(mutant):
    assert (ROOT / mutant.file).read_text().count(mutant.old) == 1
    assert mutant.new != mutant.old


def test_no_two_mutants_have_one_name():
    assert len({mutant.rule for mutant in MUTANTS}) == len(MUTANTS) >= 20
