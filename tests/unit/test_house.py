"""Rules of the house that a reviewer would otherwise have to remember."""

import ast

import pytest

from tests.conftest import ROOT

TESTS = sorted((ROOT / "tests").rglob("*.py"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_test_is_imported_by_anything(path):
    modules = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom) and node.module}
    assert not [name for name in modules if name.startswith("tests.") and name.rpartition(".")[2].startswith("test_")]
