"""SQL statements in files beside the modules that run them."""

from __future__ import annotations

from pathlib import Path


def statement(module: str, name: str) -> str:
    """Return the statement of `sql/NAME.sql` beside a module, without its comments.

    `module` is the module's `__file__`. Comments stand on lines of their own.
    """
    text = (Path(module).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if not line.lstrip().startswith("--"))
