"""How long a preview takes, and whether it equals a full re-import: `make bench-preview`.

Generates leads, imports them, previews a stricter gate, imports the same files into a new home that
runs the candidate, and compares every figure (but the ages of open leads, which grow between the
two moments, and how the events arrived). It fails where one differs, where the preview takes 30
seconds, or where it moves no more than 100 leads.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from schemas.reading import FUNNELS
from streams.embedded.stack import Stack
from tests.conftest import run_cli
from tests.integration import histories
from tests.integration.orders import figures_now, imported, settled

MOST_SECONDS, LEAST_MOVED = 30, 100


def stricter(path):
    """Write a candidate whose gate asks for 70 points in place of 50."""
    text = (FUNNELS / "default.yaml").read_text()
    path.write_text(
        text.replace('op: ">=", value: 50', 'op: ">=", value: 70').replace(
            'version: "1"', 'version: "70"'
        )
    )
    return path


def candidates(preview):
    """Return the figures that a preview tells of the candidate."""
    return settled([one["candidate"] for one in preview["kpis"] if one["candidate"]])


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--leads", type=int, default=20_000)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        histories.write(folder / "data", options.leads)
        candidate = stricter(folder / "stricter.yaml")
        with Stack(folder / "home", "default") as stack:
            run_cli(
                "import",
                folder / "data" / "mapping.yaml",
                "--data",
                folder / "data",
                "--json",
                home=stack.home,
                timeout=3600,
            )
            found = run_cli("preview", candidate, "--json", home=stack.home)[1]
        previewed = candidates(found)
        equal = previewed == imported(
            folder / "other",
            folder / "data",
            funnel=str(candidate),
            asked=figures_now,
            timeout=3600,
        )
    sys.stdout.write(
        f"leads {found['leads']}  events {found['events']}  preview {found['seconds']} s  "
        f"moved {len(found['moved'])}  figures {len(previewed)}  equal a re-import {equal}\n"
    )
    sys.exit(not (equal and found["seconds"] < MOST_SECONDS and len(found["moved"]) > LEAST_MOVED))


if __name__ == "__main__":
    main()
