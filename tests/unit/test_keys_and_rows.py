"""Keys of their own parts only, rows refused by themselves, bodies that nobody else changes."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import parse
from schemas.records import Spend, SurveyAnswer, Target, compound
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES

COST = {"platform": "meta", "account": "a", "day": "2026-01-31", "amount": "5", "currency": "EUR"}
AIM = {
    "metric": "inflow",
    "value": 1,
    "start": "2026-01-01",
    "end": "2026-01-31",
    "strategy": "s",
    "owner": "ann",
}
ANSWER = {"respondent": "00112233445566aa", "team": "sales", "answered_at": 1, "score": 4}


@given(st.lists(st.text(), min_size=2, max_size=4), st.lists(st.text(), min_size=2, max_size=4))
def test_two_keys_are_one_only_if_their_parts_are(one, other):
    assert (compound(*one) == compound(*other)) == (one == other)


def test_a_separator_within_a_part_makes_no_key_of_another_record():
    pairs = [
        [
            Spend(**COST, campaign=campaign, breakdown=rest)
            for campaign, rest in (("a|b", ""), ("a", "b|"), ("a", "b"))
        ],
        [
            SurveyAnswer(**ANSWER, survey=survey, question=question)
            for survey, question in (("a|b", "c"), ("a", "b|c"))
        ],
        [
            Target(**{**AIM, "metric": metric, "owner": owner})
            for metric, owner in (("inflow", "x|y"), ("inflow|x", "y"))
        ],
    ]
    for records in pairs:
        assert len({record.key for record in records}) == len(records)


def insight(**fields):
    return {
        "account_id": "1",
        "date_start": "2026-01-31",
        "date_stop": "2026-01-31",
        "spend": "1.50",
        **fields,
    }


def cost(micros="1500000", **segments):
    return {
        "customer": {"id": "1", "currencyCode": "EUR"},
        "campaign": {"id": "7"},
        "segments": {"date": "2026-01-31", **segments},
        "metrics": {"costMicros": micros},
    }


def read(vendor, body):
    return SOURCES[vendor].normalise(
        orjson.loads(orjson.dumps(body)), 1_769_900_000_000, Connection()
    )


def test_breakdowns_of_two_rows_differ_where_a_value_holds_what_stood_between_two():
    meta = read("meta", {"data": [insight(age="x", country="y"), insight(age="x|country=y")]})
    google = read("google", {"results": [cost(a="x", b="y"), cost(a="x|b=y")]})
    for found in (meta, google):
        assert len({one.key for one in found.spend}) == 2


BAD = [
    (
        "google",
        {"results": [cost(), cost(micros="n/a"), cost(micros="2")]},
        2,
        ["'n/a' is no number"],
    ),
    ("google", {"results": [cost(), cost(micros="1e999999999"), 5]}, 1, 2),
    (
        "google",
        [
            {"results": [cost()]},
            {"requestId": "a page with no row"},
            {"results": [cost(micros="2")]},
        ],
        2,
        [],
    ),
    ("google", [{"results": [cost()]}, 7, {"results": "none"}], 1, 2),
    (
        "meta",
        {
            "data": [
                insight(),
                insight(spend="n/a"),
                insight(inline_link_clicks="many"),
                5,
                insight(ad_id="2"),
            ]
        },
        2,
        3,
    ),
]


@pytest.mark.parametrize(("vendor", "body", "good", "refused"), BAD)
def test_a_bad_cost_row_is_refused_by_itself_and_the_good_ones_stand(vendor, body, good, refused):
    found = read(vendor, body)
    assert len(found.spend) == good
    if isinstance(refused, list):
        assert [reason for reason, _ in found.rejected] == refused
    else:
        assert len(found.rejected) == refused


def test_nobody_changes_a_parsed_body_for_those_who_read_it_after_him():
    text = '{"attributes":{"team":"x"},"list":[{"a":[1]}],"source":"crm"}'
    body = parse(text)
    changes = [
        lambda: body.__setitem__("source", "me"),
        lambda: body["attributes"].update(team="y"),
        lambda: body["attributes"].pop("team"),
        lambda: body["list"][0].clear(),
        lambda: body["list"][0].__delitem__("a"),
        lambda: body.__ior__({"source": "me"}),
        lambda: body.setdefault("more", 1),
    ]
    for change in changes:
        with pytest.raises(TypeError):
            change()
    assert isinstance(body["list"], tuple)
    assert isinstance(body["list"][0]["a"], tuple)
    assert orjson.dumps(parse(text)).decode() == text
    assert {**body, "source": "mine"}["source"] == "mine"
    assert parse(text)["source"] == "crm"
