"""`leadstream import --dry-run`: what it shows, what it counts, when it fails, without a stack."""

import json
import subprocess
import sys

import pytest

from schemas.reading import FUNNELS, load
from streams.intake import importer
from streams.sources import files
from streams.sources.files import spool
from tests.benchmarks import importing
from tests.conftest import run_cli
from tests.support.imports import EVENT, spec, write

HEAD = "Id,Email,Created,Note\n"


def rows(count, bad=()):
    return HEAD + "".join(
        f"{n},p{n}@x.example,{'never' if n in bad else '2026-11-03T09:00:00Z'},\n"
        for n in range(count)
    )


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, spec(), a_csv=rows(200, bad=(3, 7, 150)))
    return tmp_path


def dry(folder, *options):
    return run_cli(
        "import", folder / "mapping.yaml", "--data", folder, "--dry-run", *options, check=False
    )


def test_a_dry_run_shows_ten_rows_as_events_and_all_errors_by_reason(folder):
    code, printed, error = dry(folder, "--json")
    assert (code, printed["dry_run"], printed["published"]) == (1, True, 0)
    assert [row["line"] for row in printed["rows"]] == [2, 3, 4, 6, 7, 8, 10, 11, 12, 13]
    assert printed["rows"][0]["makes"][0]["aliases"] == ["email:p0@x.example"]
    assert printed["reasons"] == [
        {
            "file": "a.csv",
            "column": "Created",
            "reason": "… is no time like 2026-01-31T09:00:00Z",
            "rows": 3,
            "line": 5,
        }
    ]
    assert (printed["read"], printed["accepted"], printed["refused"]) == (200, 197, 3)
    assert "3 of 200 rows would be refused" in error.replace("\n", " ")


def test_for_people_it_says_the_same_in_lines(folder):
    code, printed, _ = dry(folder)
    assert code == 1
    for line in (
        "a.csv:2: 2026-11-03T09:00:00.000+00:00 lead.created t:0 [email:p0@x.example] "
        "{'source': 'shop'}",
        "a.csv: 200 rows, encoding 'utf-8', delimiter ',' (found out: encoding, delimiter)",
        "  columns that are not used: Note",
        "read 200 rows, accepted 197, refused 3, ",
        "  would publish: 197 lead.created",
        "refused 3: a.csv: Created: … is no time like 2026-01-31T09:00:00Z (first on line 5)",
        "  a.csv:5: Created: 'never' is no time like 2026-01-31T09:00:00Z",
    ):
        assert line in printed


@pytest.mark.parametrize(
    ("share", "code"),
    [("0", 1), ("0.014", 1), ("0.015", 0), ("1.5%", 0), ("1", 0), ("two", 2), ("2", 2), ("nan", 2)],
)
def test_the_exit_code_follows_from_the_share_that_is_tolerated(folder, share, code):
    assert dry(folder, "--tolerate", share)[0] == code


def test_a_file_of_which_nothing_comes_is_no_success(tmp_path):
    write(tmp_path, spec(when={"Note": "nobody"}), a_csv=rows(5))
    code, printed, error = dry(tmp_path, "--json")
    assert (code, printed["left_out"], printed["accepted"]) == (1, 5, 5)
    assert "5 rows were read and none made anything" in error


def test_a_mapping_that_can_make_no_lead_stops_before_the_first_row(tmp_path):
    write(tmp_path, spec(event={"alias": "crm:shop:{Id}"}), a_csv=rows(5))
    code, printed, error = dry(tmp_path)
    assert (code, printed) == (1, "")
    assert (
        "mapping.yaml:11: files.0.events.0.alias: 'crm:shop:{Id}' has 3 parts and is no alias"
        in error.replace("\n", " ")
    )


def test_a_constant_is_set_on_the_command_line(tmp_path):
    write(
        tmp_path,
        spec(
            event={"alias": "shop:{account}:contact:{Id}"}, mapping={"constants": {"account": "1"}}
        ),
        a_csv=rows(1),
    )
    aliases = dry(tmp_path, "--set", "account=77", "--json")[1]["rows"][0]["makes"][0]["aliases"]
    assert aliases == ["shop:77:contact:0"]
    assert "the mapping's constants are account" in dry(tmp_path, "--set", "acount=77")[2].replace(
        "\n", " "
    )
    assert dry(tmp_path, "--set", "account")[0] == 2


