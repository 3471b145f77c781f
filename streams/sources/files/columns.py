"""Which columns a mapping names, and whether its files have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from .cells import ColumnError
from .language import FileOf, JoinOf, Mapping, ValueOf, columns_in
from .problems import Path_, Problem, near
from .tables import open_table


class Named(NamedTuple):
    """A column that a key of the mapping names."""

    path: Path_
    column: str


def named(spec: FileOf, at: Path_) -> Iterator[Named]:
    """Yield every column that a file's part of the mapping names, with the key that names it."""
    if spec.key is not None:
        yield Named((*at, "key"), spec.key)
    yield from (Named((*at, "when", name), name) for name in spec.when)
    yield from (Named((*at, "split", name), name) for name in spec.split)
    for number, join in enumerate(spec.join):
        yield Named((*at, "join", number, "by"), join.by)
    for name, one in spec.values.items():
        yield from _of_value(one, (*at, "values", name))
    for place, event in enumerate(spec.events):
        here: Path_ = (*at, "events", place)
        yield from (Named((*here, "when", name), name) for name in event.when)
        yield from (Named((*here, "id"), name) for name in columns_in(event.id))
        yield from (Named((*here, "alias"), name) for name in columns_in(event.alias))
        for number, also in enumerate(event.also):
            yield from (Named((*here, "also", number), name) for name in columns_in(also))
        if event.each is not None:
            yield Named((*here, "each"), event.each)
        yield from (Named((*here, "time", "column"), name) for name in event.time.column or ())
        for name, one in event.fields.items():
            yield from _of_value(one, (*here, "fields", name))
    for kind, records in (("spend", spec.spend), ("targets", spec.targets)):
        for place, record in enumerate(records):
            here = (*at, kind, place)
            yield from (Named((*here, "when", name), name) for name in record.when)
            for name, one in record.fields.items():
                yield from _of_value(one, (*here, "fields", name))


def _of_value(one: ValueOf, at: Path_) -> Iterator[Named]:
    yield from (Named((*at, "column"), name) for name in one.column or ())
    yield from (Named((*at, "text"), name) for name in columns_in(one.text or ""))


def wanted(mapping: Mapping, spec: FileOf) -> tuple[frozenset[str], list[frozenset[str]]]:
    """Return the columns that are read of a file, and of each that is joined."""
    names = {one.column for one in named(spec, ())}
    joined = [
        frozenset(
            {
                join.key,
                *(
                    name.removeprefix(f"{join.name}.")
                    for name in names
                    if name.startswith(f"{join.name}.")
                ),
            }
        )
        for join in spec.join
    ]
    prefixes = tuple(f"{join.name}." for join in spec.join)
    given = {*mapping.constants, *spec.values}
    return frozenset(
        name for name in names if name not in given and not name.startswith(prefixes or "\0")
    ), joined


def lacking(mapping: Mapping, path_of: Callable[[str], Path]) -> list[Problem]:
    """Open each file, and find what it lacks. `path_of` gives a name's path in the data folder."""
    found: list[Problem] = []
    for number, spec in enumerate(mapping.files):
        at: Path_ = ("files", number)
        need, joined = wanted(mapping, spec)
        path = path_of(spec.file)
        where: dict[str, Path_] = {}
        for one in named(spec, at):
            where.setdefault(one.column, one.path)
        there = _header(path, spec, need, at, found)
        if there is not None:
            found += _lacking(path, spec, need, there, {**where})
            found += [
                Problem(
                    (*at, "values", name),
                    f"{path.name} has a column of that name too: choose another",
                )
                for name in {*spec.values, *mapping.constants} & {*there}
                if name in where
            ]
        for place, (join, names) in enumerate(zip(spec.join, joined, strict=True)):
            here: Path_ = (*at, "join", place)
            other = path_of(join.file)
            has = _header(other, join, names, here, found)
            if has is not None:
                keys = {
                    name.removeprefix(f"{join.name}."): key
                    for name, key in where.items()
                    if name.startswith(f"{join.name}.")
                }
                found += _lacking(other, join, names, has, {join.key: (*here, "key"), **keys})
    return found


def _header(
    path: Path, spec: FileOf | JoinOf, need: frozenset[str], at: Path_, found: list[Problem]
) -> list[str] | None:
    try:
        return open_table(path, spec, need).columns
    except ColumnError as error:
        found.append(Problem((*at, "file"), f"{path.name}: {error.text}"))
    except OSError as error:
        found.append(Problem((*at, "file"), f"{path} can't be read: {error.strerror}"))
    return None


def _lacking(
    path: Path,
    spec: FileOf | JoinOf,
    need: frozenset[str],
    there: list[str],
    where: dict[str, Path_],
) -> Iterator[Problem]:
    if not there:
        yield Problem(
            where.get("", next(iter(where.values()), ("files",))),
            f"{path.name} is empty: it has no header",
        )
        return
    for name in sorted(need - {*there, *spec.optional}):
        text = f"{path.name} has no column {name!r}{near(name, [one for one in there if one])}"
        yield Problem(where.get(name, ("files",)), text)
