"""A mapping file read, and every problem in it named with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from schemas import documents

from . import checking, columns
from .language import EventOf, FileOf, JoinOf, Mapping, MappingError, TimeOf, ValueOf
from .problems import Path_, fail, near

_TEXTS = {
    "missing": "is missing: write it",
    "invalid_key": "is no key: YAML reads on, off, yes and no as true and false; put it in quotes",
    "string_type": "must be a text: put it in quotes",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "dict_type": "must be keys with values below",
    "model_type": "must be keys with values below",
    "model_attributes_type": "must be keys with values below",
    "tuple_type": "must be a list",
    "literal_error": "must be one of {expected}",
    "enum": "must be one of {expected}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "string_too_long": "must be one character",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
}
_PATTERNS = {
    "source": "must be of small letters, digits and _",
    "as": "must be of letters, digits and _",
}

_Model = TypeVar("_Model", bound=BaseModel)


class Kind(NamedTuple):
    """A kind of file: what it is called, which is its first key too; its guide; its models."""

    noun: str
    guide: str
    models: tuple[type[BaseModel], ...]

    @property
    def keys(self) -> list[str]:
        """All keys that may stand in such a file."""
        fields = (item for model in self.models for item in model.model_fields.items())
        return sorted({field.alias or name for name, field in fields})


_KIND = Kind("mapping", "docs/import.md", (Mapping, FileOf, JoinOf, EventOf, TimeOf, ValueOf))


def load(path: Path, folder: Path | None = None) -> Mapping:
    """Read a mapping file and check all that needs no row; with `folder`, its files' columns too.

    Raises:
        MappingError: it names every problem with its line.

    """
    mapping, tree = parsed(path, Mapping, _KIND)
    mapping = mapping.placed(path, tree)
    fail(mapping, checking.fields(mapping))
    if folder is not None:
        check(mapping, folder)
    return mapping


def parsed(path: Path, model: type[_Model], kind: Kind) -> tuple[_Model, yaml.Node | None]:
    """Read a file of YAML as a model, with the tree that knows its lines.

    Raises:
        MappingError: it names every problem with its line.

    """
    try:
        tree, raw = documents.read(path)
    except documents.DocumentError as error:
        raise MappingError(f"{path}:{error.problem.line}: {_yaml(error.problem)}") from error
    if found := documents.twice(tree):
        raise MappingError(
            "\n".join(f"{path}:{one.line}: {one.where}: {one.text}" for one in found)
        )
    if not isinstance(raw, dict):
        raise MappingError(
            f"{path}:1: no {kind.noun}: begin with `{kind.noun}: <a name>`, see {kind.guide}"
        )
    try:
        return model.model_validate(raw), tree
    except ValidationError as error:
        raise MappingError("\n".join(_mistakes(path, tree, error, kind))) from error


def check(mapping: Mapping, folder: Path, strong: Callable[[str], bool] | None = None) -> None:
    """Check what needs the files: that they are there, their columns, and who makes a lead.

    `strong` says of an alias whether it makes a lead: whoever resolves identities is the judge.

    Raises:
        MappingError: it names every problem with its line.

    """
    missing: list[str] = []
    for number, spec in enumerate(mapping.files):
        here: list[tuple[str, Path_]] = [(spec.file, ("files", number, "file"))]
        here += [
            (one.file, ("files", number, "join", place, "file"))
            for place, one in enumerate(spec.join)
        ]
        for name, at in here:
            try:
                within(folder, name)
            except MappingError as error:
                missing.append(f"{mapping.at(*at)}: {error}")
    if missing:
        raise MappingError("\n".join(missing))
    if strong is not None:
        fail(mapping, checking.judged(mapping, strong))
    fail(mapping, columns.lacking(mapping, lambda name: within(folder, name)))


def within(folder: Path, name: str) -> Path:
    """Return the path of a file in the data folder.

    A mapping may come from elsewhere, so it must not choose what else of this machine is published.

    Raises:
        MappingError: the file is missing, or lies outside: an absolute path, `..`, or a link.

    """
    path = folder / name
    if "\0" in name or not path.resolve().is_relative_to(folder.resolve()):
        raise MappingError(
            f"file {name!r} lies outside of the data folder {folder}: copy it there, "
            "and name it without `..` or a link"
        )
    if not path.is_file():
        raise MappingError(
            f"{path} is missing, or no file: put it there, or name another folder by --data"
        )
    return path


def _yaml(problem: documents.Problem) -> str:
    """Explain in our words what YAML's parser reports in its own."""
    if problem.where != "yaml" or any(
        one in problem.text for one in ("are not read", "levels deep", "in quotes")
    ):
        return problem.text.splitlines()[0]
    hint = "check the indentation, and put texts with `: ` or `#` or braces in quotes"
    return f"can't be read as YAML from here on: {hint}"


def _mistakes(path: Path, tree: yaml.Node | None, error: ValidationError, kind: Kind) -> list[str]:
    found = []
    errors = error.errors()
    for item in errors:
        below = [other for other in errors if other["loc"][: len(item["loc"])] == item["loc"]]
        # What was wrong in a list was taken from it.
        if item["type"] == "too_short" and len(below) > 1:
            continue
        steps = [step for step in item["loc"] if not (isinstance(step, str) and "[" in step)]
        where = ".".join(map(str, steps)) or kind.noun
        line = documents.line_of(tree, list(steps))
        text = _explanation(item, str(steps[-1]) if steps else "", kind)
        found.append(f"{path}:{line}: {where}: {text}")
    return list(dict.fromkeys(found))


def _explanation(item: Any, key: str, kind: Kind) -> str:
    context = item.get("ctx", {})
    if item["type"] == "value_error":
        text: str = item["msg"].removeprefix("Value error, ")
        return text
    if item["type"] == "string_pattern_mismatch":
        return _PATTERNS.get(key, "is not written as it must be")
    if item["type"] == "extra_forbidden":
        return f"{key!r} is no key of a {kind.noun} here{near(key, kind.keys)}"
    text = _TEXTS.get(item["type"], f"can't be used here: see {kind.guide}")
    return text.format_map({"expected": "", **context})
