"""Hand-offs and service levels: what sales accepts, how fast, and which clocks were met."""

from __future__ import annotations

from .funnel import APART
from .lists import due_soon, waiting
from .panels import BENCHMARKS, GOOD_SHARE, Panel
from .shown import one, table, trend

UID, TITLE = "leadstream-handoffs", "Leads: hand-offs and service levels"
VARIABLES = ("source", "channel", "campaign", "segment", "owner", "stage", "version")
LINES = (
    "The lines are benchmarks from a survey of firms: the worst accept 5% of the leads that "
    "marketing sends, the average 23%, the best 47%."
)
LEDGER = {"Share": "value", "Of them": "numerator", "Mature": "denominator", "Pending": "pending"}
COUNTS = {"Of them": "short", "Mature": "short", "Pending": "short"}
ROWS: dict[str, tuple[Panel, ...]] = {
    "Hand-offs": (
        Panel(
            "What share of hand-offs does sales accept?",
            "timeseries",
            trend("acceptance", "handoff"),
            note=f"{LINES} {APART}",
            steps=BENCHMARKS,
            lines=True,
            max=1.0,
            width=16,
        ),
        Panel(
            "What share of the whole period's hand-offs was accepted?",
            "table",
            table("acceptance", LEDGER),
            note=f"{LINES} {APART}",
            steps=BENCHMARKS,
            units=COUNTS,
            width=8,
        ),
        Panel(
            "How many hand-offs may still be accepted?",
            "timeseries",
            trend("acceptance", "handoff", number="pending"),
            note="By when they were handed off.",
            unit="short",
            bars=True,
        ),
        Panel(
            "Why does sales reject?",
            "table",
            table("rejection", LEDGER),
            note=APART,
            units=COUNTS,
        ),
        Panel(
            "How many hand-offs did nobody decide?",
            "table",
            table("no_decision", LEDGER),
            note=APART,
            units=COUNTS,
            runbook="stalled-leads",
        ),
        Panel(
            "How fast is a lead assigned, and then touched?",
            "table",
            table(
                "speed_to_lead",
                {"Median": "value", "Hand-offs": "n", "Not yet": "pending"},
            ),
            note="In business minutes. No median: half of them or more wait for ever.",
            units={"Hand-offs": "short", "Not yet": "short"},
        ),
        Panel(
            "Which share of accepted leads did sales find itself?",
            "table",
            table("sales_sourced", {
                "Share": "value", "Found by sales": "numerator", "Of known origin": "denominator",
                "All accepted": "n",
            }),
            units={"Found by sales": "short", "Of known origin": "short", "All accepted": "short"},
        ),
        Panel(
            "Which hand-offs of the period wait for an answer?",
            "table",
            sql=waiting(),
            note="Hot ones first, then the longest. Waits: hours.",
            unit="short",
            units={"Waits": "h"},
            runbook="stalled-leads",
        ),
    ),
    "Service levels": (
        Panel(
            "Which service levels were met?",
            "table",
            table(
                "sla",
                {"Met": "value", "In time": "numerator", "Fell due": "denominator"},
                rows=("handoff", "clock", "restarting", "measured"),
            ),
            note="Measured 0: no enabled source can stop that clock, so it is not judged.",
            steps=GOOD_SHARE,
            units={
                "In time": "short", "Fell due": "short",
                "Restarts with activity": "none", "Measured": "none",
            },
            runbook="stalled-leads",
        ),
        Panel(
            "Which clocks fall due within a day?",
            "table",
            sql=due_soon(),
            note="As of now. Left: hours.",
            units={"Left": "h"},
        ),
        Panel(
            "How many open deals are past their close date?",
            "stat",
            one("past_close_date", {"Past close date": "value"}),
            steps=(("green", None), ("yellow", 0.1), ("red", 0.3)),
        ),
    ),
}  # fmt: skip
