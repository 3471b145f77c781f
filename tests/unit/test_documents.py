"""Files that people hand in: bounded when they are read, and no way out of their folder."""

import pytest
import yaml

from schemas import documents
from schemas.reading import FUNNELS, FunnelError
from schemas.reading import load as load_funnel
from streams.intake.records import RecordsError
from streams.intake.records import read as read_records
from streams.sources import files
from streams.sources.described import markdown
from streams.sources.registry import SOURCES
from tests.conftest import ROOT

FUNNEL = load_funnel(FUNNELS / "default.yaml")
LAUGHS = "a0: &a0 [lol]\n" + "".join(
    f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9)
)
READERS = [
    (load_funnel, FunnelError),
    (files.load, files.MappingError),
    (lambda path: read_records(path, FUNNEL), RecordsError),
]
ATTACKS = [
    (LAUGHS, r"aliases \(\*\) are not read"),
    ("a: " + "[" * 50_000, "levels deep"),
    ("a: " + "9" * 5_000, "put it in quotes"),
    ("a: 2026-13-45", "put it in quotes"),
    (b"a: \xff", "no UTF-8"),
]


@pytest.mark.parametrize(("read", "refusal"), READERS, ids=["funnel", "mapping", "records"])
@pytest.mark.parametrize(
    ("text", "why"), ATTACKS, ids=["laughs", "deep", "digits", "date", "bytes"]
)
def test_no_file_costs_more_than_it_is_long_and_each_is_refused_with_a_reason(
    tmp_path, read, refusal, text, why
):
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(refusal, match=why):
        read(path)


def test_a_file_beyond_the_bound_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "MOST_BYTES", 1_000)
    path = tmp_path / "file.yaml"
    path.write_text("a: b\n" * 500)
    with pytest.raises(documents.DocumentError, match="is larger than"):
        documents.read(path)


@pytest.mark.parametrize(
    "file",
    [*FUNNELS.glob("*.yaml"), *(FUNNELS.parent / "mappings").glob("*.yaml")],
    ids=lambda path: path.stem,
)
def test_what_is_shipped_reads_as_yaml_itself_reads_it(file):
    assert documents.read(file).value == yaml.safe_load(file.read_text())


MAPPING = """mapping: m
funnel: default
source: shop
files:
  - file: %s
    key: id
    events:
      - type: lead.created
        id: "shop:{id}"
        alias: "crm:shop:lead:{id}"
        time: {column: at, format: "%%Y-%%m-%%d", zone: UTC}
        fields: {}
"""


@pytest.fixture
def data(tmp_path):
    (tmp_path / "secret.csv").write_text("id,at\n1,2026-01-02\n")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "good.csv").write_text("id,at\n1,2026-01-02\n")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "folder.csv").mkdir()
    return folder


def mapping(data, name):
    path = data.parent / "mapping.yaml"
    path.write_text(MAPPING % name)
    return path


@pytest.mark.parametrize(
    "name", ["../secret.csv", "{}/secret.csv", "link.csv", "'a\\0b'", "sub/../../secret.csv"]
)
def test_a_mapping_does_not_choose_files_outside_of_its_folder(data, name):
    path = mapping(data, name.format(data.parent))
    if "0" in name:
        path.write_text(path.read_text().replace("'a\\0b'", '"a\\0b"'))
    with pytest.raises(
        files.MappingError, match=r"mapping\.yaml:5: file .* lies outside of the data folder"
    ):
        files.load(path, data)
    # Also where somebody made the link since.
    with pytest.raises(files.MappingError, match="lies outside"):
        list(files.read(files.load(path), data))


def test_a_file_of_the_folder_is_read_and_one_that_is_missing_is_named_with_its_line(data):
    assert len(list(files.read(files.load(mapping(data, "good.csv"), data), data))) == 1
    for name in ("none.csv", "folder.csv"):
        with pytest.raises(files.MappingError, match=r"mapping\.yaml:5: .* is missing, or no file"):
            files.load(mapping(data, name), data)


@pytest.mark.parametrize("pattern", ["{id.__class__}", "{id:>999999999}", "{id!r}", "{", "{}"])
def test_a_pattern_names_columns_and_does_nothing_else(data, pattern):
    path = mapping(data, "good.csv")
    path.write_text(path.read_text().replace("shop:{id}", f"shop:{pattern}", 1))
    if pattern == "{id.__class__}":  # a column may have a dot, and this file has no such one
        with pytest.raises(
            files.MappingError, match=r"mapping\.yaml:9: .* good\.csv has no column 'id\.__class__'"
        ):
            files.load(path, data)
        return
    with pytest.raises(
        files.MappingError, match=r"mapping\.yaml:9: files\.0\.events\.0\.id: .* is no pattern"
    ):
        files.load(path, data)


def test_a_row_that_is_too_long_for_anything_stops_no_other(data):
    (data / "good.csv").write_text(f"id,at\n{'x' * 200_000},2026-01-02\n2,2026-01-02\n")
    refused, event = files.read(files.load(mapping(data, "good.csv"), data), data)
    assert (refused.line, refused.column) == (2, "id")
    assert refused.reason.endswith("...' is longer than 200 characters")
    assert event.id == "shop:2"


def test_the_page_of_sources_is_what_their_files_say():
    page = (ROOT / "docs" / "sources.md").read_text()
    assert page.endswith(markdown()), "write it anew: leadstream sources, below the page's head"
    for vendor in SOURCES.values():
        assert vendor.title in page
        assert vendor.retries
        assert vendor.documentation.startswith("https://")
