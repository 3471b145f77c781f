"""The funnel, live: what entered, how far it gets, how long it takes, and which leads these are."""

from __future__ import annotations

from .lists import entered
from .panels import LEADS, Panel
from .shown import bars, one, table, trend

UID, TITLE = "leadstream-funnel", "Leads: the funnel, live"
VARIABLES = ("source", "channel", "campaign", "segment", "owner", "stage", "version")
COHORT = {
    "Share": "value",
    "Got there": "numerator",
    "Mature": "denominator",
    "Pending": "pending",
    "Implied": "implied",
}
APART = (
    "The share is of mature members, whose window has passed; those that still may get there are "
    "pending, and in no share."
)
COUNTS = {"Got there": "short", "Mature": "short", "Pending": "short", "Implied": "short"}
ROWS: dict[str, tuple[Panel, ...]] = {
    "Funnel": (
        Panel(
            "How many leads entered each stage?",
            "timeseries",
            trend("inflow", "stage"),
            bars=True,
            stacked=True,
        ),
        Panel(
            "How many leads stood in each stage when the period ended?",
            "bargauge",
            bars("past_balance", "stage"),
            width=6,
        ),
        Panel(
            "How many new leads does each stage have, and which are they?",
            "table",
            table("inflow", {"Entered": "value"}),
            note="A stage's name leads to its leads.",
            width=6,
        ),
        Panel(
            "How far do leads get from the start?",
            "table",
            table("conversion", COHORT),
            note=APART,
            units=COUNTS,
        ),
        Panel(
            "How many go on to the next stage?",
            "table",
            table("step_conversion", COHORT),
            note=APART,
            units=COUNTS,
        ),
        Panel(
            "Does the share that goes on change?",
            "timeseries",
            trend("step_conversion", "stage"),
            note=f"By when they entered. {APART} A young bucket has no share yet.",
        ),
        Panel(
            "How many of each cohort are still pending?",
            "timeseries",
            trend("step_conversion", "stage", number="pending"),
            unit="short",
            bars=True,
            stacked=True,
        ),
        Panel(
            "How much of each stage is still pending?",
            "table",
            table("pending", {"Share": "value", "Pending": "numerator", "Of": "denominator"}),
            units={"Pending": "short", "Of": "short"},
        ),
        Panel(
            "How many enter a next stage for each that enters a stage?",
            "table",
            table("throughput", {"Ratio": "value", "Next": "numerator", "Entered": "denominator"}),
            units={"Next": "short", "Entered": "short"},
        ),
    ),
    "Moves and time": (
        Panel(
            "Where do leads go from a stage?",
            "table",
            table("outflow", {"Left": "value"}),
        ),
        Panel(
            "How long do leads stay in a stage?",
            "table",
            table("time_in_stage", {"Hours": "value", "Stays": "n"}),
            units={"Stays": "short"},
        ),
        Panel(
            "How long have open leads stood in their stage?",
            "bargauge",
            bars("open_age", "stage"),
            steps=(("green", None), ("yellow", 24 * 14), ("red", 24 * 60)),
        ),
        Panel(
            "How many leads pass a stage by?",
            "table",
            table("skip", {"Share": "value", "Skipped": "numerator", "Mature": "denominator",
                           "Pending": "pending"}),
            note=APART,
            units={"Skipped": "short", "Mature": "short", "Pending": "short"},
        ),
        Panel(
            "How many moves go back?",
            "stat",
            one("regression", {"Moved back": "value"}),
            steps=(("green", None), ("yellow", 0.2), ("red", 0.4)),
            width=4,
        ),
        Panel(
            "How many journeys are recycled?",
            "table",
            table("recycle", {"Share": "value", "Recycled": "numerator", "Mature": "denominator",
                              "Pending": "pending"}),
            note=APART,
            units={"Recycled": "short", "Mature": "short", "Pending": "short"},
            width=10,
        ),
        Panel(
            "How many recycled leads qualify again?",
            "table",
            table("recovery", {"Share": "value", "Came back": "numerator", "Mature": "denominator",
                               "Pending": "pending"}),
            note=APART,
            units={"Came back": "short", "Mature": "short", "Pending": "short"},
            width=10,
        ),
        Panel(
            "How often do gate and CRM disagree?",
            "table",
            table("disagreement", {"Times": "value"}),
        ),
        Panel(
            "Does what stands in a stage equal what came less what went?",
            "table",
            table("balance", {"Stand there": "value", "Came": "numerator", "Went": "denominator",
                              "Came less went": "n"}),
            note="Test leads are in it.",
            runbook="time-stands",
        ),
    ),
    "Leads": (
        Panel(
            "Which leads are these?",
            "table",
            sql=entered(),
            note="The last 500 entries of the period into the stages that are chosen. A lead leads "
            "to its own page.",
            width=24,
            height=12,
            number=LEADS,
        ),
    ),
}  # fmt: skip
