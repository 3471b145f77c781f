"""An older file is rewritten whatever stands in it; what is wrong is left for the check to name."""

import copy

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import first_form
from schemas.funnel import Funnel
from tests.conftest import ROOT
from tests.support.shuffling import EXAMPLES, PROPERTY

OLD = yaml.safe_load((ROOT / "tests" / "golden" / "funnels" / "default.first.yaml").read_text())
ODD = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=4),
    st.lists(st.one_of(st.text(max_size=3), st.dictionaries(st.text(max_size=2), st.none()))),
    st.dictionaries(st.text(max_size=3), st.one_of(st.none(), st.text(max_size=3), st.integers())),
)


def places(value, path=()):
    yield path
    children = value.items() if isinstance(value, dict) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@st.composite
def spoiled(draw):
    """Put something odd in a place of the old file."""
    raw = copy.deepcopy(OLD)
    *path, last = draw(st.sampled_from([path for path in places(OLD) if path]))
    there = raw
    for key in path:
        there = there[key]
    there[last] = draw(ODD)
    return raw


@settings(PROPERTY, max_examples=min(EXAMPLES, 60))  # each reads a whole definition
@given(spoiled())
def test_a_spoiled_file_is_rewritten_to_yaml_that_the_check_can_judge(raw):
    if not first_form.is_first(raw):
        return
    again = yaml.safe_load(first_form.text(first_form.renewed(raw)))
    assert not first_form.is_first(again) or "aside" not in again
    try:
        Funnel.model_validate(again)
    except ValidationError as error:
        assert error.errors()
