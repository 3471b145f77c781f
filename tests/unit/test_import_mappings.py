"""What is wrong with a mapping is reported before the first row: file, line, what to write."""

import re

import pytest

from schemas.reading import FUNNELS
from streams.intake import importer
from streams.sources import files
from streams.sources.registry import SOURCES
from tests.conftest import ROOT
from tests.support.imports import EVENT, problems, spec, write

A = "Id,Email,Created,Amount\n1,a@x.example,2026-11-03T09:00:00Z,5\n"
LIBRARY = re.compile(
    r"Input should|Value error|Extra inputs|Field required|expected <|found character|pydantic|"
    r"yaml\.|while parsing|type=|strptime|Traceback"
)


def refusal(tmp_path, document, **contents):
    found = problems(tmp_path, document, **({"a_csv": A} | contents))
    for line in found:
        assert re.match(r".*mapping\.yaml:\d+: ", line), line
        assert not LIBRARY.search(line), line
    return "\n".join(found)


@pytest.mark.parametrize(
    ("alias", "why"),
    [
        ("crm:shop:{Id}", "3 parts"),
        ("crm:{Id}", "2 parts"),
        ("shop:1:lead:{Id}:x", "5 parts"),
        ("{Email}", "1 parts"),
        ("email:a:{Email}", "3 parts"),
        ("shop::lead:{Id}", "4 parts"),
        ("ga4:{Id}", "2 parts"),
        ("Shop:1:contact:{Id}", "is no name of a system"),
        ("{Email}:1:contact:{Id}:", "5 parts"),
        ("shop:{Id}:contact", "3 parts"),
    ],
)
def test_an_alias_that_can_make_no_lead_is_refused_with_the_grammar(tmp_path, alias, why):
    text = refusal(tmp_path, spec(event={"alias": alias}))
    assert "mapping.yaml:11: files.0.events.0.alias" in text
    assert why in text
    assert "write email:{Address}" in text


@pytest.mark.parametrize(
    "alias", ["email:{Email}", "shop:1:contact:{Id}", "shop:user:{Id}", "meta:lead:{Id}"]
)
def test_an_alias_of_the_grammar_is_taken_and_identity_agrees(tmp_path, alias):
    assert refusal(tmp_path, spec(event={"alias": alias})) == ""
    importer.load(tmp_path / "mapping.yaml", tmp_path, {})


def test_weak_aliases_stand_beside_a_strong_one_and_never_alone(tmp_path):
    assert (
        refusal(tmp_path, spec(event={"also": ["shop:anon:{Id}", "phone:{Amount}", "gclid:{Id}"]}))
        == ""
    )
    assert "all of them are weak" in refusal(tmp_path, spec(event={"alias": "shop:anon:{Id}"}))


def test_what_identity_does_not_take_for_a_lead_is_refused_whatever_the_grammar_says(tmp_path):
    mapping = files.load(write(tmp_path, spec(), a_csv=A), tmp_path)
    with pytest.raises(files.MappingError, match=r"mapping\.yaml:11: .*makes no lead"):
        files.check(mapping, tmp_path, lambda alias: not alias.startswith("email:"))


