"""Sources, cost and return: where leads come from, what they cost, what they bring."""

from __future__ import annotations

from .funnel import APART
from .panels import BENCHMARKS, Panel
from .shown import ENTRY, bars, table, trend

UID, TITLE = "leadstream-sources", "Leads: sources, cost and return"
VARIABLES = ("source", "channel", "campaign", "segment", "owner", "stage", "version")
COHORT = {"Share": "value", "Got there": "numerator", "Mature": "denominator", "Pending": "pending"}
COUNTS = {"Got there": "short", "Mature": "short", "Pending": "short"}
COST = {"Cost": "value", "Spent": "numerator", "Leads": "denominator"}
SUMS = {"Sum": "value", "In its own currency": "numerator", "Deals": "n"}
MONEY = (
    "In the reporting currency. What no rate turns into it stands in rows of its own, with its sum "
    "in its own currency."
)
CHOOSE = "Choose stages above to count these only."
ROWS: dict[str, tuple[Panel, ...]] = {
    "Sources": (
        Panel(
            "Where do new entries come from?",
            "timeseries",
            trend("inflow", "source", by="source", kept={"stage": ENTRY}),
            note="Entries into the first stage of the ladder.",
            bars=True,
            stacked=True,
        ),
        Panel(
            "How many leads does each source bring into each stage?",
            "table",
            table("inflow", {"Entered": "value"}, by="source"),
            note=CHOOSE,
        ),
        Panel(
            "Which source's leads go on?",
            "table",
            table("step_conversion", COHORT, by="source"),
            note=f"{APART} {CHOOSE}",
            units=COUNTS,
        ),
        Panel(
            "Which channel's hand-offs are accepted?",
            "table",
            table("acceptance", COHORT, by="channel"),
            note=APART,
            steps=BENCHMARKS,
            units=COUNTS,
        ),
    ),
    "Cost and return": (
        Panel(
            "What does a lead of each source cost?",
            "table",
            table("cost", COST, by="source"),
            note=f"{MONEY} No cost: nobody came, or no report speaks of a cost.",
            units={"Leads": "short"},
        ),
        Panel(
            "What does a lead of each campaign cost?",
            "table",
            table("cost", COST, by="campaign"),
            note=f"{MONEY} No cost: nobody came, or no report speaks of a cost.",
            units={"Leads": "short"},
        ),
        Panel(
            "What does spend bring back?",
            "table",
            table("return", {
                "Return": "value", "Sum": "numerator", "Spent": "denominator",
                "Journeys": "n", "Mature": "mature", "Pending": "pending",
            }),
            note=f"{MONEY} Pending journeys may still be won: the return of a young period grows.",
            steps=(("red", None), ("yellow", 0.0), ("green", 1.0)),
            units={
                "Sum": "short", "Spent": "short", "Journeys": "short", "Mature": "short",
                "Pending": "short",
            },
            width=24,
        ),
    ),
    "Pipeline and revenue": (
        Panel(
            "How much pipeline did marketing's leads bring?",
            "table",
            table("pipeline", SUMS, by="source"),
            note=MONEY,
            units={"Deals": "short"},
        ),
        Panel(
            "How much was won?",
            "table",
            table("revenue", SUMS, by="source"),
            note=MONEY,
            units={"Deals": "short"},
        ),
        Panel(
            "How much was won over time?",
            "timeseries",
            trend("revenue", "currency", kept={"unconverted": "''"}),
            note=MONEY,
            bars=True,
        ),
        Panel(
            "How many deals are won?",
            "table",
            table("win_rate", COHORT),
            note=f"By close date, and of the deals opened in the period. {APART}",
            units=COUNTS,
        ),
        Panel(
            "How fast does the pipeline turn into money?",
            "bargauge",
            bars("velocity", "currency", kept={"unconverted": "''"}),
            note="Money a day.",
        ),
        Panel(
            "How long does a win take?",
            "table",
            table("cycle_time", {"Median days": "value", "Wins": "n", "Pending": "pending"}),
            units={"Wins": "short", "Pending": "short"},
        ),
        Panel(
            "How long does a loss take?",
            "table",
            table("lost_cycle", {"Median days to loss": "value", "Losses": "n",
                                 "Pending": "pending"}),
            units={"Losses": "short", "Pending": "short"},
        ),
    ),
}  # fmt: skip
