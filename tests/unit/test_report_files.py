"""A report and its YAML: faults are reported by file and line first, and rows are read as meant."""

import pytest
import yaml
from typer.testing import CliRunner

from schemas.reading import FUNNELS, load
from streams.audit.counting import counting, means
from streams.cli.main import app
from streams.sources import files
from streams.sources.files import report
from streams.sources.registry import SOURCES
from tests.conftest import ROOT

FUNNEL = load(FUNNELS / "default.yaml")
READY = sorted((ROOT / "schemas" / "reports").glob("*.yaml"))
PLAIN = {
    "report": "ours",
    "system": "hubspot",
    "kind": "contact",
    "account": "7",
    "id": "Nr",
    "stage": "Stage",
    "zone": "Europe/Paris",
    "entered": {"mql": "Since"},
}


def written(folder, document, **contents):
    for name, content in contents.items():
        data = content if isinstance(content, bytes) else content.encode()
        (folder / name.replace("_", ".")).write_bytes(data)
    path = folder / "ours.yaml"
    text = document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False)
    path.write_text(text)
    return path


def read(folder, content, asked="mql", name="r_csv", **changes):
    """Read a report as the command does; give its rows, and those that are refused."""
    given = {key: value for key, value in {**PLAIN, **changes}.items() if value is not None}
    spec = report.load(written(folder, given, **{name: content}))
    how = counting(spec, FUNNEL, asked)
    path = folder / name.replace("_", ".")
    report.check(spec, path, how.columns())
    rows = list(how.rows(path))
    refused = [one for one in rows if isinstance(one, files.Refused)]
    return [one for one in rows if not isinstance(one, files.Refused)], refused


def problem(folder, document, **contents):
    with pytest.raises(files.MappingError) as error:
        report.load(written(folder, document, **contents))
    return str(error.value)


@pytest.mark.parametrize("path", READY, ids=lambda one: one.stem)
def test_a_ready_report_is_good_names_its_vendors_records_and_stages_of_the_funnel(path):
    spec = report.load(path)
    vendor = SOURCES[spec.system]
    assert spec.report == path.stem
    assert spec.kind in (*vendor.records, *vendor.deals)
    for stage in {*spec.entered, *spec.counts}:
        counting(spec, FUNNEL, stage)
    assert all(means(FUNNEL, spec, word) for word in spec.words.values())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"kind": "person"},
            "ours.yaml:3: kind: 'person' is no kind of record of hubspot: there is contact, deal",
        ),
        (
            {"acount": "7"},
            "ours.yaml:10: acount: 'acount' is no key of a report here; did you mean 'account'",
        ),
        ({"account": "7:8"}, "ours.yaml:4: account: '7:8' is no account: write the id that"),
        (
            {"address": "https://x.example/{nr}"},
            "ours.yaml:10: address: 'nr' is not known here: write {account} and {id}",
        ),
        (
            {"stage": None, "counts": {"mql": "MQL"}},
            "counts: says what a column says that is not named",
        ),
        (
            {"zone": "Paris"},
            "ours.yaml:7: zone: 'Paris' is no IANA time zone: write one like Europe/Paris",
        ),
        ({"id": None}, "id: is missing: write it"),
        ({"format": "%d.%m"}, "leaves the day open"),
        ({"system": "Hub Spot"}, "ours.yaml:2: system: is not written as it must be"),
    ],
)
def test_what_is_wrong_in_the_yaml_is_reported_with_its_line(tmp_path, changes, why):
    given = {key: value for key, value in {**PLAIN, **changes}.items() if value is not None}
    assert why in problem(tmp_path, given)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "- a list",
            "ours.yaml:1: no report: begin with `report: <a name>`, see docs/reconcile.md",
        ),
        ("report: a\nreport: b\n", "ours.yaml:2: report: stands on line 1 too"),
        ("report: {", "can't be read as YAML from here on"),
    ],
)
def test_so_is_what_is_no_yaml_of_ours(tmp_path, text, why):
    assert why in problem(tmp_path, text)


@pytest.mark.parametrize(
    ("changes", "stage", "why"),
    [
        (
            {"entered": {"mqll": "Since"}},
            "mql",
            "ours.yaml:9: entered.mqll: 'mqll' is no stage of the funnel; did you mean 'mql'",
        ),
        (
            {"entered": {}, "stage": None},
            "mql",
            "ours.yaml:7: entered: does not say how its rows count for mql",
        ),
        (
            {},
            "sal",
            "does not say how its rows count for sal: name the column of the time of entry",
        ),
    ],
)
def test_a_stage_that_the_yaml_or_the_funnel_lacks_is_reported_with_its_line(
    tmp_path, changes, stage, why
):
    with pytest.raises(files.MappingError) as error:
        read(tmp_path, "Nr,Stage,Since\n", stage, **changes)
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (
            "Nr,Stage,Sinse\n",
            "r.csv:1: has no column 'Since' (the time of entry); did you mean 'Sinse'?",
        ),
        ("No,Stage,Since\n", "r.csv:1: has no column 'Nr' (the record's id)"),
        ("Nr,Since\n", "r.csv:1: has no column 'Stage' (the stage)"),
        ("Nr,Nr,Stage,Since\n", "the header on line 1 has 'Nr' 2 times"),
        ("", "r.csv is empty: it has no header"),
    ],
)
def test_a_column_that_the_report_lacks_is_reported_before_a_row_is_read(tmp_path, header, why):
    with pytest.raises(files.MappingError) as error:
        read(tmp_path, header)
    assert why in str(error.value)


