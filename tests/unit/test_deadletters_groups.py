"""Letters by reason, and the place in a body that a reason names: enough to act, no data."""

import json

import hypothesis.strategies as st
import pytest
from hypothesis import given
from typer.testing import CliRunner

from schemas import deadletters
from schemas.deadletters import MARK_HEADER, LetterKind, Mark
from streams.cli import main
from streams.engine.letters import Post, letter
from streams.operate import deadletters as operate
from streams.operate import places, reading
from streams.operate.deadletters import Chosen
from streams.operate.reasons import matches, without_values
from tests.support.bodies import BODIES, outcome
from tests.support.kafka import record


@pytest.mark.parametrize(
    ("reason", "group"),
    [
        ("'soon' is no number", "… is no number"),
        ('"it\'s" is no number', "… is no number"),
        ("'occurredAt' is missing", "'occurredAt' is missing"),
        (
            "'x' is a vendor's name, which only the vendor's own route may use",
            "… is a vendor's name, which only the vendor's own route may use",
        ),
        (
            "the body is no JSON: trailing comma: line 1 column 9 (char 8)",
            "the body is no JSON: trailing comma: line … column … (char …)",
        ),
        (
            "entry.3.changes.0.value: no field of ours",
            "entry.[].changes.[].value: no field of ours",
        ),
        (
            "direction: Input should be 'inbound' or 'human'",
            "direction: Input should be 'inbound' or 'human'",
        ),
        (
            "'x' is no time: write one like 2026-01-31T09:00:00Z",
            "… is no time: write one like 2026-01-31T09:00:00Z",
        ),
        (
            "117 of its parts can't be read, the first: 'x' is no number",
            "… of its parts can't be read, the first: … is no number",
        ),
        (
            "its log has more under lead.raw.crm[0] 123456",
            "its log has more under lead.raw.crm[…] …",
        ),
        (
            "amount: String should match pattern '^\\\\d{1,12}$'",
            "amount: String should match pattern '^\\\\d{1,12}$'",
        ),
    ],
)
def test_a_reason_loses_its_values_and_keeps_what_tells_it_from_others(reason, group):
    assert without_values(reason) == group
    assert matches(group, reason)
    assert matches(group[:5] + "*", reason)
    assert not matches(group[:5], reason)


@given(st.text(max_size=30), st.text(max_size=30))
def test_reasons_that_differ_by_a_quoted_value_are_one_group(one, other):
    assert (
        without_values(f"{one!r} is no number")
        == without_values(f"{other!r} is no number")
        == "… is no number"
    )


def letters():
    """Return records of lead.deadletters: three of a reason, three others, one discarded."""

    def wrote(offset, source, kind, reason, mark=None, value=b"{}"):
        post = Post("lead.deadletters", "normalise", lambda _record: source)
        (out,) = letter(
            post,
            record(
                value, "lead.raw.crm", offset=offset, timestamp=1_769_850_000_000 + offset * 1000
            ),
            kind,
            reason,
        )
        made = [record(out.value, key=out.key, headers=out.headers)]
        if mark:
            fate = Mark(
                letter=deadletters.described(out.headers),
                what="discarded",
                by="ann",
                at=5,
                why=mark,
            )
            made.append(
                record(b"", key=out.key, headers=[(MARK_HEADER, fate.model_dump_json().encode())])
            )
        return made

    refused = LetterKind.REFUSED
    return [
        *wrote(
            1,
            "hubspot",
            refused,
            "hubspot: 'soon' is no number",
            value=b'[{"occurredAt": "soon", "email": "jane@example.com", "n": 4915112345678}]',
        ),
        *wrote(2, "hubspot", refused, "hubspot: 'late' is no number"),
        *wrote(3, "hubspot", refused, "hubspot: '' is no number"),
        *wrote(4, "hubspot", refused, "hubspot: 'occurredAt' is missing"),
        *wrote(5, "segment", LetterKind.FAILED, "normalise could not process it (KeyError)"),
        *wrote(6, "segment", refused, "segment: 'x' is no time", mark="a test"),
    ]


@pytest.fixture
def cli(monkeypatch):
    """Run the commands over those letters, and keep what a replay or a discard would send."""
    done = []

    def records(_settings, _topic, begin=(), **_more):
        return letters()

    monkeypatch.setenv("LEADSTREAM_BROKERS", "none:1")
    monkeypatch.setattr(reading, "records", records)
    monkeypatch.setattr(
        operate,
        "replay",
        lambda _settings, found: done.extend(found) or operate.Replayed(len(found), {}),
    )
    monkeypatch.setattr(
        operate,
        "discard",
        lambda _settings, found, why: done.extend((one, why) for one in found) or len(found),
    )

    def run(*arguments):
        done.clear()
        answer = CliRunner().invoke(main.app, ["deadletters", *arguments])
        return answer, [one[0] if isinstance(one, tuple) and len(one) == 2 else one for one in done]

    return run


def test_list_groups_by_source_reason_and_whose_move_it_is(cli):
    text = cli("list")[0].output
    rows = [line.strip() for line in text.splitlines()]
    assert rows == [
        "3  hubspot  sender to act: … is no number",
        "2026-01-31T09:00:01+00:00 to 2026-01-31T09:00:03+00:00, like lead.raw.crm:0:3:0",
        "1  hubspot  sender to act: 'occurredAt' is missing",
        "2026-01-31T09:00:04+00:00, like lead.raw.crm:0:4:0",
        "1  segment  operator to act: normalise could not process it (KeyError)",
        "2026-01-31T09:00:05+00:00, like lead.raw.crm:0:5:0",
    ]
    (first, *_) = json.loads(cli("list", "--groups", "--json")[0].output)
    assert (first["letters"], first["example"]) == (3, "lead.raw.crm:0:3:0")


