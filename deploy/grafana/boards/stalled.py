"""Stalled and neglected: who waits for whom, now."""

from __future__ import annotations

from .lists import late_by, past_due, stalled
from .panels import GOOD_SHARE, NONE_IS_GOOD, Panel
from .shown import bars, one, table

UID, TITLE = "leadstream-stalled", "Leads: stalled and neglected"
VARIABLES = ("source", "channel", "campaign", "segment", "owner", "stage", "version")
ROWS: dict[str, tuple[Panel, ...]] = {
    "How many": (
        Panel(
            "How many leads are stalled?",
            "bargauge",
            bars("stalled", "stage"),
            steps=NONE_IS_GOOD,
            runbook="stalled-leads",
            width=8,
        ),
        Panel(
            "How many clocks are past due?",
            "table",
            table("past_due", {"Past due": "value"}),
            steps=NONE_IS_GOOD,
            runbook="stalled-leads",
            width=10,
        ),
        Panel(
            "How many leads has nobody touched for half a year?",
            "stat",
            one("neglect", {"Neglected": "value"}),
            steps=NONE_IS_GOOD,
            width=6,
        ),
        Panel(
            "How many leads in nurture were touched in time?",
            "table",
            table("nurture_coverage", {
                "Share": "value", "Touched": "numerator", "Of": "denominator",
            }),
            note="A limit in business time or months has no share here: the command line has it.",
            steps=GOOD_SHARE,
            units={"Touched": "short", "Of": "short"},
        ),
        Panel(
            "How long have open leads stood in their stage?",
            "bargauge",
            bars("open_age", "stage"),
            steps=(("green", None), ("yellow", 24 * 14), ("red", 24 * 60)),
        ),
    ),
    "Whose move it is": (
        Panel(
            "Which team has late leads?",
            "table",
            sql=late_by("teams.team", "Team"),
            note="Leads with a clock past its due time, by the team that owns their stage. "
            "Longest: hours.",
            units={"Longest": "h"},
            runbook="stalled-leads",
        ),
        Panel(
            "Which owner has late leads?",
            "table",
            sql=late_by("owner", "Owner"),
            note="Leads with a clock past its due time, by their owner of today. Longest: hours.",
            units={"Longest": "h"},
            runbook="stalled-leads",
        ),
        Panel(
            "Which leads are stalled, and whose move is it?",
            "table",
            sql=stalled(),
            note="The longest first. Late: hours. A lead leads to its own page.",
            units={"Late": "h"},
            runbook="stalled-leads",
            width=24,
            height=12,
        ),
        Panel(
            "Which service levels are past due, and whose move is it?",
            "table",
            sql=past_due(),
            note="Clocks that no activity restarts; the longest first. Late: hours.",
            units={"Late": "h"},
            runbook="stalled-leads",
            width=24,
            height=12,
        ),
    ),
}  # fmt: skip
