"""Rows of files as people have them: read as meant, or refused with file, line and column."""

import json

import pytest

from streams.sources import files
from tests.conftest import ROOT
from tests.support.imports import EVENT, run, spec

HEAD = "Id,Email,Created,Note\n"
CASES = ROOT / "tests" / "cases" / "csv"


def row(number, note="ok", at="2026-11-03T09:00:00Z"):
    return f"{number},p{number}@x.example,{at},{note}\n"


def ids(made):
    return [one.id.removeprefix("t:") for one in made]


def fates(tmp_path, body, **more):
    made, refused, counts = run(
        tmp_path, spec(**more), a_csv=body if isinstance(body, bytes) else HEAD + body
    )
    assert counts.read == counts.accepted + counts.refused
    return ids(made), [(one.line, one.column, one.reason) for one in refused]


NEVER_CLOSES = "a quote opens on this line and does not close: close it, or double it"
SWALLOWS = "a quote opens on this line and closes only behind other rows"
INSIDE = "a quote stands inside a quoted cell: double it"
QUOTES = [
    # the rows' notes, the ids that are read, the lines that are refused
    (['"24 inch', "ok", "ok"], "23", [(2, NEVER_CLOSES)]),
    (["ok", "ok", '"24 inch'], "12", [(4, NEVER_CLOSES)]),
    (['"24 inch', "ok", '"a, b"'], "23", [(2, NEVER_CLOSES)]),
    (['"24 inch', "ok", '"'], "2", [(2, SWALLOWS), (4, NEVER_CLOSES)]),
    (['"24" inch', "ok", "ok"], "23", [(2, INSIDE)]),
    (['24" inch', '"a ""b"" c"', '""'], "123", []),
    (['"two\nlines"', '"three\n\nlines, here"', "ok"], "123", []),
    ([' "a, b"', "ok", "ok"], "123", []),
    (["a, b", "ok", "ok"], "23", [(2, "has 5 columns, the header has 4")]),
    (["a,,,", "ok", "ok"], "123", []),
]


@pytest.mark.parametrize(
    ("notes", "read", "refused"), QUOTES, ids=[repr(notes) for notes, _, _ in QUOTES]
)
def test_a_quote_costs_no_row_but_its_own(tmp_path, notes, read, refused):
    found = fates(tmp_path, "".join(row(number, note) for number, note in enumerate(notes, 1)))
    assert found == ([*read], [(line, "", why) for line, why in refused])


def test_lines_are_counted_as_an_editor_shows_them(tmp_path):
    body = row(1, '"two\nlines"') + "\n" + row(2, at="yesterday") + ",,,\n" + row(3, at="today")
    assert fates(tmp_path, body) == (
        ["1"],
        [
            (5, "Created", "'yesterday' is no time like 2026-01-31T09:00:00Z"),
            (7, "Created", "'today' is no time like 2026-01-31T09:00:00Z"),
        ],
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_end_of_line_ends_a_line(tmp_path, end):
    assert fates(tmp_path, (HEAD + row(1) + row(2)).replace("\n", end).encode()) == (["1", "2"], [])


def test_a_long_text_is_read_and_one_without_an_end_is_refused_in_bounded_memory(
    tmp_path, monkeypatch
):
    assert fates(tmp_path, row(1, '"' + "x" * 500_000 + '"') + row(2)) == (["1", "2"], [])
    monkeypatch.setattr("streams.sources.files.lines.MOST_CHARACTERS", 1_000)
    assert fates(tmp_path, row(1, "x" * 5_000) + row(2)) == (
        ["2"],
        [(2, "", "the line is longer than 1000 characters")],
    )


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("cp1252", b""),
        ("utf-16", b""),
        ("utf-16-le", b""),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-32", b""),
    ],
)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_are_detected_and_reported(tmp_path, encoding, mark, delimiter):
    row = f'1,jürgen@x.example,2026-11-03T09:00:00Z,"Müller{delimiter} J."\n'
    text = f"Id,Email,Created,Name\n{row}".replace(",", delimiter)
    made, refused, counts = run(
        tmp_path,
        spec(event={"fields": {"owner": {"column": "Name"}}}),
        a_csv=mark + text.encode(encoding),
    )
    assert refused == []
    who = (made[0].aliases, made[0].owner)
    assert who == (("email:jürgen@x.example",), f"Müller{delimiter} J.")
    assert counts.files[0]["delimiter"] == delimiter
    assert counts.files[0]["encoding"].replace("-le", "").replace("-be", "") == encoding.replace(
        "-le", ""
    ).replace("-be", "")
    assert counts.files[0]["found_out"] == ["encoding", "delimiter"]


