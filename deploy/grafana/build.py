"""The dashboards as code: `python deploy/grafana/build.py` writes dashboards/*.json.

`--live` and `--runbooks` are the addresses that links lead to, where they are not those of
deploy/compose.yaml. A test holds files and code together.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TARGETS = Path(__file__).parent / "dashboards"

if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
    import boards

    parser = argparse.ArgumentParser(description="Write Grafana's dashboards.")
    parser.add_argument("--live", default=boards.LIVE, help="address of the live page")
    parser.add_argument("--runbooks", default=boards.RUNBOOKS, help="address of the runbooks")
    asked = parser.parse_args()
    for board in boards.BOARDS:
        target = TARGETS / f"{board.UID.removeprefix('leadstream-')}.json"
        target.write_text(boards.build(board, asked.live, asked.runbooks), encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}")  # noqa: T201
