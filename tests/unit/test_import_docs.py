"""Every example of docs/import.md does what stands beside it."""

import functools
import json
import re
from datetime import datetime

import pytest

from schemas.events import LeadEvent
from streams.sources import files
from tests.conftest import ROOT

BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def examples():
    """Return each example: its mapping, its files, and what comes of them, by the fence's word."""
    found = []
    for _, name, text in BLOCK.findall((ROOT / "docs" / "import.md").read_text()):
        if name == "mapping":
            found.append({})
        found[-1][name] = text
    return found


def shown(one):
    """Return what was made as the document writes it."""
    fields = one.model_dump(mode="json", exclude_defaults=True)
    fields.pop("source", None)
    if isinstance(one, LeadEvent):
        fields["occurred_at"] = one.occurred_at
    return fields


def expected(line):
    fields = json.loads(line)
    if "occurred_at" in fields:
        fields["occurred_at"] = round(
            datetime.fromisoformat(fields["occurred_at"]).timestamp() * 1000
        )
    return fields


@pytest.mark.parametrize(
    "example", examples(), ids=lambda one: one["mapping"].split("\n")[0].split()[1]
)
def test_an_example_of_the_document_does_what_it_says(tmp_path, example):
    path = tmp_path / "mapping.yaml"
    path.write_text(example.pop("mapping"))
    wanted = {name: example.pop(name, "") for name in ("made", "refused", "error")}
    for name, text in example.items():
        (tmp_path / name).write_text(text)
    if wanted["error"]:
        with pytest.raises(files.MappingError) as error:
            files.load(path, tmp_path)
        for line in wanted["error"].splitlines():
            assert line.removesuffix("...") in str(error.value)
        return
    found = list(files.read(files.load(path, tmp_path), tmp_path))
    made = [shown(one) for one in found if not isinstance(one, files.Refused)]
    # The examples promise no order.
    by_name = functools.partial(json.dumps, sort_keys=True)
    assert sorted(made, key=by_name) == sorted(
        map(expected, wanted["made"].splitlines()), key=by_name
    )
    refused = [
        f"{one.file}:{one.line}: {one.column}: {one.reason}"
        for one in found
        if isinstance(one, files.Refused)
    ]
    assert refused == wanted["refused"].splitlines()


def test_the_document_has_an_example_of_each_construct():
    text = "\n".join(one["mapping"] for one in examples())
    words = [
        "when:",
        "optional:",
        "value:",
        "default:",
        "map:",
        "else:",
        "format:",
        "zone:",
        "decimal:",
        "split:",
        "each:",
        "join:",
        "spend:",
        "targets:",
        "lead.snapshot",
        "names:",
        "strip:",
        "constants:",
        "values:",
        "text:",
        "as:",
    ]
    assert [word for word in words if word not in text] == []