def test_one_wrong_byte_among_utf8_is_its_rows_and_makes_the_file_no_other_encoding(tmp_path):
    body = (HEAD + row(1, "Müller") + row(2, "Muller")).encode().replace(b"Muller", b"M\xfcller")
    made, refused, _ = run(
        tmp_path, spec(event={"fields": {"owner": {"column": "Note"}}}), a_csv=body
    )
    assert (ids(made), [(one.line, one.column, one.reason) for one in refused]) == (
        ["1"],
        [(3, "Note", "the text is no UTF-8")],
    )


def test_the_first_letter_that_is_no_ascii_decides_however_far_it_lies_behind(tmp_path):
    body = HEAD + "".join(row(number, "x" * 400) for number in range(1_500))
    for encoding in ("utf-8", "cp1252"):
        more = row(9_999, "Müller").encode(encoding)
        made, refused, counts = run(
            tmp_path,
            spec(event={"fields": {"owner": {"column": "Note"}}}),
            a_csv=body.encode() + more,
        )
        assert (refused, made[-1].owner) == ([], "Müller")
        assert counts.files[0]["encoding"] == encoding


LONG = [
    ({"fields": {"attributes.note": {"column": "Note"}}}, "Note"),
    ({"fields": {"owner": {"column": "Note"}}}, "Note"),
    ({"fields": {"owner": {"text": "{Note}!"}}}, "Note"),
    ({"id": "t:{Note}"}, "Note"),
    ({"alias": "shop:user:{Note}"}, "Note"),
]


@pytest.mark.parametrize(("event", "column"), LONG)
def test_what_is_too_long_names_its_column(tmp_path, event, column):
    body = HEAD + row(1, "y" * 501)
    made, refused, _ = run(tmp_path, spec(event=event), a_csv=body)
    assert made == []
    assert (refused[0].line, refused[0].column) == (2, column)
    assert "longer than" in refused[0].reason or "at most" in refused[0].reason


def test_the_leads_that_rows_name_are_counted_so_that_a_wrong_column_shows(tmp_path):
    document = spec(event={"alias": "shop:1:contact:{Note}"})
    _, _, counts = run(tmp_path, document, a_csv=HEAD + "".join(row(n, "7") for n in range(50)))
    assert (counts.accepted, counts.named) == (50, 1)


@pytest.mark.parametrize(
    "head",
    [
        "Id , Email,Created,Note",
        "\u00a0Id,\u200bEmail\u200b,\ufeffCreated,Note",
        '"Id","Email","Created","Note"',
        "sep=,\nId,Email,Created,Note",
        "\n\nId,Email,Created,Note",
    ],
)
def test_what_nobody_sees_in_a_header_is_not_there(tmp_path, head):
    assert fates(tmp_path, (head + "\n" + row(1)).encode()) == (["1"], [])


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u200b", "\ufeff", "\t", "\u2009", "\u202f"])
def test_what_nobody_sees_around_a_cell_is_not_there(tmp_path, space):
    made, refused, _ = run(
        tmp_path,
        spec(event={"also": ["shop:user:{Id}"]}),
        a_csv=HEAD
        + f"{space}1{space},{space}A@x.example{space},{space}2026-11-03T09:00:00Z{space},\n",
    )
    assert refused == []
    assert made[0].aliases == ("email:a@x.example", "shop:user:1")


ALIASES = [
    ("105;106", "several: name the column in split"),
    ("105,106", "several: name the column in split"),
    ("105 | 106", "several: name the column in split"),
    ("1:2", "several: name the column in split"),
    ("1.05E+11", "a spreadsheet has changed"),
    ("1,05E+11", "a spreadsheet has changed"),
    ("105.0", "a spreadsheet has changed"),
    ("none", "is empty; the row names nobody"),
    ("-", "is empty; the row names nobody"),
    ("NULL", "is empty, and it names the row"),
]


