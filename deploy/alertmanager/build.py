"""Who gets an alert, as code: routes made of the teams of a funnel file.

    python deploy/alertmanager/build.py [FUNNEL.yaml] [--webhook URL] [--print]

writes alertmanager.yml. An alert goes to the team that owns it; that of a team made `of` others, to
each of these. What no team of the file owns goes to operations. Critical alerts come at once and
again each hour. A receiver that has a channel in the file keeps it, so the script may run again
when a team is added; one that has none is a placeholder whose name says that it tells nobody. With
a webhook every receiver is that address. A test holds the committed file to the default funnel.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from schemas import reading  # noqa: E402 - a script beside its output

if TYPE_CHECKING:
    from schemas.funnel import Funnel

TARGET = Path(__file__).parent / "alertmanager.yml"
OPERATIONS, NOBODY = "operations", "-nobody-told-yet"
_HEAD = """\
# Made by deploy/alertmanager/build.py of the teams of a funnel file (docs/alerts.md).
"""
_WARNING = """\
# NOBODY IS TOLD YET. The routing is real: each alert goes to the team that owns it. The receivers
# are not: leadstream does not know your channels. Until each receiver below has a *_configs entry
# (there is an example), alerts are seen only in Alertmanager's page. docs/alerts.md shows how to
# fill this in and how to try it; receivers carry "nobody-told-yet" in their names until you rename
# them.
"""
_EXAMPLE = """\
    # webhook_configs:
    #   - url: https://chat.example.com/hooks/operations
    # email_configs (with global.smtp_smarthost and smtp_from), slack_configs, pagerduty_configs:
    # see Alertmanager's documentation, "Receiver integration settings". Keep tokens in files:
    # *_file options.
"""
_URGENT = {"group_wait": "0s", "group_interval": "1m", "repeat_interval": "1h"}


def members(funnel: Funnel, team: str) -> tuple[str, ...]:
    """Return whom a team's alerts reach: those of which it is made, or itself."""
    return (funnel.teams[team].of if team in funnel.teams else ()) or (team,)


Channels = dict[str, dict[str, Any]]  # by team: Alertmanager's *_configs


def channels(path: Path) -> Channels:
    """Return the channels that a file has already, by receiver."""
    if not path.is_file():
        return {}
    known = yaml.safe_load(path.read_text(encoding="utf-8"))["receivers"]
    found = {
        one["name"]: {key: value for key, value in one.items() if key.endswith("_configs")}
        for one in known
    }
    return {name: configs for name, configs in found.items() if configs}


def configuration(funnel: Funnel, known: Channels) -> dict[str, Any]:
    """Return Alertmanager's whole configuration."""

    def receiver(team: str) -> str:
        return team if team in known else team + NOBODY

    routes = []
    for team in dict.fromkeys((*funnel.teams, OPERATIONS)):
        to = members(funnel, team)
        for place, one in enumerate(to, 1):
            urgent = {"matchers": ['severity="critical"'], "receiver": receiver(one), **_URGENT}
            routes.append(
                {
                    "matchers": [f"owner_team={json.dumps(team, ensure_ascii=False)}"],
                    "receiver": receiver(one),
                    **({"continue": True} if place < len(to) else {}),
                    "routes": [urgent],
                }
            )
    names = [OPERATIONS, *(one for team in funnel.teams for one in members(funnel, team))]
    return {
        "route": {
            "receiver": receiver(OPERATIONS),
            "group_by": ["alertname", "owner_team"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": routes,
        },
        # Without ClickHouse there are no figures: one alert is enough.
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="LeadClickhouseAway"'],
                "target_matchers": [
                    'alertname=~"LeadFiguresMissing|LeadFigureFailed|LeadFactsBehind"'
                ],
            }
        ],
        "receivers": [
            {"name": receiver(one), **known.get(one, {})} for one in dict.fromkeys(names)
        ],
    }


def build(funnel: Funnel, known: Channels | None = None) -> str:
    """Return the file's text; `known` are the channels that there are."""
    made = configuration(funnel, known or {})
    text = yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=100)
    first = f"- name: {OPERATIONS}{NOBODY}\n"
    return _HEAD + _WARNING * (NOBODY in text) + text.replace(first, first + _EXAMPLE)


def main() -> None:
    """Write the file, or print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "funnel", nargs="?", type=Path, default=ROOT / "schemas" / "funnels" / "default.yaml"
    )
    parser.add_argument("--webhook", default="", help="one address for every team")
    parser.add_argument("--print", action="store_true", dest="shown", help="write no file")
    asked = parser.parse_args()
    funnel, known = reading.in_force(asked.funnel), channels(TARGET)
    if asked.webhook:
        address = [{"url": asked.webhook, "send_resolved": True}]
        known = {one: {"webhook_configs": address} for one in (*funnel.teams, OPERATIONS)}
    text = build(funnel, known)
    if asked.shown:
        sys.stdout.write(text)
    else:
        TARGET.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {TARGET.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