WRONG = [
    (
        {"fields": {"dael.amount": {"column": "Amount"}}},
        "'dael.amount' is no field; did you mean 'deal.amount'?",
    ),
    ({"fields": {"deal.amount": {"column": "Amount"}}}, "needs deal.id"),
    (
        {"fields": {"kind": {"column": "Nope"}}},
        "a.csv has no column 'Nope': there is Id, Email, Created, Amount",
    ),
    ({"fields": {"kind": {"column": "amount"}}}, "did you mean 'Amount'?"),
    (
        {"fields": {"direction": {"value": "sideways"}}},
        "'sideways' is none of 'inbound', 'human' or 'automated'",
    ),
    ({"fields": {"kind": {}}}, "write one of column, value and text"),
    ({"fields": {"kind": {"value": True}}}, "YAML reads this as true: put it in quotes"),
    ({"fields": {"kind": {"column": "Amount", "else": "x"}}}, "write a map beside it"),
    ({"type": "lead.snapshot"}, "lead.snapshot needs stage"),
    ({"type": "opportunity.won"}, "opportunity.won needs deal.id"),
    ({"type": "lead.born"}, "must be one of"),
    ({"alias": "shop:1:contact:7"}, "all rows would be one lead"),
    ({"id": "same"}, "all rows would be one event"),
    ({"time": {"value": "yesterday", "zone": "UTC"}}, "'yesterday' is no time like"),
    ({"each": "Amount"}, "say what parts the items"),
    ({"time": {"column": "Created"}}, "say how it is written"),
    ({"time": {"column": "Created", "format": "iso"}}, "say in which zone"),
    ({"time": {"format": "iso", "zone": "UTC"}}, "write either a column or a value"),
    (
        {"time": {"column": "Created", "format": "%d.%m.%Y %H:%M UTC", "zone": "Europe/Paris"}},
        "says UTC and zone says Europe/Paris",
    ),
    ({"time": {"column": "Created", "format": "%Q", "zone": "UTC"}}, "means nothing"),
    ({"time": {"column": "Created", "format": "iso", "zone": "Mars"}}, "is no IANA time zone"),
    ({"when": {"Nope": "x"}}, "has no column 'Nope'"),
    ({"when": {"Amount": {"like": "x"}}}, "'like' is no key of a mapping here"),
    ({"alias": "email:{Email"}, "a brace is missing"),
]


@pytest.mark.parametrize(("event", "why"), WRONG, ids=[why for _, why in WRONG])
def test_each_mistake_of_an_event_is_named_with_its_line_and_a_way_out(tmp_path, event, why):
    assert why in refusal(tmp_path, spec(event=event))


FILES = [
    ({"delimiter": "::"}, "must be one character"),
    ({"encoding": "klingon"}, "is no encoding of text"),
    ({"encoding": "base64"}, "is no encoding of text"),
    ({"key": "Nope"}, "has no column 'Nope'"),
    ({"values": {"Email": {"value": "x"}}}, "has a column of that name too"),
    (
        {"values": {"x": {"column": "y"}, "y": {"column": "Amount"}}},
        "'y' is no column and no value above",
    ),
    ({"values": {"x": {"text": "{x}"}}}, "'x' is no column and no value above"),
    ({"values": {"x": {"column": "Id"}}, "key": "x"}, "'x' is a value; name a column here"),
    (
        {
            "values": {"x": {"column": "Id"}},
            "join": [{"file": "a.csv", "key": "Id", "by": "x", "as": "o"}],
        },
        "'x' is a value; name a column here",
    ),
    ({"split": {"Nope": ";"}}, "has no column 'Nope'"),
    ({"spend": [{"fields": {"platform": {"value": "meta"}}}]}, "amount is missing: add it here"),
    ({"spend": [{"fields": {"cost": {"column": "Amount"}}}]}, "'cost' is no field"),
    ({"targets": [{"fields": {"metric": {"value": "inflow"}}}]}, "owner is missing"),
    ({"events": []}, "makes nothing"),
    ({"decimal": ";"}, "must be one of '.' or ','"),
    ({"join": [{"file": "none.csv", "key": "Id", "by": "Id", "as": "o"}]}, "none.csv is missing"),
    ({"file": "b.csv"}, "b.csv is missing, or no file"),
    ({"file": "c.xlsx"}, "is a spreadsheet: save it as CSV"),
    ({"file": "c.csv.gz"}, "is packed: unpack it first"),
    ({"file": "c.json"}, "write one object a line, and name it .jsonl"),
    ({"file": "../a.csv"}, "lies outside of the data folder"),
    ({"split": "Amount"}, "must be keys with values below"),
    ({"split": {True: ";"}}, "must be a text: put it in quotes"),
    ({True: ";"}, "YAML reads on, off, yes and no as true and false"),
    ({"events": [{}]}, "type: is missing: write it"),
]