@pytest.mark.parametrize(("text", "why"), ALIASES)
def test_an_id_that_is_several_or_none_or_was_changed_invents_no_lead(tmp_path, text, why):
    made, refused, _ = run(
        tmp_path,
        spec(event={"alias": "shop:1:contact:{Id}"}),
        a_csv=HEAD + f'"{text}",a@x.example,2026-11-03T09:00:00Z,\n',
    )
    assert made == []
    assert why in refused[0].reason


@pytest.mark.parametrize(
    "text", ["401013266745e5661589292315434968", "1e5", "105", "a-b_c.d", "00Q5g00000ABCdeEAH", "0"]
)
def test_an_id_that_only_looks_odd_is_one(tmp_path, text):
    made, refused, _ = run(
        tmp_path,
        spec(event={"alias": "shop:1:contact:{Id}"}),
        a_csv=HEAD + f"{text},,2026-11-03T09:00:00Z,\n",
    )
    assert (made[0].aliases, refused) == ((f"shop:1:contact:{text}",), [])


def test_a_row_is_whole_or_refused(tmp_path):
    events = [
        EVENT,
        {
            **EVENT,
            "type": "lead.stage_reported",
            "id": "s:{Id}",
            "fields": {"stage": {"column": "Note", "map": {"hot": "mql"}}},
        },
    ]
    made, refused, counts = run(
        tmp_path, spec(events=events), a_csv=HEAD + row(1, "hot") + row(2, "odd")
    )
    assert [(one.id, one.stage) for one in made] == [("t:1", None), ("s:1", "mql")]
    assert [tuple(one) for one in refused] == [
        ("a.csv", 3, "Note", "'odd' is not in the map: add it, or write else")
    ]
    assert (counts.read, counts.accepted, counts.refused) == (2, 1, 1)


def test_two_rows_under_one_id_are_a_repeat_if_they_say_the_same_and_refused_if_not(tmp_path):
    made, refused, counts = run(
        tmp_path, spec(), a_csv=HEAD + row(1) + row(1) + row(1, at="2026-11-04T09:00:00Z") + row(2)
    )
    assert (ids(made), counts.repeated) == (["1", "2"], 1)
    assert refused[0].line == 4
    assert refused[0].reason == (
        "says something else under the id of another row: "
        "name a column in `id` that tells them apart (first a.csv:2)"
    )
    assert "first" not in refused[0].kind


def test_a_refused_row_takes_back_the_ids_that_it_gave(tmp_path):
    events = [EVENT, {**EVENT, "id": "n:{Note}"}]
    made, refused, _ = run(
        tmp_path, spec(events=events), a_csv=HEAD + row(1, "x") + row(2, "x") + row(2, "y")
    )
    assert [one.id for one in made] == ["t:1", "n:x", "t:2", "n:y"]
    assert [one.line for one in refused] == [3]


def test_a_reason_is_counted_without_the_cells_text():
    for text in ("a", "it's", "a' is b", 'q"q', "'", "\\'", "a\nb"):
        assert files.Refused("a.csv", 2, "x", f"{text!r} is no number").kind == "… is no number"


def test_events_come_by_lead_and_time_or_as_the_file_stands(tmp_path):
    body = (
        HEAD
        + "1,b@x.example,2026-11-03T09:00:00Z,\n"
        + "2,a@x.example,2026-11-05T09:00:00Z,\n"
        + "3,b@x.example,2026-11-02T09:00:00Z,\n"
        + "4,a@x.example,2026-11-04T09:00:00Z,\n"
    )
    by_file, by_lead = (
        run(tmp_path, spec(order=order), a_csv=body)[0] for order in ("file", "lead")
    )
    assert ids(by_file) == ["1", "2", "3", "4"]
    assert ids(by_lead) == ["4", "2", "3", "1"]
    assert sorted(by_file, key=lambda one: one.id) == sorted(by_lead, key=lambda one: one.id)


