"""Definitions: every error with its line and a hint."""

import re

import pytest

from schemas.funnel import FUNNELS, Duration, FunnelError, load

ERRORS = [
    ("threshold: 50", "thresold: 50", r":\d+: gate\.thresold: Extra inputs"),
    ("zone: Europe/Paris\n  week_start", "zone: Europe/Pariss\n  week_start", r"no IANA time zone"),
    ("timer: {after: 14 days, to: recycled", "timer: {after: 14 dayz, to: recycled", r"is no duration: write '5 minutes'"),
    ("to: nurturing}", "to: nurture}", r"stages\.inquiry\.timer\.to: 'nurture' is no stage; write one of"),
    ("owner: joint", "owner: nobody", r"stages\.mql\.owner: 'nobody' is no team"),
    ("hot: [demo_form, ", "hot: [demo, ", r"gate\.hot: 'demo' is no touch with points"),
]


@pytest.mark.parametrize(("good", "bad", "said"), ERRORS)
def test_an_error_names_its_line_and_what_to_write(tmp_path, good, bad, said):
    text = (FUNNELS / "default.yaml").read_text()
    assert good in text
    path = tmp_path / "funnel.yaml"
    path.write_text(text.replace(good, bad))
    with pytest.raises(FunnelError) as caught:
        load(path)
    assert re.search(said, str(caught.value))
    wanted = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if bad.split("\n")[0] in line)
    assert abs(caught.value.problems[0].line - wanted) <= 12


def test_both_shipped_definitions_are_good():
    assert load(FUNNELS / "default.yaml").funnel == "default"
    assert load(FUNNELS / "olist.yaml").reporting.zone == "America/Sao_Paulo"


def test_a_duration_is_written_as_it_is_read():
    assert str(Duration.read("3 business days")) == "3 business days"
    with pytest.raises(ValueError, match="no duration"):
        Duration.read("0 days")
