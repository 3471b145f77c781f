"""The live page over figures of a hostile source: names and addresses that would run if let.

Usage: python -m tests.browser.served PORT. Ends with its parent's signal.
"""

import sys
from datetime import UTC, datetime

from schemas.reading import FUNNELS, load
from streams.live import lists, work
from streams.live.figures import Figures
from streams.live.page import serve
from streams.settings import Settings

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
LEAD = "018f0000-0000-8000-8000-000000000001"
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
_ROW = {
    "lead": LEAD,
    "stage": EVIL,
    "clock": EVIL,
    "status": "breached",
    "hot": 1,
    "owner": EVIL,
    "manager": EVIL,
    "source": EVIL,
    "record_url": "javascript:alert(1)",
    "due_at": NOW,
    "since": NOW,
    "touched": 0,
    "total": 1,
}
_MOVE = {
    "lead": LEAD,
    "from_stage": EVIL,
    "to_stage": EVIL,
    "why": EVIL,
    "reason": EVIL,
    "event_time": NOW,
    "n": 2,
}
_HEALTH = {"events": 1, "conflicts": 0, "holes": 0}
_EVENT = {
    "at": NOW,
    "learned": NOW,
    "type": EVIL,
    "id": EVIL,
    "source": EVIL,
    "held": False,
    "stage": EVIL,
}


class Hostile(Figures):
    """Answers without ClickHouse."""

    funnel = load(FUNNELS / "default.yaml")

    def rows(self, statement, **parameters):
        answers = {
            lists._STALLED.partition("{sort}")[0]: [_ROW],
            lists._TEAMS: [{"stage": EVIL, "n": 1}],
            lists._DUE.partition("{sort}")[0]: [_ROW],
            lists._HOT.partition("{sort}")[0]: [_ROW],
            work._FLOW: [_MOVE],
            lists._FEED: [_MOVE],
            work._STANDING: [{"stage": EVIL, "n": 1}],
            work._OPTIONS: [{"name": "source", "value": EVIL, "n": 1}],
            work._HEALTH: [_HEALTH],
            work._LETTERS: [{"topic": EVIL, "n": 1}],
        }
        return next((rows for part, rows in answers.items() if part in statement), [])

    def report(self, asked):
        """Return each figure asked for, of a hostile group."""
        common = {"unit": "leads", "better": "higher", "note": EVIL, "meaning": EVIL, "title": EVIL}
        numbers = {"value": 0.5, "numerator": 1, "denominator": 2, "n": 3, "mature": 2}
        of = {"stage": "inquiry", "next_stage": EVIL, "handoff": EVIL, "reason": EVIL, "leg": EVIL}
        more = {"clock": EVIL, "measured": 1, "per": "inquiry", "currency": EVIL, "source": EVIL}
        day = {"bucket": "2026-01-02"} if asked.trend else {}
        target = {"measure": "attainment", "metric": EVIL, "owner": EVIL, "scope": ""}
        days = {"start": "2026-01-01", "end": "2026-02-01"}
        return {
            "figures": [
                {
                    **common,
                    **numbers,
                    "kpi": kpi,
                    "basis": "period",
                    "pending": 1,
                    "format": "percent",
                    "dimensions": {**of, **more, **target, **days, **day, asked.by or "by": EVIL},
                }
                for kpi in asked.kpis
            ]
        }

    def health(self):
        return {"tick_age_seconds": 1.0, "leads": 7}

    def knows(self, lead):
        return True

    def story(self, lead):
        return {
            "lead": lead,
            "now": {"stage": EVIL, "owner": EVIL, "campaign": EVIL, "record_url": "javascript:1"},
            "definitions": [],
            "events": [_EVENT],
            "facts": [],
            "restated": [],
            "ladder": [],
            "outlook": {},
        }


if __name__ == "__main__":
    settings = Settings(port=int(sys.argv[1]))
    serve(settings, Hostile(settings, None, None, None))
