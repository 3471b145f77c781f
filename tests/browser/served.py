"""The live page over figures of a hostile source: names and addresses that would run if let.

Usage: python -m tests.browser.served PORT. Ends with its parent's signal.
"""

import sys
from datetime import UTC, datetime

from schemas.reading import FUNNELS, load
from streams.live.figures import Figures
from streams.live.page import serve
from streams.settings import Settings

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
LEAD = "018f0000-0000-8000-8000-000000000001"
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


class Hostile(Figures):
    """Answers without ClickHouse."""

    funnel = load(FUNNELS / "default.yaml")

    def kpis(self, asof=None, by="", names=()):
        return []

    def funnel_now(self, source="", segment="", owner=""):
        return [{"stage": stage, "entered": 3, "open": 1} for stage in ("inquiry", EVIL)]

    def flow(self):
        return [{"from_stage": "inquiry", "to_stage": EVIL, "n": 2}]

    def stalled(self, limit=50):
        return [
            {
                "lead": LEAD,
                "stage": EVIL,
                "clock": EVIL,
                "status": "breached",
                "owner": EVIL,
                "record_url": "",
                "due_at": NOW,
                "since": NOW,
            }
        ]

    def feed(self, limit=15):
        return [
            {"lead": LEAD, "from_stage": EVIL, "to_stage": EVIL, "why": EVIL, "event_time": NOW}
        ]

    def inflow(self):
        return [{"day": "2026-01-02", "source": EVIL, "n": 4}]

    def health(self):
        return {"tick_age_seconds": 1.0, "leads": 7}

    def story_lines(self, lead):
        return [f"Lead {lead}", EVIL]


if __name__ == "__main__":
    settings = Settings(port=int(sys.argv[1]))
    serve(settings, Hostile(settings, None, None))
