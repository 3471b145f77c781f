"""Rules of the house that a reviewer would otherwise have to remember."""

import ast
import re

import pytest

from tests.conftest import ROOT

TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_test_is_imported_by_anything(path):
    modules = {
        node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert not [
        name
        for name in modules
        if name.startswith("tests.") and name.rpartition(".")[2].startswith("test_")
    ]


BANNED = frozenset(
    {
        "told",
        "frm",
        "said",
        "saying",
        "mover",
        "door",
        "absorbing",
        "halves",
        "birth",
        "born",
        "letgo",
    }
)
MODULES = sorted(
    path for part in ("streams", "schemas", "sinks") for path in (ROOT / part).rglob("*.py")
)


def identifiers(tree):
    for node in ast.walk(tree):
        match node:
            case (
                ast.Name(id=name)
                | ast.Attribute(attr=name)
                | ast.arg(arg=name)
                | ast.keyword(arg=str(name))
            ):
                yield name
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
                | ast.alias(asname=str(name))
            ):
                yield name


def words(name):
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_name_is_of_a_private_language(path):
    names = [*identifiers(ast.parse(path.read_text())), path.stem]
    assert not [name for name in names if words(name) & BANNED]