def test_a_list_in_a_cell_makes_one_event_an_item_or_one_alias_an_item(tmp_path):
    contact = {
        "type": "identity.linked",
        "id": "l:{Id}:{Note}",
        "each": "Note",
        "alias": "hubspot:1:contact:{Note}",
        "also": ["hubspot:1:deal:{Id}"],
        "time": EVENT["time"],
    }
    made, refused, _ = run(
        tmp_path,
        spec(events=[contact], split={"Note": ";"}),
        a_csv=HEAD + row(1, "105; 106;;105") + row(2, "") + row(3, "107"),
    )
    assert refused == []
    assert [(one.id, one.aliases[0]) for one in made] == [
        ("l:1:105", "hubspot:1:contact:105"),
        ("l:1:106", "hubspot:1:contact:106"),
        ("l:3:107", "hubspot:1:contact:107"),
    ]
    made, refused, _ = run(
        tmp_path,
        spec(event={"also": ["email:{Note}"]}, split={"Note": ";"}),
        a_csv=HEAD + row(1, "A@x.example;b@x.example"),
    )
    assert made[0].aliases == ("email:p1@x.example", "email:a@x.example", "email:b@x.example")


def test_values_constants_defaults_maps_and_cuts(tmp_path):
    fields = {
        "kind": {"value": "form"},
        "origin": {"column": "Note", "default": "nobody said"},
        "segment": {"column": "Size", "map": {"s": "small", "L": "large"}, "else": "other"},
        "owner": {"text": "{First} {Last}"},
        "account": {"column": ["Company", "Last"], "as": "upper"},
        "attributes.text": {"column": "Note", "cut": 3},
        "deal.amount": {"column": "Price", "strip": ["€", "EUR"]},
        "deal.id": {"text": "shop:1:deal:{number}"},
    }
    document = spec(
        event={"fields": fields, "type": "opportunity.won"},
        values={"number": {"column": "Id", "as": "lower"}},
        decimal=",",
    )
    head = "Id,Email,Created,Note,Size,First,Last,Company,Price\n"
    made, refused, _ = run(
        tmp_path,
        document,
        a_csv=head
        + 'A,a@x.example,2026-11-03T09:00:00Z,abcdef,S,Ann,Lee,,"1.900,50 €"\n'
        + "B,b@x.example,2026-11-03T09:00:00Z,N/A,XL,,Ray,acme,EUR 5\n",
    )
    assert refused == []
    values = [
        (
            one.kind,
            one.origin,
            one.segment,
            one.owner,
            one.account,
            one.attributes,
            one.deal.amount,
            one.deal.id,
        )
        for one in made
    ]
    assert values == [
        ("form", "abcdef", "small", "Ann Lee", "LEE", {"text": "abc"}, "1900.50", "shop:1:deal:a"),
        ("form", "nobody said", "other", "Ray", "ACME", {}, "5", "shop:1:deal:b"),
    ]


CONDITIONS = [
    ({"Note": "hot"}, "13"),
    ({"Note": ["hot", "cold"]}, "123"),
    ({"Note": {"not": "hot"}}, "24"),
    ({"Note": {"known": False}}, "4"),
    ({"Note": {"contains": "OL"}}, "2"),
    ({"Note": "hot", "Id": {"not": "1"}}, "3"),
]


@pytest.mark.parametrize(("when", "read"), CONDITIONS)
def test_conditions_choose_rows_and_events(tmp_path, when, read):
    body = HEAD + row(1, "hot") + row(2, "cold") + row(3, "HOT") + row(4, "")
    for document in (spec(when=when), spec(event={"when": when})):
        made, refused, counts = run(tmp_path, document, a_csv=body)
        result = (ids(made), refused, counts.accepted, counts.left_out)
        assert result == ([*read], [], 4, 4 - len(read))


