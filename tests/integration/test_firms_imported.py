"""Firms of other shapes, imported into a running stack.

They verify, and each figure is the slow count's.
"""

import json
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import yaml

from schemas.reading import FUNNELS, load
from streams.embedded.stack import Stack
from tests.conftest import run_cli
from tests.integration import invariants
from tests.support.firms import lives
from tests.support.slow_figures import Slow, approx, asked_of, figures
from tests.support.stories import T0

pytestmark = pytest.mark.ci
EXAMPLES = FUNNELS / "examples"
FIRST, LAST, AS_OF = date(2026, 1, 5), date(2026, 3, 16), "2026-11-01T08:00:00Z"
FIELDS = ("origin", "stage", "reason", "handoff", "deal.id", "deal.amount")


def moment(day):
    return datetime.fromtimestamp(T0 / 1000, UTC) + timedelta(days=day)


def story_day(day, funnel):
    """Return when a day begins in the reporting zone, in days of the story."""
    begins = datetime.combine(day, time(), ZoneInfo(funnel.reporting.zone))
    return (begins.timestamp() - T0 / 1000) / 86400


def written(folder, funnel, stories):
    """Write what was sent as JSON Lines, a file per type of event, and a mapping to read them."""
    folder.mkdir()
    files, number = {}, 0
    for lead, life in enumerate(stories):
        for day, kind, body in life.sent:
            number += 1
            flat = {name: str(value) for name, value in body.items() if name in FIELDS}
            flat |= {f"deal.{name}": str(value) for name, value in body.get("deal", {}).items()}
            at = moment(day).isoformat(timespec="milliseconds")
            files.setdefault(kind.value, []).append({"n": number, "lead": lead, "at": at, **flat})
    for kind, rows in files.items():
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        (folder / f"{kind}.jsonl").write_text(text + "\n")
    mapping = {"mapping": "firm", "funnel": funnel.funnel, "source": "crm", "files": []}
    for kind, rows in files.items():
        names = sorted({name for row in rows for name in row} & {*FIELDS})
        event = {
            "type": kind,
            "id": "crm:{n}",
            "alias": "crm:user:{lead}",
            "time": {"column": "at", "format": "iso", "zone": "UTC"},
            "fields": {name: {"column": name} for name in names},
        }
        mapping["files"].append({"file": f"{kind}.jsonl", "key": "n", "events": [event]})
    (folder / "mapping.yaml").write_text(yaml.safe_dump(mapping, allow_unicode=True))
    return folder


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.yaml")))
def test_an_imported_firm_verifies_and_has_the_figures_of_a_slow_count(tmp_path, name):
    file = EXAMPLES / f"{name}.yaml"
    funnel = load(file)
    stories = lives(funnel, 300, seed=11)
    folder = written(tmp_path / "export", funnel, stories)
    home = tmp_path / "home"
    with Stack(home, str(file)) as stack:
        report = run_cli("import", folder / "mapping.yaml", "--data", folder, "--json", home=home)[
            1
        ]
        assert (report["refused"], report["accepted"]) == (0, sum(len(one.sent) for one in stories))
        invariants.hold(*invariants.of(stack))
        asked = ("--json", "--from", FIRST, "--to", LAST, "--as-of", AS_OF)
        found = [SimpleNamespace(**one) for one in run_cli("kpis", *asked, home=home)[1]]
        titled = run_cli("explain", "crm:user:1", home=home)[1]
    slow = Slow(funnel, stories, *(story_day(day, funnel) for day in (FIRST, LAST)), 300)
    for kpi in asked_of(funnel):
        mine = figures(kpi, [one for one in found if one.kpi == kpi])
        assert mine == approx(getattr(slow, kpi)()), kpi
    assert f"-> {funnel.title(funnel.shape().entry)} (" in titled
