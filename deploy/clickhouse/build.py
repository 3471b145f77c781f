"""The users of a server as a file: `python deploy/clickhouse/build.py` writes access.sql.

A test holds the two together.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGET = Path(__file__).parent / "access.sql"

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from sinks.clickhouse import access

    TARGET.write_text(access.script(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")  # noqa: T201
