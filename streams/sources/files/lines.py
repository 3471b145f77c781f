"""The text of a file: its encoding, its lines, and rows of CSV out of them.

Three rules hold whatever the file says. Every line belongs to exactly one row or is refused by
itself: a quote that opens and does not close costs its own line, never those behind it. A row is
bounded, so a file without an end of line does not fill the memory. Nothing raises.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MOST_CHARACTERS = 8_000_000  # of a line, and of a row of several lines
MOST_LINES = 10_000  # of one row
SAMPLE_BYTES = 262_144
_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_WIDE = ("utf-16", "utf-32", "utf_16", "utf_32", "u16", "u32")
# What nobody sees at the ends of a cell; str.strip knows the spaces among it.
_UNSEEN = " \t\r\n\v\f\x1c\x1d\x1e\x1f\x85\u00a0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, (*range(0x2000, 0x2010), 0x00AD, 0x2060, 0xFEFF, 0x180E, 0x202A, 0x202C))
)

csv.field_size_limit(MOST_CHARACTERS)


class Line(NamedTuple):
    """A line as it stands in the file, its end included; `whole` is False where it is too long."""

    number: int
    text: str
    whole: bool = True


class Cells(NamedTuple):
    """A row: where it begins, and its cells, or why it has none."""

    line: int
    cells: list[str]
    problem: str = ""


def clean(text: str) -> str:
    """Return a cell without what nobody sees at its ends."""
    return text.strip(_UNSEEN)


def encoding_of(path: Path) -> str:
    """Find out the encoding: by the mark at the beginning, else UTF-8, else Windows' cp1252.

    What is plain ASCII for long says nothing: the first letters that are not decide.
    """
    with path.open("rb") as file:
        sample = file.read(SAMPLE_BYTES)
        for mark, name in _BOMS:
            if sample.startswith(mark):
                return name
        zeros = (sample[1::2].count(0), sample[::2].count(0))
        if max(zeros) > len(sample) // 6:  # a third of one half: letters of two bytes
            return "utf-16-le" if zeros[0] > zeros[1] else "utf-16-be"
        while sample.isascii() and (more := file.read(SAMPLE_BYTES)):
            sample = sample[-3:] + more  # a letter's bytes may lie on both sides
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample)
    wrong = sum("\udc80" <= letter <= "\udcff" for letter in text)
    right = sum(letter > "\x7f" for letter in text) - wrong
    return "utf-8" if right >= wrong else "cp1252"


def is_wide(encoding: str) -> bool:
    """Return whether a character is two bytes or more: then a wrong one can't be kept as it is."""
    return encoding.lower().startswith(_WIDE)


def lines_of(path: Path, encoding: str) -> Iterator[Line]:
    """Yield the lines of a file, at most MOST_CHARACTERS long; of a longer one its beginning."""
    name = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
    lost = "replace" if is_wide(name) else "surrogateescape"
    with path.open(encoding=name, errors=lost, newline="") as file:
        number = 0
        while text := file.readline(MOST_CHARACTERS):
            number += 1
            whole = len(text) < MOST_CHARACTERS or text.endswith(("\n", "\r"))
            yield Line(number, text if whole else text[:100], whole)
            while not whole:
                rest = file.readline(MOST_CHARACTERS)
                whole = not rest or len(rest) < MOST_CHARACTERS or rest.endswith(("\n", "\r"))


def unreadable(text: str, encoding: str) -> bool:
    """Return whether a text holds what its encoding has no character for."""
    if is_wide(encoding):
        return "\ufffd" in text
    return not text.isascii() and any("\udc80" <= letter <= "\udcff" for letter in text)


def rows_of(lines: Iterator[Line], delimiter: str, quote: str, width: int = 0) -> Iterator[Cells]:
    """Yield the rows of CSV lines. `width`: how many cells a row should have, 0 if nobody knows."""
    ahead: deque[Line] = deque()
    while True:
        line = ahead.popleft() if ahead else next(lines, None)
        if line is None:
            return
        if not line.whole:
            yield Cells(line.number, [], f"the line is longer than {MOST_CHARACTERS} characters")
        elif not quote or quote not in line.text:
            yield Cells(line.number, line.text.rstrip("\r\n").split(delimiter))
        else:
            yield _quoted(line, ahead, lines, delimiter, quote, width)


def _quoted(
    first: Line, ahead: deque[Line], lines: Iterator[Line], delimiter: str, quote: str, width: int
) -> Cells:
    """Read a row that has quotes, and give back the lines that turn out not to be its own."""
    taken = [first]

    def feed() -> Iterator[str]:
        yield first.text
        size = len(first.text)
        while size < MOST_CHARACTERS and len(taken) < MOST_LINES:
            line = ahead.popleft() if ahead else next(lines, None)
            if line is None:
                return
            taken.append(line)
            if not line.whole:
                return
            size += len(line.text)
            yield line.text

    problem, cells = "", []
    try:
        cells = next(csv.reader(feed(), delimiter=delimiter, quotechar=quote, strict=True))
        if len(cells) != width and len(taken) == 1:  # a, "b, c": a space before the quote
            near = csv.reader(
                [first.text],
                delimiter=delimiter,
                quotechar=quote,
                strict=True,
                skipinitialspace=True,
            )
            again = next(near)
            cells = again if len(again) == width else cells
        if _swallowed(taken, delimiter, width):
            problem = "a quote opens on this line and closes only behind other rows"
    except (csv.Error, StopIteration):
        alone = len(taken) == 1 and first.text.count(quote) % 2 == 0
        problem = (
            "a quote stands inside a quoted cell: double it"
            if alone
            else "a quote opens on this line and does not close: close it, or double it"
        )
    if problem:
        ahead.extendleft(reversed(taken[1:]))
        return Cells(first.number, [], problem)
    return Cells(first.number, cells)


def _swallowed(taken: list[Line], delimiter: str, width: int) -> bool:
    """Return whether each line of a row looks like a row itself: a quote that was never meant.

    Two columns are too few to tell: a letter's lines have a comma each as easily.
    """
    return (
        width > 2
        and len(taken) > 1
        and all(line.text.count(delimiter) == width - 1 for line in taken)
    )