def passage(tmp_path, document, **contents):
    path = write(tmp_path, document, **contents)
    found = importer.Passage(
        importer.load(path, tmp_path, {}),
        tmp_path,
        ("email:info@*",),
        load(FUNNELS / "default.yaml"),
    )
    return list(found), found


def test_a_target_of_what_no_figure_knows_is_refused(tmp_path):
    fields = {
        "metric": {"column": "Metric"},
        "value": {"value": "5"},
        "owner": {"value": "ann"},
        "start": {"value": "2026-01-01"},
        "end": {"value": "2026-12-31"},
        "strategy": {"value": "s"},
    }
    made, found = passage(
        tmp_path, spec(key=None, targets=[{"fields": fields}]), a_csv="Metric,x\ninflow,\nluck,\n"
    )
    assert [one.made.metric for one in made] == ["inflow"]
    assert "'luck' is no KPI" in found.report.rejected[0]["reason"]


def test_events_that_only_weak_aliases_name_and_those_of_nobody_are_counted(tmp_path):
    page = {**EVENT, "type": "touch", "id": "page:{Id}", "alias": "shop:anon:{Id}"}
    made, found = passage(
        tmp_path,
        spec(events=[EVENT, page]),
        a_csv=HEAD + "1,info@x.example,2026-11-03,\n2,a@x.example,2026-11-03,\n",
    )
    assert (len(made), found.report.weak, found.report.nobody) == (4, 2, 1)
    assert list(found.weak()) == ["page:1", "page:2"]


def test_an_id_that_breaks_its_alias_in_parts_makes_no_lead_in_silence(tmp_path):
    made, found = passage(
        tmp_path,
        spec(event={"alias": "shop:user:{Note}"}),
        a_csv=HEAD + "1,,2026-11-03,urn:li:person:7\n2,,2026-11-03,ann\n",
    )
    for event in made:
        assert importer.makes_a_lead(event.key)
    assert len(made) + found.report.refused == 2


class Kept:
    def get(self, timeout):
        return timeout


class Remembers:
    """A producer that keeps what it is given."""

    def __init__(self):
        self.sent = []

    def send(self, topic, value, key):
        self.sent.append((topic, json.loads(value), key))
        return Kept()

    def close(self, timeout):
        return timeout


def test_spend_says_when_it_was_stated_so_that_a_later_import_replaces_it(tmp_path):
    fields = {
        "platform": {"value": "meta"},
        "account": {"value": "1"},
        "day": {"column": "Day"},
        "amount": {"column": "Cost"},
        "currency": {"value": "EUR"},
    }
    path = write(
        tmp_path, spec(key=None, spend=[{"fields": fields}]), a_csv="Day,Cost\n2026-11-03,5.00\n"
    )
    producer = Remembers()
    report = importer.publish(
        importer.Passage(importer.load(path, tmp_path, {}), tmp_path), producer
    )
    [(topic, body, key)] = producer.sent
    assert (topic, body["amount"], key) == (
        "lead.spend",
        "5.00",
        b'["meta","1","2026-11-03","",""]',
    )
    assert body["stated_at"] > 1_700_000_000_000
    assert (report.published, report.events) == (1, {"spend": 1})


def test_a_full_disk_has_its_own_error(tmp_path, monkeypatch):
    write(tmp_path, spec(order="lead"), a_csv=rows(3_000))
    mapping = files.load(tmp_path / "mapping.yaml", tmp_path)
    monkeypatch.setattr(
        "streams.sources.files.spool.SCHEMA", spool.SCHEMA + "PRAGMA max_page_count = 1;"
    )
    with pytest.raises(
        files.MappingError, match="free some space, or name another folder by TMPDIR"
    ):
        list(files.read(mapping, tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(
        files.MappingError, match="free some space, or name another folder by TMPDIR"
    ):
        list(files.read(mapping, tmp_path))


@pytest.mark.ci
@pytest.mark.parametrize("order", ["file", pytest.param("lead", marks=pytest.mark.long)])
def test_the_memory_of_an_import_does_not_follow_its_files(tmp_path, order):
    peaks = []
    for rows_of_file in (100_000, 200_000):
        folder = tmp_path / str(rows_of_file)
        folder.mkdir()
        mapping = importing.write(folder, rows_of_file, order)
        command = [sys.executable, "-m", "tests.benchmarks.importing", "--measure", str(mapping)]
        measured = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        )
        assert measured["accepted"] == measured["published"] == rows_of_file
        peaks.append(measured["peak_mb"])
    # The bounded caches are full after the first; the second file is twice as large.
    assert peaks[1] < peaks[0] + 40
