"""How long a preview takes, and whether it says what a full re-import under the candidate says: `make bench-preview`.

Generates leads, imports them, previews a stricter gate, imports the same files into a new home that runs the candidate, and
compares every figure (but the ages of open leads, which grow between the two moments, and how the events arrived). It fails
where one differs, where the preview takes 30 seconds, or where it moves no more than 100 leads.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from schemas.reading import FUNNELS
from sinks.clickhouse import kpis
from streams.embedded.stack import Stack
from tests.conftest import run_cli
from tests.integration import histories

MOST_SECONDS, LEAST_MOVED = 30, 100


def key(figure):
    return json.dumps([figure["kpi"], figure["basis"], figure["dimensions"]], sort_keys=True)


def figures(found):
    """What can be compared between two moments."""
    return {key(one): [one[name] for name in ("value", "numerator", "denominator", "n")] for one in found if one["kpi"] != "open_age" and one["basis"] != kpis.ARRIVAL}


def stricter(path):
    """Write a candidate whose gate asks for 70 points in place of 50."""
    text = (FUNNELS / "default.yaml").read_text()
    path.write_text(text.replace('op: ">=", value: 50', 'op: ">=", value: 70').replace('version: "1"', 'version: "70"'))
    return path


def reimported(folder, home, candidate, seconds=3600):
    """Import a folder of files into a new home that runs the candidate; give its figures."""
    with Stack(home, str(candidate)):
        run_cli("import", folder / "mapping.yaml", "--data", folder, "--json", home=home, timeout=seconds)
        return figures(run_cli("kpis", "--json", home=home)[1])


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--leads", type=int, default=20_000)
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        histories.write(folder / "data", options.leads)
        candidate = stricter(folder / "stricter.yaml")
        with Stack(folder / "home", "default") as stack:
            run_cli("import", folder / "data" / "mapping.yaml", "--data", folder / "data", "--json", home=stack.home, timeout=3600)
            found = run_cli("preview", candidate, "--json", home=stack.home)[1]
        said = figures([one["candidate"] for one in found["kpis"] if one["candidate"]])
        equal = said == reimported(folder / "data", folder / "other", candidate)
    sys.stdout.write(
        f"leads {found['leads']}  events {found['events']}  preview {found['seconds']} s  moved {len(found['moved'])}  "
        f"figures {len(said)}  equal a re-import {equal}\n"
    )
    sys.exit(not (equal and found["seconds"] < MOST_SECONDS and len(found["moved"]) > LEAST_MOVED))


if __name__ == "__main__":
    main()