def test_an_empty_time_is_refused_or_makes_no_event_and_another_column_may_say_it(tmp_path):
    body = row(1, at="") + row(2)
    assert fates(tmp_path, body) == (
        ["2"],
        [(2, "Created", "is empty, and it says when: write optional: true if it may be")],
    )
    assert fates(tmp_path, body, event={"time": {**EVENT["time"], "optional": True}}) == (["2"], [])
    made, _, _ = run(
        tmp_path,
        spec(event={"time": {"column": ["Created", "Note"], "format": "iso", "zone": "UTC"}}),
        a_csv=HEAD + row(1, "2026-11-03T09:00:00Z", at=""),
    )
    assert made[0].occurred_at == 1_793_696_400_000


def test_an_opening_balance_has_the_day_that_the_mapping_says(tmp_path):
    event = {
        "type": "lead.snapshot",
        "time": {"value": "2026-01-01", "zone": "Europe/Paris"},
        "fields": {"stage": {"column": "Note"}},
    }
    made, _, _ = run(tmp_path, spec(event=event), a_csv=HEAD + row(1, "mql"))
    balance = (made[0].type, made[0].stage, made[0].occurred_at)
    assert balance == ("lead.snapshot", "mql", 1_767_222_000_000)


OWNERS = "Key;Team;Mail\n7;north;n@x.example\n8;south;s@x.example\n8;west;w@x.example\n;none;\n"


def test_another_files_row_is_joined_by_its_key(tmp_path):
    join = {"file": "b.csv", "key": "Key", "by": "Note", "as": "owner"}
    document = spec(
        event={"fields": {"owner": {"column": "owner.Mail"}, "segment": {"column": "owner.Team"}}},
        join=[join],
    )
    made, refused, counts = run(
        tmp_path,
        document,
        a_csv=HEAD + row(1, "7") + row(2, "8") + row(3, "9") + row(4, ""),
        b_csv=OWNERS,
    )
    assert [(one.owner, one.segment) for one in made] == [
        ("n@x.example", "north"),
        ("s@x.example", "south"),
        (None, None),
        (None, None),
    ]
    assert [(one.file, one.line, one.column, one.reason) for one in refused] == [
        ("b.csv", 4, "Key", "'8' stands on another line too: which one holds? (first 3)"),
        ("b.csv", 5, "Key", "is empty, and it names the row"),
    ]
    assert (counts.read, counts.accepted, counts.refused) == (8, 6, 2)
    document["files"][0]["join"][0]["required"] = True
    refused = run(tmp_path, document, a_csv=HEAD + row(3, "9"), b_csv="Key;Team;Mail\n")[1]
    assert [(one.column, one.reason) for one in refused] == [("Note", "'9' has no row in b.csv")]


def test_spend_and_targets_are_records_and_a_row_does_not_silently_replace_another(tmp_path):
    spend = {
        "fields": {
            "platform": {"value": "google"},
            "account": {"value": "1"},
            "day": {"column": "Day", "format": "%d.%m.%Y", "zone": "UTC"},
            "campaign": {"column": "Campaign"},
            "breakdown.device": {"column": "Device"},
            "amount": {"column": "Cost"},
            "currency": {"value": "EUR"},
            "clicks": {"column": "Clicks"},
        }
    }
    text = (
        "Day;Campaign;Device;Cost;Clicks\n"
        "03.11.2026;a;phone;1.234,50;1.000\n"
        "03.11.2026;a;desk;5,00;2\n"
        "03.11.2026;a;desk;6,00;2\n"
        "03.11.2026;b;desk;-1;2\n"
    )
    made, refused, _ = run(tmp_path, spec(key=None, spend=[spend], decimal=","), a_csv=text)
    assert [(str(one.day), one.amount, one.clicks, one.breakdown) for one in made] == [
        ("2026-11-03", "1234.50", 1000, '{"device":"phone"}'),
        ("2026-11-03", "5.00", 2, '{"device":"desk"}'),
    ]
    assert [(one.line, one.column, one.kind) for one in refused] == [
        (4, "", "says something else under the key of another row: add what tells them apart"),
        (5, "Cost", "… is no amount of at most 12 digits before the point"),
    ]
    target = {
        "fields": {
            "metric": {"value": "inflow"},
            "value": {"column": "Goal"},
            "owner": {"column": "Who"},
            "start": {"column": "From"},
            "end": {"column": "To"},
            "strategy": {"value": "growth"},
            "dimensions.stage": {"value": "mql"},
        }
    }
    made, refused, _ = run(
        tmp_path,
        spec(key=None, targets=[target]),
        a_csv="Who,Goal,From,To\nann,120,2026-01-01,2026-03-31\nbob,0,2026-01-01,2026-03-31\n",
    )
    assert [(one.owner, str(one.value), str(one.end), one.dimensions) for one in made] == [
        ("ann", "120", "2026-03-31", {"stage": "mql"})
    ]
    assert (refused[0].line, refused[0].column, refused[0].reason) == (
        3,
        "Goal",
        "'0' lies outside of what is counted",
    )


