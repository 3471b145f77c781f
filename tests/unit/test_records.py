"""Targets, rates and answers: what a file may state, its faults, and unreadable records."""

from datetime import date
from decimal import Decimal
from types import SimpleNamespace

import orjson
import pytest
from faust.types import TP

from schemas import topics
from schemas.deadletters import LetterKind
from schemas.reading import FUNNELS, load
from schemas.records import Rate, Spend, SurveyAnswer, Target
from sinks.clickhouse.writer import Written
from streams.agents.deliver import Deliver
from streams.intake.records import RecordsError, read
from tests.support.kafka import record

FUNNEL = load(FUNNELS / "default.yaml")
ANSWER = (
    '{"record": "answer", "survey": "s", "question": "q", "respondent": "00112233445566aa", '
    '"team": "sales", "answered_at": 1, "score": 4}'
)
COST = (
    '{"record": "spend", "platform": "fair", "account": "1", "day": "2026-01-31", '
    '"amount": "900.50", "currency": "EUR", "campaign": "Hall 7"}'
)


def test_a_yaml_file_and_json_lines_say_the_same(tmp_path):
    yaml, lines = tmp_path / "a.yaml", tmp_path / "a.jsonl"
    yaml.write_text("""
targets:
  - {metric: inflow, value: 120, owner: ann, start: 2026-01-01, end: 2026-03-31,
     dimensions: {stage: mql}, shared: true, strategy: growth}
rates:
  - {currency: USD, reporting: EUR, day: 2026-01-02, rate: "0.92"}
spend:
  - {platform: fair, account: "1", day: 2026-01-31, amount: "900.50", currency: EUR,
     campaign: Hall 7}
answers:
  - {survey: s, question: q, respondent: 00112233445566aa, team: sales, answered_at: 1, score: 4}
""")
    lines.write_text(
        '{"record": "target", "metric": "inflow", "value": "120", "owner": "ann",'
        ' "start": "2026-01-01", "end": "2026-03-31",'
        ' "dimensions": {"stage": "mql"}, "shared": true, "strategy": "growth"}\n\n'
        '{"record": "rate", "currency": "USD", "reporting": "EUR", "day": "2026-01-02",'
        f' "rate": "0.92"}}\n{COST}\n{ANSWER}\n'
    )
    made = read(yaml, FUNNEL)
    assert made == read(lines, FUNNEL)
    assert [type(one) for one in made] == [Target, Rate, Spend, SurveyAnswer]
    target = (made[0].value, made[0].end, made[0].scope)
    assert target == (Decimal(120), date(2026, 3, 31), '{"stage":"mql"}')


TARGET = (
    '{"record": "target", "metric": "inflow", "value": 1, "owner": "a", '
    '"start": "2026-01-01", "end": "2026-01-31", "strategy": "s"%s}'
)
RATE = '{"record": "rate", "currency": "%s", "reporting": "EUR", "day": "2026-01-01", "rate": %s}'
WRONG = [
    ("{", "no JSON"),
    ("[1]", "no object"),
    ('{"record": "goal"}', "record 'goal' is none of target, rate, spend, answer"),
    (TARGET.replace("inflow", "clicks") % "", "'clicks' is no KPI"),
    (TARGET.replace("inflow", "attainment") % "", "'attainment' is no KPI"),
    (TARGET % ', "dimensions": {"stage": "won"}', "'won' is no stage"),
    (
        TARGET % ', "dimensions": {"source": "meta", "segment": "smb"}',
        "not by segment and source at once",
    ),
    (TARGET.replace("2026-01-31", "2025-01-31") % "", "the period's end lies before its start"),
    (TARGET.replace('"value": 1', '"value": 0') % "", "value: Input should be greater than 0"),
    (TARGET % ', "vlaue": 3', "vlaue: Extra inputs are not permitted"),
    (RATE % ("USD", "0.9"), "rate: Input should be a valid string"),
    (RATE % ("USD", '"0.0"'), "a rate of 0"),
    (RATE % ("EUR", '"1"'), "needs no rate to itself"),
    (ANSWER.replace("00112233445566aa", "jane@example.com"), "respondent: String should match"),
    (ANSWER, "repeats the record of line 1"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "reason"), WRONG, ids=[reason for _, reason in WRONG])
def test_a_wrong_line_is_named_with_its_number_and_reason(tmp_path, line, reason):
    path = tmp_path / "wrong.jsonl"
    path.write_text(f"{ANSWER}\n{line}\n")
    with pytest.raises(RecordsError, match=reason) as caught:
        read(path, FUNNEL)
    assert [problem.line for problem in caught.value.problems] == [2]
    assert str(caught.value).startswith(f"{path}:2: ")


def test_a_yaml_file_names_the_lines_of_all_its_mistakes(tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "goals: []\nrates:\n"
        "  - {currency: usd, reporting: EUR, day: 2026-01-02, rate: '1'}\n"
        "  - 5\n"
    )
    with pytest.raises(RecordsError) as caught:
        read(path, FUNNEL)
    assert [problem.line for problem in caught.value.problems] == [1, 3, 4]
    path.write_text("a: [")
    with pytest.raises(RecordsError, match="expected the node content"):
        read(path, FUNNEL)
    path.write_text("- 1\n")
    with pytest.raises(RecordsError, match="no mapping"):
        read(path, FUNNEL)


def test_a_record_that_nobody_can_read_stops_no_other():
    written = []
    writer = SimpleNamespace(write=lambda batch: written.append(batch.rows) or Written())
    good = (
        Rate(currency="USD", reporting="EUR", day="2026-01-02", rate="0.9")
        .model_dump_json()
        .encode()
    )
    records = [
        record(value, topics.RATES, offset=n, timestamp=7)
        for n, value in enumerate((b"{", b"{}", None, b"[1]", good))
    ]
    refused = Deliver(writer).write([(TP(topics.RATES, 0), records)])
    assert [one.record.offset for one in refused] == [0, 1, 2, 3]
    assert {one.kind for one in refused} == {LetterKind.REFUSED}
    assert written == [{"rates": [["USD", "EUR", date(2026, 1, 2), Decimal("0.9"), 7]]}]


def test_an_edge_whose_receipt_is_no_time_stops_no_other():
    """Its row is written, and then the sink computed with it: every topic stood, at each start."""
    edge = [0, 0, "e", "link", [0, "", "a", ""], [0, "", "b", ""]]
    bodies = [
        orjson.dumps({"t": "edge", "edge": edge, "received_at": at})
        for at in ("x", None, 1.5, True)
    ]
    records = [
        record(body, topics.TOUCHES, key=b"00000000-0000-8000-8000-000000000001", offset=n)
        for n, body in enumerate(bodies)
    ]
    refused = Deliver(SimpleNamespace(write=lambda _batch: Written())).write(
        [(TP(topics.TOUCHES, 0), records)]
    )
    assert [one.record.offset for one in refused] == [0, 1, 2, 3]