@pytest.mark.parametrize(("file", "why"), FILES, ids=[why for _, why in FILES])
def test_each_mistake_of_a_file_is_named_with_its_line_and_a_way_out(tmp_path, file, why):
    document = spec()
    document["files"][0].update(file)
    for name in ("c.xlsx", "c.csv.gz", "c.json"):
        (tmp_path / name).write_bytes(b"PK")
    assert why in refusal(tmp_path, document)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "can't be read as YAML from here on"),
        ("mapping: a: b", "can't be read as YAML from here on"),
        ("\t- x", "can't be read as YAML from here on"),
        ("- a", "begin with `mapping:"),
        ("mapping: m\nmapping: m\n", "stands on line 1 too"),
        ("mapping: m\n", "funnel: is missing: write it"),
        ("mapping: m\nfunnel: f\nsource: Not Good\nfiles: []\n", "must be of small letters"),
        ("mapping: m\nfunnel: f\nsource: s\nfiles: []\n", "must not be empty"),
    ],
)
def test_a_file_that_is_no_mapping_is_named_with_its_line_too(tmp_path, text, why):
    assert why in refusal(tmp_path, text)


def test_all_mistakes_are_named_at_once(tmp_path):
    text = refusal(
        tmp_path,
        spec(
            event={
                "alias": "crm:{Id}",
                "fields": {"kimd": {"value": "x"}, "direction": {"value": "up"}},
            }
        ),
    )
    assert len(text.splitlines()) == 4  # and that no alias makes a lead


@pytest.mark.parametrize(
    "head", ["Id,Email,Created,Email", "Id,Email , Email,Created", "Id,Email,\u200bEmail,Created"]
)
def test_a_column_that_stands_twice_is_refused_by_name_if_it_is_read(tmp_path, head):
    text = refusal(
        tmp_path, spec(), a_csv=f"{head}\n1,a@x.example,b@x.example,2026-11-03T09:00:00Z\n"
    )
    assert "the header on line 1 has 'Email' 2 times (columns 2, " in text
    assert (
        refusal(
            tmp_path,
            spec(),
            a_csv=A.replace("Amount", "Note")
            .replace("Created,", "Created,Note,")
            .replace("Z,", "Z,,"),
        )
        == ""
    )


def test_an_empty_file_lacks_its_header(tmp_path):
    for content in ("", "\n\n", "\ufeff"):
        assert "a.csv is empty: it has no header" in refusal(tmp_path, spec(), a_csv=content)


def test_a_constant_is_set_from_outside_only_if_the_mapping_has_it(tmp_path):
    path = write(
        tmp_path,
        spec(
            event={"alias": "shop:{account}:contact:{Id}"}, mapping={"constants": {"account": "1"}}
        ),
        a_csv=A,
    )
    aliases = next(files.read(importer.load(path, tmp_path, {"account": "7"}), tmp_path)).aliases
    assert aliases == ("shop:7:contact:1",)
    with pytest.raises(
        files.MappingError, match="can't be set: the mapping's constants are account"
    ):
        importer.load(path, tmp_path, {"acount": "7"})


def test_every_shipped_mapping_is_good_by_itself():
    shipped = sorted((FUNNELS.parent / "mappings").glob("*.yaml"))
    assert shipped
    for path in shipped:
        files.load(path)


def test_the_event_that_tests_share_is_the_plainest(tmp_path):
    assert refusal(tmp_path, spec(event=EVENT)) == ""


@pytest.mark.parametrize(
    "path", sorted((ROOT / "schemas" / "mappings").glob("*.yaml")), ids=lambda one: one.stem
)
def test_a_ready_mapping_names_records_as_its_vendors_events_do(path):
    """Pipedrive's called a person a contact, so nobody of the history matched the webhooks."""
    mapping = files.load(path)
    vendor = SOURCES.get(mapping.source)
    patterns = [
        one for spec in mapping.files for event in spec.events for one in (event.alias, *event.also)
    ]
    named = {
        one.split(":")[2]
        for one in patterns
        if one.startswith(f"{mapping.source}:") and one.count(":") == 3
    }
    assert vendor is None or named <= {*vendor.records, *vendor.deals}
