"""What the facade itself refuses, in ClickHouse's words: clients know its codes."""

from __future__ import annotations

import re

_CODE = re.compile(r"Code: (\d+)")
_LONGEST = 2_000  # ClickHouse repeats the whole query in some errors
# The statuses that ClickHouse's own HTTP interface gives; 500 for all others.
_STATUS = {
    36: 400, 62: 400, 72: 400, 73: 400, 115: 400, 117: 400, 432: 400, 456: 400, 457: 400,
    46: 404, 47: 404, 60: 404, 81: 404,
    158: 413, 307: 413, 396: 413,
    159: 408, 160: 408,
    164: 403, 452: 403, 497: 403, 516: 403,
    202: 503,
}  # fmt: skip


class Refusal(Exception):  # noqa: N818 - a refusal is an answer
    """A request that is answered with an error of ClickHouse's kind."""

    def __init__(self, code: int, name: str, text: str) -> None:
        """`name` is ClickHouse's name of the code."""
        super().__init__(f"Code: {code}. DB::Exception: {text}. ({name})")


def code_of(text: str) -> int:
    """Return the code in an error's text, 1000 (POCO_EXCEPTION) where it has none."""
    found = _CODE.search(text)
    return int(found[1]) if found else 1000


def readable(text: str) -> tuple[int, str, int]:
    """Return code, text from the code on and HTTP status of an error of the engine or of ours."""
    start = max(0, text.find("Code: "))
    code = code_of(text)
    shown = text[start : start + _LONGEST]
    return code, shown, _STATUS.get(code, 500)
