"""The pages of the live page, and the cards of each in their order: one module a card."""

from __future__ import annotations

from streams.live.card import Page

from . import (
    cohorts,
    compared,
    definition,
    due,
    feed,
    flow,
    funnel,
    headlines,
    health,
    hot,
    inflow,
    ledger,
    levels,
    sources,
    stalled,
    targets,
)

# By address.
PAGES = {
    "/": Page(
        "page_funnel",
        (headlines.CARD, compared.CARD, funnel.CARD, flow.CARD, inflow.CARD, feed.CARD),
    ),
    "/work": Page("page_work", (hot.CARD, stalled.CARD, due.CARD), of_period=False, details=True),
    "/handoffs": Page("page_handoffs", (ledger.CARD, levels.CARD)),
    "/sources": Page("page_sources", (sources.CARD,)),
    "/targets": Page("page_targets", (targets.CARD,)),
    "/cohorts": Page("page_cohorts", (cohorts.CARD,)),
    "/definition": Page("page_definition", (definition.CARD,), of_period=False),
    "/health": Page("page_health", (health.CARD,), of_period=False, of_leads=False),
}