def test_json_lines_are_read_with_their_mark_nested_keys_lists_and_exact_numbers(tmp_path):
    lines = [
        {
            "Id": 1,
            "properties": {"email": "a@x.example", "amount": 1.900},
            "Created": 1793696400000,
            "Note": ["x", "y"],
        },
        {"Id": 2, "properties": {"email": None}, "Created": 1793696400000},
        ["no object"],
    ]
    text = (
        "\ufeff"
        + "\n".join(map(json.dumps, lines))
        + '\n{"Id": 3, "Id": 4}\n{"Id": NaN\n\n{"Id": 5, "properties": {"email": "\\ud83d"}}\n'
    )
    event = {
        "alias": "email:{properties.email}",
        "also": ["shop:user:{Note}"],
        "time": {"column": "Created", "format": "epoch_ms"},
        "fields": {"score": {"column": "properties.amount"}},
    }
    made, refused, counts = run(
        tmp_path, spec(file="a.jsonl", event=event, split={"Note": ";"}), a_jsonl=text
    )
    assert [(one.id, one.score, one.aliases) for one in made] == [
        ("t:1", 1.9, ("email:a@x.example", "shop:user:x", "shop:user:y"))
    ]
    assert [(one.line, one.reason) for one in refused] == [
        (2, "is empty; the row names nobody"),
        (3, "is no JSON object: write one a line, in braces"),
        (4, "a key stands twice in the object: rename one"),
        (5, "is no JSON object: write one a line"),
        (7, "holds half a character (a surrogate alone)"),
    ]
    assert counts.read == 6


def test_parquet_is_read_with_its_types(tmp_path):
    pytest.importorskip("pyarrow")
    import pandas as pd

    at = pd.to_datetime(["2026-11-03T09:00:00Z", "2026-11-03T09:00:00Z", None])
    frame = pd.DataFrame(
        {
            "Id": [105.0, 106.0, None],
            "Email": ["a@x.example", None, None],
            "Created": at,
            "Amount": [1.9, 1900.125, None],
            "Tags": [["x", "y"], None, None],
        }
    )
    tmp_path.mkdir(exist_ok=True)
    frame.to_parquet(tmp_path / "a.parquet")
    event = {
        "alias": "shop:1:contact:{Id}",
        "also": ["email:{Email}", "shop:user:{Tags}"],
        "type": "opportunity.won",
        "fields": {"deal.id": {"column": "Id"}, "deal.amount": {"column": "Amount"}},
    }
    made, refused, counts = run(
        tmp_path, spec(file="a.parquet", event=event, split={"Tags": ";"}, decimal=",")
    )
    assert refused == []
    assert [(one.aliases, one.occurred_at, one.deal.amount) for one in made] == [
        (
            ("shop:1:contact:105", "email:a@x.example", "shop:user:x", "shop:user:y"),
            1_793_696_400_000,
            "1.9",
        ),
        (("shop:1:contact:106",), 1_793_696_400_000, "1900.125"),
    ]
    assert (counts.read, counts.files[0]["blank"]) == (2, 1)


