"""What every command shares: the settings of the installation it asks, and how output looks."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import orjson
import stamina
import typer
from rich.console import Console
from rich.text import Text

from schemas.errors import LeadstreamError
from streams.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.live.figures import Figures

_Answer = TypeVar("_Answer")
_AWAY = ("OperationalError", "KafkaConnectionError", "KafkaTimeoutError")
# What moves a cursor, rings, colours, or makes text read in another order than it is written.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean(text: str, keep: str = "") -> str:
    r"""Return text with its control characters, but for those in `keep`, spelled out as \x1b.

    A name from outside must neither steer a terminal nor forge a line.
    """

    def spell(found: re.Match[str]) -> str:
        return found[0] if found[0] in keep else found[0].encode("unicode_escape").decode()

    return _CONTROL.sub(spell, text)


class _Plain(Console):
    """A console to which text is text: no markup, emoji codes or control characters."""

    def __init__(self, keep: str = "", *, stderr: bool = False) -> None:
        """`keep` are the control characters that our own text holds."""
        super().__init__(stderr=stderr, markup=False, emoji=False)
        self._keep = keep

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a line of text, or a table's cell, without control characters."""
        return super().render_str(clean(text, self._keep), **options)


console = _Plain()  # one line a print
errors = _Plain(keep="\n", stderr=True)


def print_line(text: str) -> None:
    """Print a line as it is: rich neither colours nor wraps it."""
    console.print(text, highlight=False, soft_wrap=True)


class Failed(LeadstreamError):  # noqa: N818 - a command's own refusal
    """A command could not do what was asked; the text says whose move it is."""


def is_away(error: Exception) -> bool:
    """Return whether Kafka or ClickHouse is away: waiting helps then, a traceback does not."""
    return type(error).__name__ in _AWAY


def seconds(text: str) -> float:
    """Return the seconds of a duration like 90s, 5m or 1h.

    Raises:
        typer.BadParameter: the text is no duration.

    """
    found = re.fullmatch(r"(\d+)(s|m|h)?", text)
    if not found:
        raise typer.BadParameter(f"{text!r} is no duration: write 60s, 5m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]


def patiently(limit: float, ask: Callable[[], _Answer]) -> _Answer:
    """Return a server's answer; while it is away, ask again for `limit` seconds.

    Raises:
        Exception: what `ask` raised the last time.

    """
    attempts = None if limit else 1
    retrying = stamina.RetryingCaller(attempts, limit or None, wait_initial=0.5, wait_max=5.0)
    return retrying(is_away, ask)


def on_home(home: Path | None) -> Settings:
    """Return the settings of a home's running stack; without a home, the environment's if set.

    Raises:
        Failed: no stack runs on the home.

    """
    from streams.embedded.home import read

    if home is None and "LEADSTREAM_BROKERS" in os.environ:
        return Settings()  # a server: the environment says where everything is
    wanted = home or Path(".leadstream")
    shown = read(wanted)
    if not shown:
        raise Failed(
            f"no stack runs on {wanted}: start one with `leadstream up --home {wanted}`, "
            "or set LEADSTREAM_BROKERS and the rest"
        )
    os.environ.update(shown["environment"])
    return Settings()


def figures(settings: Settings) -> Figures:
    """Return the reader of figures and leads, with the audit's story of one lead."""
    import time

    from sinks.clickhouse import generations
    from streams.audit import explain, finding, telling
    from streams.live.figures import Figures

    def story(client: Any, lead: str) -> dict[str, Any]:
        return explain.explain(client, lead, generations.active(client), int(time.time() * 1000))

    # A page may run without the identity key: it finds nobody by an address then.
    key = settings.identity() if settings.identity_key.get_secret_value() else b""

    def find(client: Any, text: str) -> list[str]:
        return finding.find(client, text, key, generations.active(client))

    return Figures(settings, story, telling.readable, find)


def document(value: Any) -> None:
    """Print one JSON document; control characters that JSON would let through are escaped."""

    def escape(found: re.Match[str]) -> str:
        return found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}"

    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    text = orjson.dumps(value, option=options, default=str).decode()
    sys.stdout.write(_CONTROL.sub(escape, text) + "\n")