def test_a_row_counts_for_its_time_and_says_its_record_day_and_stage(tmp_path):
    text = "Nr,Stage,Since\n5,marketingqualifiedlead,2026-01-10 09:00\n6,odd,\n\n7,N/A,2026-01-10\n"
    (first, second, third), refused = read(
        tmp_path, text, address="https://x.example/{account}/{id}"
    )
    assert refused == []
    assert (first.record, first.id, first.line) == ("hubspot:7:contact:5", "5", 2)
    assert (first.at, first.mapped, first.listed) == (1_768_032_000_000, True, True)
    assert first.address == "https://x.example/7/5"
    assert (second.at, second.word, second.mapped, second.listed) == (None, "odd", False, False)
    assert (third.word, third.mapped, third.line) == ("", True, 5)


def test_a_row_counts_for_its_words_whatever_their_case_where_there_is_no_time(tmp_path):
    text = "Nr;Stage\n1;sales READY\n2;Marketing Lead\n3;customer\n"
    labels = {"Marketing Lead": "marketingqualifiedlead"}
    rows, _ = read(tmp_path, text, entered={}, counts={"mql": ["Sales Ready", "marketing lead"]})
    assert [row.listed for row in rows] == [True, True, False]
    spec = report.load(written(tmp_path, {**PLAIN, "entered": {}, "words": labels}, r_csv=text))
    by_funnel = counting(spec, FUNNEL, "mql")
    assert [row.listed for row in by_funnel.rows(tmp_path / "r.csv")] == [False, True, False]
    assert by_funnel.by_word


def test_it_counts_for_both_where_the_yaml_says_both_and_for_none_where_every_row_counts(tmp_path):
    text = "Nr,Stage,Since\n1,won,2026-01-10\n2,open,2026-01-10\n3,won,\n"
    rows, _ = read(tmp_path, text, counts={"mql": "won"})
    assert [row.listed for row in rows] == [True, False, False]
    spec = report.load(written(tmp_path, PLAIN, r_csv=text))
    every = counting(spec, FUNNEL, "mql", every_row=True)
    assert [(row.listed, row.at) for row in every.rows(tmp_path / "r.csv")] == [(True, None)] * 3


def test_a_deals_stage_is_open_but_for_those_that_end_it_and_none_is_unknown(tmp_path):
    deals = report.load(ROOT / "schemas" / "reports" / "hubspot-deals.yaml")
    found = [means(FUNNEL, deals, word) for word in ("closedwon", "closedlost", "anything")]
    assert found == ["customer", "lost", "opportunity"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (",lead,2026-01-10", (2, "Nr", "is empty; the row names nobody")),
        (
            "1.05E+11,lead,2026-01-10",
            (2, "Nr", "'1.05E+11' is an id that a spreadsheet has changed: export it as text"),
        ),
        ("1;2,lead,2026-01-10", (2, "Nr", "'1;2' is no id but several: name the column in split")),
        ("1,lead,10/01/2026", (2, "Since", "'10/01/2026' is no time like 2026-01-31T09:00:00Z")),
        ("1,lead", (2, "", "has 2 columns, the header has 3")),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_with_its_line_column_and_reason(tmp_path, line, why):
    rows, (one,) = read(tmp_path, f"Nr,Stage,Since\n{line}\n2,lead,2026-01-10\n")
    assert (one.line, one.column, one.reason) == why
    assert [row.id for row in rows] == ["2"]


def test_encodings_delimiters_and_kinds_of_files_are_those_of_an_import(tmp_path):
    windows = "Nr;Stage;Since\r\n1;Qualifié;2026-01-10\r\n".encode("cp1252")
    (row,), _ = read(tmp_path, windows)
    assert row.word == "Qualifié"
    wide = "sep=\t\nNr\tStage\tSince\n1\tlead\t2026-01-10\n".encode("utf-16")
    assert [row.id for row in read(tmp_path, wide)[0]] == ["1"]
    lines = '{"Nr": 105, "Stage": "lead", "Since": "2026-01-10T09:00:00Z"}\n'
    (row,), _ = read(tmp_path, lines, name="r_jsonl")
    assert (row.record, row.at) == ("hubspot:7:contact:105", 1_768_035_600_000)


def test_ids_of_salesforce_are_one_whatever_their_length(tmp_path):
    text = "Nr,Stage,Since\n00Q5g00000AbCdE,Open,2026-01-10\n00Q5g00000AbCdEEAV,Open,2026-01-10\n"
    rows, _ = read(tmp_path, text, system="salesforce", kind="lead")
    assert len({row.record for row in rows}) == 1
    assert [row.id for row in rows] == ["00Q5g00000AbCdE", "00Q5g00000AbCdEEAV"]


def test_the_command_stands_in_the_help():
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "reconcile" in shown
    assert "Explain why a CRM's own figure differs, record by record." in shown