def test_a_file_that_is_no_parquet_says_so(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(
        files.MappingError,
        match=r"mapping\.yaml:6: .*is no Parquet file: write it again, or as CSV",
    ):
        run(tmp_path, spec(file="a.parquet"), a_parquet="Id,Email")


def test_columns_have_other_names_in_other_exports_and_some_may_lack(tmp_path):
    document = spec(
        names={"Email": ["E-Mail", "Mail"]},
        optional=["Owner"],
        event={"fields": {"owner": {"column": "Owner"}}},
    )
    made, _, counts = run(
        tmp_path, document, a_csv="Id;E-Mail;Created\n1;a@x.example;2026-11-03T09:00:00Z\n"
    )
    assert (made[0].aliases, made[0].owner) == (("email:a@x.example",), None)
    assert counts.files[0]["without"] == ["Owner"]


def test_a_salesforce_id_is_made_eighteen_characters_long(tmp_path):
    document = spec(
        event={"alias": "salesforce:1:lead:{lead}"},
        values={"lead": {"column": "Id", "as": "salesforce_id"}},
    )
    made, refused, _ = run(
        tmp_path,
        document,
        a_csv=HEAD
        + row("00Q5g00000ABCde")
        + row("00Q5g00000ABCdeEAH", at="2026-11-04")
        + row("short"),
    )
    assert {one.aliases[0] for one in made} == {"salesforce:1:lead:00Q5g00000ABCdeEAH"}
    assert (
        refused[-1].reason
        == "'short' is no id of Salesforce, which has 15 or 18 letters and digits"
    )


RIGHT = {
    # the mapping of a case: rows, refused lines and their columns; or what a refused mapping says
    "bomjsonl": (2, []),
    "bounds": (5, [(3, "Created"), (4, "Created"), (5, "Created")]),
    "de": (2, []),
    "de1252": (2, []),
    "dup": "dup_header.csv: the header on line 1 has 'Email' 2 times",
    "epoch": (3, []),
    "fraction": (3, []),
    "long": (3, []),
    "quote": (29, [(5, "")]),
    "spaces": (3, []),
    "utf16": (2, []),
}


@pytest.mark.parametrize("name", RIGHT)
def test_files_that_real_systems_wrote_are_read_as_they_were_meant(name):
    path, right = CASES / f"{name}.yaml", RIGHT[name]
    if isinstance(right, str):
        with pytest.raises(files.MappingError, match=right):
            files.load(path, CASES)
        return
    reading = files.Reading(files.load(path, CASES), CASES)
    refused = [(one.line, one.column) for one in reading if isinstance(one, files.Refused)]
    assert (reading.counts.read, refused) == right
    assert reading.counts.accepted == right[0] - len(refused)


NEEDS = [
    ({"type": "consent", "fields": {"granted": {"column": "Note"}}}, "consent"),
    (
        {"type": "lead.stage_reported", "fields": {"stage": {"column": "Note"}}},
        "lead.stage_reported",
    ),
    ({"type": "score_changed", "fields": {"score": {"column": "Note"}}}, "score_changed"),
    ({"type": "opportunity.won", "fields": {"deal.id": {"column": "Note"}}}, "opportunity.won"),
]


@pytest.mark.parametrize(("event", "name"), NEEDS)
def test_an_empty_cell_is_no_consent_no_stage_no_score_and_no_deal(tmp_path, event, name):
    made, refused, _ = run(tmp_path, spec(event=event), a_csv=HEAD + row(1, "") + row(2, "1"))
    assert ids(made) == ["2"]
    hint = "write when: {Note: {known: true}} if it may be"
    assert refused[0].column == "Note"
    assert refused[0].reason == f"is empty, and {name} needs it: {hint}"
    event = {**event, "when": {"Note": {"known": True}}}
    made, refused, _ = run(tmp_path, spec(event=event), a_csv=HEAD + row(1, "") + row(2, "1"))
    assert (ids(made), refused) == (["2"], [])


def test_lines_that_end_with_more_or_fewer_empty_cells_than_the_header_are_rows(tmp_path):
    body = "Id,Email,Created,,\n1,a@x.example,2026-11-03\n2,b@x.example,2026-11-03,,,,\n"
    assert fates(tmp_path, body.encode()) == (["1", "2"], [])


def test_json_lines_of_which_none_can_be_read_are_refused_one_by_one(tmp_path):
    made, refused, counts = run(tmp_path, spec(file="a.jsonl"), a_jsonl='{"Id": 1, "Id": 2}\n[]\n')
    assert (made, [one.line for one in refused], counts.read) == ([], [1, 2], 2)
