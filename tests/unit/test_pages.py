"""What the documents tell people to type exists: commands, their options, and make's targets."""

import json
import re
import shlex

import pytest
from pydantic import SecretStr
from typer.main import get_command

from streams.cli.main import app
from tests.conftest import ROOT
from tests.support.gateways import Gateway, events

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
IN_TEXT = re.compile(r"`leadstream\s([a-z][^`]*)`")
ON_A_LINE = re.compile(r"^ {4,}(?:\$ )?(?:[A-Z_]+=\S+ )*leadstream ([a-z].*)$", re.MULTILINE)
TARGETS = re.compile(r"(?:`|^ {4,}(?:\$ )?)make ([a-z-]+)", re.MULTILINE)


def typed(page):
    """Give the commands of a page, without the program's own name."""
    text = page.read_text()
    return [*ON_A_LINE.findall(text), *(" ".join(one.split()) for one in IN_TEXT.findall(text))]


def missing(line):
    """Give what a line names that no command has; nothing where all of it exists."""
    words = shlex.split(line.partition("#")[0].replace("'", ""), posix=False)
    command = get_command(app)
    while words and hasattr(command, "commands"):
        name = words.pop(0)
        if not re.fullmatch(r"[a-z-]+", name):  # `explain ...`, or all of a group
            return None
        if name not in command.commands:
            return name
        command = command.commands[name]
    options = {one for part in command.params for one in part.opts} | {"--help"}
    named = [word.partition("=")[0] for word in words if word.startswith("--")]
    return next((one for one in named if one not in options), None)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_that_a_page_names_exists(page):
    assert not [(line, word) for line in typed(page) if (word := missing(line)) is not None]


def test_a_command_or_an_option_that_does_not_exist_is_noticed():
    wrong = ["kpi --by source", "kpis --per source", "definitions remove 2"]
    assert [missing(line) for line in wrong] == ["kpi", "--per", "remove"]


def test_the_readme_names_commands_for_each_reader():
    assert len(typed(ROOT / "README.md")) > 12


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_target_of_make_that_a_page_names_exists(page):
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TARGETS.findall(page.read_text())) <= known


def test_the_gateway_takes_the_event_of_the_readme():
    posted = re.search(r"-d '(\{.*?\})'\n", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    of_a_new_home = Gateway(ingest_tokens=SecretStr(""))  # the one token speaks for all
    answer = events(of_a_new_home, json.loads(posted))
    assert (answer.status_code, answer.json()["ids"]) == (202, ["42"])
