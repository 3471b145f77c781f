"""HTML as values: what comes from outside is escaped, what we drew is not escaped twice.

Figures, names and addresses are text. Only `tag` makes markup, so no screen can forget to escape.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_VOID = frozenset({"br", "col", "hr", "input"})
_NAME = re.compile(r"[a-z][a-z0-9-]*")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Return a value as HTML: markup as it is, all else escaped, None as nothing."""
    if value is None:
        return Markup("")
    return value if isinstance(value, Markup) else Markup(html.escape(str(value)))


def join(parts: Iterable[object]) -> Markup:
    """Return parts as HTML, one behind the other."""
    return Markup("".join(map(text, parts)))


def tag(name: str, /, *inside: object, **attributes: object) -> Markup:
    """Return an element.

    An attribute of None or False is left out, True has no value. A trailing underscore is dropped
    (`class_`), others are hyphens (`aria_label`).
    """
    shown = []
    for key, value in attributes.items():
        known = key.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if not _NAME.fullmatch(known):
            raise ValueError(f"{known!r} is no attribute's name")
        shown.append(f" {known}" if value is True else f' {known}="{html.escape(str(value))}"')
    head = f"<{name}{''.join(shown)}>"
    return Markup(head if name in _VOID else f"{head}{join(inside)}</{name}>")


def table(
    caption: object,
    heads: Iterable[object],
    rows: Iterable[Iterable[object]],
    **attributes: object,
) -> Markup:
    """Return a table. A head or a cell is text, or a whole `th` or `td`; rows may be whole too."""
    head = tag("tr", *(_cell("th", one, scope="col") for one in heads))
    body = [
        row if isinstance(row, Markup) else tag("tr", *(_cell("td", one) for one in row))
        for row in rows
    ]
    whole = tag(
        "table",
        tag("caption", caption, class_="aloud"),
        tag("thead", head),
        tag("tbody", *body),
        **attributes,
    )
    # Those who see read the card's heading. A table that is too wide scrolls, also by keyboard.
    name = html.unescape(re.sub(r"<[^>]*>", "", text(caption)))
    return tag("div", whole, class_="scroll", tabindex="0", role="group", aria_label=name)


def _cell(name: str, one: object, /, **attributes: object) -> Markup:
    whole = isinstance(one, Markup) and one.startswith(("<th", "<td"))
    return one if whole else tag(name, one, **attributes)  # type: ignore[return-value]


def number(shown: object, **attributes: object) -> Markup:
    """Return a cell of a figure, right-aligned."""
    return tag("td", shown, class_="number", **attributes)


def aloud(shown: object) -> Markup:
    """Return text for screen readers alone."""
    return tag("span", shown, class_="aloud")


def link(address: str, shown: object, **attributes: object) -> Markup:
    """Return a link to an address of ours."""
    return tag("a", shown, href=address, **attributes)


def outside(address: str, shown: object, **attributes: object) -> Markup:
    """Return a link to a site that is not ours, in a tab of its own, which learns nothing of us."""
    safe = {"target": "_blank", "rel": "noopener noreferrer"}
    return tag("a", shown, href=address, **safe, **attributes)
