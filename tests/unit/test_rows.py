"""Rows of the sink: as many values as columns, for every table."""

import orjson

from schemas.deadletters import Letter, Mark
from schemas.facts import FactKind
from schemas.records import Rate, Spend, SurveyAnswer, Target
from sinks.clickhouse.batch import Batch
from sinks.clickhouse.rows import ORDER, TABLES, columns_of


def test_every_kind_of_fact_has_a_table_and_every_row_as_many_values_as_columns():
    assert set(TABLES) == {kind.value for kind in FactKind}
    batch = Batch()
    common = {"lead": "l", "generation": 1, "partition": 0, "offset": 1, "revision": 1}
    for kind in TABLES:
        batch.fact({**common, "id": "f", "kind": kind, "journey": 1, "at": 0, "content": "{}"})
        batch.fact({**common, "id": "f", "kind": kind, "journey": 1, "at": 0, "content": None})
    late = {"stage": "mql", "status": "breached", "due_at": 1}
    clock = {"id": "f", "kind": "clock", "journey": 1, "at": 0}
    batch.fact({**common, **clock, "content": orjson.dumps(late).decode()})
    batch.state({**common, "content": orjson.dumps({"stage": "mql"}).decode()})
    batch.touch(
        0,
        1,
        "l",
        {"record": "event", "event": [0, 0, 0, "e", "o", "touch", "{}"], "received_at": 1},
    )
    batch.touch(
        0,
        1,
        "l",
        {
            "record": "edge",
            "edge": [0, 0, "e", "link", [0, "", "a", ""], [0, "", "b", ""]],
            "received_at": 1,
        },
    )
    batch.letter(
        Letter(
            id="t:0:1:0",
            topic="t",
            partition=0,
            offset=1,
            worker="w",
            kind="refused",
            reason="why",
            stamp=1,
        )
    )
    batch.cut({"generation": 1, "partition": 0, "next_offset": 1, "now": 1})
    batch.archived(0, 1)
    hole = {
        "worker": "w",
        "topic": "t",
        "partition": 0,
        "first": 1,
        "following": 2,
        "accepted_at": 1,
    }
    batch.definition(
        {
            "generation": 1,
            "funnel_version": "1",
            "effective_from": 0,
            "digest": "d",
            "content": "{}",
        }
    )
    batch.alias({"alias": "a", "kind": "email", "origin": "o", "what": "full"})
    batch.hole({"generation": 1, **hole})
    batch.spend(Spend(platform="p", account="a", day="2026-01-01", amount="1", currency="EUR"), 1)
    batch.target(
        Target(
            metric="inflow",
            value="3",
            owner="o",
            start="2026-01-01",
            end="2026-03-31",
            strategy="s",
        ),
        1,
    )
    batch.rate(Rate(currency="USD", reporting="EUR", day="2026-01-01", rate="0.9"), 1)
    batch.answer(
        SurveyAnswer(
            survey="s", question="q", respondent="0" * 16, team="t", answered_at=1, score=4
        ),
        1,
    )
    assert set(batch.rows) == set(ORDER)
    for table, rows in batch.rows.items():
        names, types = columns_of(table)
        assert len(names) == len(types)
        assert {len(row) for row in rows} == {len(names)}, table


def test_a_batch_writes_the_newest_of_a_fact_and_of_a_state_and_keeps_every_revision():
    batch = Batch()
    note = {"lead": "l", "generation": 1, "kind": "note", "journey": 1, "partition": 0, "offset": 1}
    for name, at, revision, content in [
        ("f", 5, 1, "{}"), ("f", 5, 3, '{"what":"echo"}'), ("f", 5, 2, "{}"),
        ("f", 6, 4, None), ("g", 5, 5, "{}"),
    ]:  # fmt: skip
        batch.fact({**note, "id": name, "at": at, "revision": revision, "content": content})
    for revision in (7, 6):
        batch.state({**note, "revision": revision, "content": '{"stage":"mql"}'})
    batch.newest()
    shown = {(row[3], row[4], row[5], row[6], row[7]) for row in batch.rows["notes"]}
    assert shown == {("f", 5, 3, 0, "echo"), ("f", 6, 4, 1, ""), ("g", 5, 5, 0, "")}
    assert [row[2] for row in batch.rows["lead_state"]] == [7]
    assert len(batch.rows["fact_revisions"]) == 7


def test_each_revision_by_which_a_real_leads_clock_is_late_is_kept_and_no_other():
    batch = Batch()
    fact = {"lead": "l", "generation": 1, "id": "f", "kind": "clock", "journey": 1, "at": 0}
    states = ("warned", "breached", "escalated", "met", "cancelled")
    for revision, status in enumerate(states):
        for test in (0, 1):
            clock = {"stage": "mql", "status": status, "due_at": 7, "test": test}
            content = orjson.dumps(clock).decode()
            batch.fact(
                {**fact, "revision": revision, "partition": 0, "offset": 1, "content": content}
            )
    batch.fact({**fact, "revision": 9, "partition": 0, "offset": 1, "content": None})
    assert batch.rows["breaches"] == [[1, "l", "f", "mql", 7, 1], [1, "l", "f", "mql", 7, 2]]


def test_a_mark_replaces_its_letter_and_a_letter_written_again_behind_it_does_not():
    names = columns_of("dead_letters")[0]
    dead_letter = Letter(
        id="t:0:1:0",
        topic="t",
        partition=0,
        offset=1,
        worker="w",
        kind="refused",
        reason="why",
        stamp=1,
    )
    batch = Batch()
    batch.letter(dead_letter)
    batch.letter(dead_letter, Mark(letter=dead_letter, what="replayed", by="ann", at=7))
    rows = [dict(zip(names, row, strict=True)) for row in batch.rows["dead_letters"]]
    assert [(row["fate"], row["version"]) for row in rows] == [("", 0), ("replayed", 7)]
