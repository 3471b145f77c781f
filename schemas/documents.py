"""Reading YAML that people hand in: one bounded loader, and the line of every problem.

Definitions, mappings and files of records are read here and nowhere else. PyYAML expands aliases
and recurses without a bound, so a file of a kilobyte can cost gigabytes; none of our files needs
aliases, and none is deep or large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from schemas.errors import LeadstreamError

if TYPE_CHECKING:
    from pathlib import Path

# PyYAML needs about 20 s for as much; longer lists of records are JSON Lines.
MOST_BYTES = 4_000_000
MOST_DEEP = 32


class Problem(NamedTuple):
    """One error of a file: the line it stands on (1 is the first), the key, and what to do."""

    line: int
    where: str
    text: str
    file: str = ""  # of a folder's problem


class DocumentError(LeadstreamError):
    """A file that is no YAML document within the bounds."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        super().__init__(problem.text)
        self.problem = problem


class Document(NamedTuple):
    """A document's value, and the tree that knows its lines."""

    tree: yaml.Node | None
    value: Any


class _Loader(yaml.SafeLoader):
    """Refuse what a short text can blow up with: aliases and depth."""

    _deep = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            text = (
                "anchors (&) and aliases (*) are not read: write the value out where it is needed"
            )
            raise yaml.composer.ComposerError(None, None, text, event.start_mark)
        if self._deep >= MOST_DEEP:
            text = f"nested more than {MOST_DEEP} levels deep: no file of ours is"
            raise yaml.composer.ComposerError(None, None, text, event.start_mark)
        self._deep += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._deep -= 1


def read(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        DocumentError: it can't be opened, is too large, or is not YAML as we read it.

    """
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise DocumentError(Problem(1, "file", f"can't be read: {error.strerror}")) from error
    if len(raw) > MOST_BYTES:
        raise DocumentError(Problem(1, "file", f"is larger than {MOST_BYTES // 1_000_000} MB"))
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DocumentError(Problem(line, "file", "no UTF-8: save it as UTF-8")) from error
    loader = None
    try:
        loader = _Loader(text)
        tree = loader.get_single_node()
        value = loader.construct_document(tree) if tree is not None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DocumentError(Problem(mark.line + 1 if mark else 1, "yaml", str(error))) from error
    except (ValueError, ArithmeticError) as error:  # 2026-13-45, a number of 5000 digits
        raise DocumentError(
            Problem(1, "yaml", "a value can't be read, like the day 2026-13-45: put it in quotes")
        ) from error
    finally:
        if loader is not None:
            loader.dispose()
    return Document(tree, value)


def line_of(node: yaml.Node | None, path: list[str | int]) -> int:
    """Return the line of a path in the tree, or of its nearest parent where the key is missing."""
    best = node.start_mark.line if node else 0
    for step in path:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(step):
                    best, node = key.start_mark.line, value
                    break
            else:
                return best + 1
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value)
        ):
            node = node.value[step]
            best = node.start_mark.line
    return best + 1


def twice(node: yaml.Node | None, path: tuple[str, ...] = ()) -> list[Problem]:
    """Return a problem for each key that stands twice in one mapping.

    YAML would take the last and drop the first in silence.
    """
    found = []
    children = node.value if isinstance(node, (yaml.MappingNode, yaml.SequenceNode)) else ()
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, _ in node.value:
            line, name = key.start_mark.line + 1, str(key.value)
            if name in seen:
                where = ".".join((*path, name))
                found.append(
                    Problem(line, where, f"stands on line {seen[name]} too; keep one of them")
                )
            seen[name] = line
    for child in children:
        key, value = child if isinstance(child, tuple) else (None, child)
        found += twice(value, (*path, str(key.value)) if key is not None else path)
    return found
