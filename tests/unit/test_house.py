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


# What only code handles: it never reaches a person as it is.
HANDLED = frozenset({"ColumnError", "FaultError", "Refusal", "RowError", "Unknown"})


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_an_error_that_a_person_may_meet_has_the_one_base(path):
    tree = ast.parse(path.read_text())
    plain = {
        one.name
        for one in ast.walk(tree)
        if isinstance(one, ast.ClassDef) and one.bases and not one.name.startswith("_")
        if {"Exception", "ValueError", "RuntimeError"} & {ast.unparse(base) for base in one.bases}
        and "LeadstreamError" not in {ast.unparse(base) for base in one.bases}
    }
    assert plain - HANDLED <= {"LeadstreamError"}


STATEMENTS = sorted(
    path for part in ("streams", "sinks") for path in (ROOT / part).glob("**/sql/*.sql")
)


@pytest.mark.parametrize("path", STATEMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_each_statement_is_read_by_the_module_that_it_is_named_after(path):
    module = path.parent.parent / f"{path.stem.partition('_')[0]}.py"
    assert f'statement(__file__, "{path.stem}")' in module.read_text()
