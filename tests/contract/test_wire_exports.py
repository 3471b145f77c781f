"""The documents that others read say what the code says; the AsyncAPI document is whole."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
from typer.testing import CliRunner

from schemas import topics
from schemas.wire import asyncapi, registry, versions
from streams.cli.main import app
from tests.support.examples import example, fits, models, named, newest, valued

DOCS = Path(__file__).parents[2] / "docs"
REMEDY = "write it again: `leadstream asyncapi --schemas docs/schemas > docs/asyncapi.json`"


def test_the_committed_documents_are_what_the_command_writes(tmp_path):
    done = CliRunner().invoke(app, ["asyncapi", "--schemas", str(tmp_path)])
    assert done.exit_code == 0
    assert json.loads(done.stdout) == json.loads((DOCS / "asyncapi.json").read_text()), REMEDY
    made = {path.name: json.loads(path.read_text()) for path in tmp_path.iterdir()}
    kept = {path.name: json.loads(path.read_text()) for path in (DOCS / "schemas").iterdir()}
    assert made == kept, REMEDY


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = CliRunner().invoke(app, ["asyncapi", "--schemas", str(tmp_path / "file")])
    assert "file" in str(done.exception)


def test_the_table_of_the_document_is_that_of_the_registry():
    text = (DOCS / "wire-formats.md").read_text()
    assert "\n".join(asyncapi.table()) + "\n" in text


def test_every_topic_has_its_records_and_no_other_has():
    channels = [channel.topic.name for channel in registry.CHANNELS]
    own = [name for name in channels if not name.startswith("leadstream-")]
    assert sorted(own) == sorted(topic.name for topic in topics.TOPICS)
    assert {f"leadstream-{worker}-changelog" for worker in topics.STATEFUL} == {*channels} - {*own}
    assert set(versions.VERSIONS) <= {*own}


def test_the_models_are_of_the_versions_that_are_written():
    for channel in registry.CHANNELS:
        known = versions.VERSIONS.get(channel.topic.name)
        if known is None:
            continue
        found = {
            int(asyncapi.version(one.model))
            for one in channel.messages
            if asyncapi.version(one.model) != "-"
        }
        assert found == set(known.values())


def _references(value):
    if isinstance(value, dict):
        for key, one in value.items():
            if key == "$ref":
                yield one
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def test_the_asyncapi_document_is_whole():
    """Its form was checked by hand against the AsyncAPI 3.0.0 schema: no package we lock has it."""
    made = asyncapi.document()
    assert made["asyncapi"] == "3.0.0"
    assert made.keys() <= {
        "asyncapi", "info", "defaultContentType", "channels", "operations", "components",
    }  # fmt: skip
    assert made["info"].keys() >= {"title", "version"}
    for reference in _references(made):
        place = made
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    for operation in made["operations"].values():
        assert operation["action"] in ("send", "receive")
    for name, channel in made["channels"].items():
        assert channel["messages"]
        assert all(
            "{" not in part or part[1:-1] in channel["parameters"] for part in parts(channel)
        )
        assert (
            made["channels"][name]["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] >= -1
        )
    for message in made["components"]["messages"].values():
        assert message.keys() >= {"name", "contentType", "summary", "payload"}


def parts(channel):
    return channel["address"].split("-")


def test_each_schema_is_one_of_draft_07():
    for schema in asyncapi.json_schemas().values():
        jsonschema_rs.Draft7Validator(schema)
        text = json.dumps(schema)
        assert not any(word in text for word in ("prefixItems", "$defs", "discriminator"))


@pytest.mark.parametrize(
    "path",
    [one for one in newest() if ".unnamed." not in one.name],
    ids=lambda path: "/".join(map(str, named(path))),
)
def test_an_example_is_of_its_model_and_of_the_published_schema(path):
    topic, body = named(path)[0], example(path)
    adapter = models(topic)
    if adapter is None or named(path)[:2] == (topics.RAW_WEB, "body"):
        return  # bytes
    value = valued(body["value"])
    fits(adapter, value)
    jsonschema_rs.Draft7Validator(asyncapi.json_schemas()[topic]).validate(value)