def test_list_for_programs_is_each_letter_with_its_group_and_so_is_each_for_people(cli):
    found = json.loads(cli("list", "--json", "--vendor", "hubspot")[0].output)
    assert [one["group"] for one in found] == ["… is no number"] * 3 + ["'occurredAt' is missing"]
    assert len(cli("list", "--each", "--all")[0].output.splitlines()) == 6


def test_replay_and_discard_by_reason_and_source(cli):
    answer, found = cli("replay", "--vendor", "hubspot", "--reason", "… is no number", "--json")
    assert json.loads(answer.output) == {"replayed": 3}
    assert {one.letter.offset for one in found} == {1, 2, 3}
    answer, found = cli("discard", "--reason", "*IS MISSING", "--why", "an old form", "--json")
    assert json.loads(answer.output) == {"discarded": 1}
    assert [one.letter.offset for one in found] == [4]
    done = json.loads(cli("replay", "--reason", "is no number", "--json")[0].output)
    assert done == {"replayed": 0}


@pytest.mark.parametrize("arguments", [["--why", " "], ["--why", "x" * 1001], []])
def test_to_discard_needs_a_reason_that_a_mark_can_keep(cli, arguments):
    answer, found = cli("discard", "--source", "hubspot", *arguments)
    assert answer.exit_code == 2
    assert not found


def test_to_discard_needs_to_name_what(cli):
    assert cli("discard", "--why", "all of it")[0].exit_code == 2


def test_show_points_into_the_body_and_shows_no_data_of_a_person_unless_asked(cli):
    text = cli("show", "lead.raw.crm:0:1:0")[0].output
    assert "place: /0/occurredAt\n" in text
    assert "> occurredAt: 'soon'" in text
    assert "  email: text of 16" in text
    assert "  n: number of 13 digits" in text
    assert not any(one in text for one in ("jane", "49151"))
    assert "jane@example.com" in cli("show", "lead.raw.crm:0:1:0", "--body")[0].output
    shown = json.loads(cli("show", "lead.raw.crm:0:1:0", "--json")[0].output)
    assert (shown["places"], shown["reason"]) == (["/0/occurredAt"], "hubspot: 'soon' is no number")
    assert json.loads(shown["body"])[0]["email"] == "jane@example.com"


PLACED = {
    "hubspot's events": "/0/occurredAt",
    "segment's batch": "/timestamp",
    "cloudevents": "/time",
    "linkedin's responses": "/0/submittedAt",
    "ga4": "/events/0/timestamp_micros",
    "calendly": "/created_at",
}


@pytest.mark.parametrize("name", PLACED)
def test_the_place_of_what_a_vendor_got_wrong_is_found_in_its_letter(name):
    source, good, bad, together = BODIES[name]
    ((made, kept),) = outcome(source, json.dumps(together(good, {**good, **bad})).encode())[0]
    assert operate.place(made, kept).places == [PLACED[name]]


def test_a_field_is_found_by_its_dotted_name_and_in_binary_mode_under_data():
    data = b'{"phone": "+49 30 901820", "deal": {"id": "1", "amuont": "5"}}'
    headers = [
        (f"ce_{name}", text)
        for name, text in (
            ("specversion", b"1.0"),
            ("id", b"1"),
            ("source", b"shop"),
            ("type", b"leadstream.touch"),
        )
    ]
    ((made, kept),) = outcome("cloudevents", data, headers)[0]
    assert made.reason == "cloudevents: deal.amuont: no field of ours; did you mean amount?"
    assert operate.place(made, kept).places == ["/data/deal/amuont"]


def test_of_a_name_that_is_missing_the_place_is_what_resembles_it_and_else_none():
    body = [{"subscriptionType": "contact.creation", "occuredAt": 5, "eventId": 1}]
    assert places.find("'occurredAt' is missing", body) == ["/0/occuredAt"]
    assert places.find("'leadgen_id' is missing", body) == []


def test_json_that_breaks_off_is_shown_without_its_words():
    ((made, kept),) = outcome("segment", b'{"email": "jane7@example.com", }')[0]
    shown = operate.place(made, kept)
    assert shown.places == []
    assert "xxxx9@xxxxxxx.xxx" in shown.lines[0]
    assert "jane" not in shown.lines[0]


def test_a_place_is_written_as_rfc_6901_has_it_and_read_again():
    body = {"a/b": {"m~n": ["x", "wrong"]}}
    (found,) = places.find("'wrong' is no number", body)
    assert found == "/a~1b/m~0n/1"
    assert places.around(body, found, "'wrong' is no number") == ["  0: text of 1", "> 1: 'wrong'"]


@pytest.mark.parametrize(
    "field", ["email", "Phone", "first_name", "FirstName", "api_key", "accessToken", "comment"]
)
def test_a_value_of_a_persons_field_or_a_secret_is_not_shown_even_where_the_reason_quotes_it(field):
    body = {field: "wrong", "other": 1}
    (found,) = places.find("'wrong' can't be read", body)
    assert places.around(body, found, "'wrong' can't be read")[0] == f"> {field}: text of 5"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON, st.text(max_size=40))
def test_any_reason_about_any_body_finds_places_that_are_there(body, reason):
    for text in (reason, f"{reason!r} is no number", f"{reason}: no field of ours"):
        for found in places.find(text, body):
            assert places.around(body, found, text) if found else True


def test_a_body_of_very_many_parts_is_looked_at_up_to_a_bound():
    assert places.find("'wrong' is no number", [0] * 1_000_000 + ["wrong"]) == []


def test_the_chosen_are_of_the_reason_without_its_source():
    entries = operate.entries(letters())
    assert len([one for one in entries if Chosen(reason="… is no number").holds(one)]) == 3
