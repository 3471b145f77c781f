"""The same history imported in another order, or in two parts with a restart between, compared."""

import csv
import json

from sinks.clickhouse import kpis
from streams.embedded.stack import Stack
from tests.conftest import run_cli
from tests.integration import invariants

AS_OF = "2026-11-01"


def key(figure):
    return json.dumps([figure["kpi"], figure["basis"], figure["dimensions"]], sort_keys=True)


def settled(found):
    """Return the figures that can be compared later: no ages of open leads, no order of arrival."""
    return {
        key(one): [one[name] for name in ("value", "numerator", "denominator", "n")]
        for one in found
        if one["kpi"] != "open_age" and one["basis"] != kpis.ARRIVAL
    }


def figures_now(home):
    """Return the settled figures at this moment."""
    return settled(run_cli("kpis", "--json", home=home)[1])


def figures(home):
    """Return every figure at one moment, but those of how the events arrived."""
    found = run_cli("kpis", "--json", "--as-of", AS_OF, home=home)[1]
    return {key(figure): figure for figure in found if figure["basis"] != kpis.ARRIVAL}


def imported(home, *folders, funnel, asked=figures, **options):
    """Import folders into a new home, a restart between each; return what is `asked` of it."""
    for folder in folders:
        with Stack(home, funnel) as stack:
            report = run_cli(
                "import", folder / "mapping.yaml", "--data", folder, "--json", home=home, **options
            )[1]
            assert report["rejected"] == []
            invariants.hold(*invariants.of(stack))
            found = asked(home)
    return found


def split(folder, one, two):
    """Share out the rows of every file of a folder, by turns."""
    for target in (one, two):
        target.mkdir()
        (target / "mapping.yaml").write_text((folder / "mapping.yaml").read_text())
    for path in folder.glob("*.csv"):
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for target, share in ((one, rows[::2]), (two, rows[1::2])):
            with (target / path.name).open("w", newline="") as out:
                writer = csv.DictWriter(out, rows[0])
                writer.writeheader()
                writer.writerows(share)
    return one, two
