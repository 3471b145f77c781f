"""Memory and time of an import, whatever its files weigh: `python -m tests.benchmarks.importing`.

Writes a CSV of so many rows in random order and runs what `leadstream import` does between its
files and Kafka, once for each order, each in its own process, to a producer that discards. It fails
where the importer's peak memory (VmHWM) reaches 400 MB or not every row is accepted.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

MOST_MB = 400
START = datetime(2025, 1, 6, 8, tzinfo=UTC)


class Kept:
    """An acknowledgement that is there at once."""

    @staticmethod
    def get(timeout):
        return timeout


class Discards:
    """A producer that keeps nothing: what is measured is the importer."""

    def send(self, topic, value, key):
        return Kept

    def close(self, timeout):
        return timeout


def write(folder, rows, order):
    """Write rows of five events a lead in random order, and a mapping; alike for each order."""
    path = folder / "events.csv"
    if not path.exists():
        rng, leads = random.Random(1), max(1, rows // 5)
        with path.open("w") as file:
            file.write("Id;Email;Record;When;Kind;Amount;Note\n")
            for number in range(rows):
                lead = rng.randrange(leads)
                at = START + timedelta(minutes=rng.randrange(60 * 24 * 300))
                kind = rng.choice(["page_view", "form", "call"])
                amount = f"{rng.randrange(9)}.{rng.randrange(999):03},50"
                file.write(
                    f"{number};P{lead}@x.example;{lead};{at:%d.%m.%Y %H:%M};{kind};"
                    f'"{amount}";"a note; of {number}"\n'
                )
    event = {
        "type": "touch",
        "id": "bench:{Id}",
        "alias": "email:{Email}",
        "also": ["hubspot:1:contact:{Record}"],
        "time": {"column": "When", "format": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
        "fields": {
            "kind": {"column": "Kind"},
            "direction": {"value": "inbound"},
            "attributes.amount": {"column": "Amount", "as": "number", "decimal": ","},
        },
    }
    document = {
        "mapping": "bench",
        "funnel": "default",
        "source": "hubspot",
        "order": order,
        "files": [{"file": path.name, "key": "Id", "events": [event]}],
    }
    mapping = folder / f"{order}.yaml"
    mapping.write_text(yaml.safe_dump(document))
    return mapping


def measure(mapping, folder):
    """Import in this process; print what it took."""
    from streams.intake import importer

    began = time.monotonic()
    report = importer.publish(
        importer.Passage(importer.load(mapping, folder, {}), folder), Discards()
    )
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
    took = time.monotonic() - began
    sys.stdout.write(
        json.dumps(
            {
                "rows": report.read,
                "accepted": report.accepted,
                "published": report.published,
                "seconds": round(took, 1),
                "cpu": round(time.process_time(), 1),
                "peak_mb": peak,
            }
        )
        + "\n"
    )


def main():
    asked = argparse.ArgumentParser()
    asked.add_argument("--rows", type=int, default=5_000_000)
    asked.add_argument("--order", choices=["file", "lead"])
    asked.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.measure:
        measure(options.measure, options.measure.parent)
        return
    good = True
    with tempfile.TemporaryDirectory() as name:
        for order in [options.order] if options.order else ["file", "lead"]:
            mapping = write(Path(name), options.rows, order)
            command = [
                sys.executable,
                "-m",
                "tests.benchmarks.importing",
                "--measure",
                str(mapping),
            ]
            found = json.loads(
                subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            )
            size = (Path(name) / "events.csv").stat().st_size // 1_000_000
            rate = found["rows"] / found["seconds"]
            sys.stdout.write(
                f"order {order}  rows {found['rows']:,}  file {size} MB  "
                f"peak {found['peak_mb']} MB  "
                f"{found['seconds']} s ({found['cpu']} s of CPU)  {rate:,.0f} rows/s\n"
            )
            good = (
                good
                and found["peak_mb"] < MOST_MB
                and found["rows"] == found["accepted"] == found["published"] == options.rows
            )
    sys.exit(not good)


if __name__ == "__main__":
    main()
