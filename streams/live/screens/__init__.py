"""The pages of the live page, and the cards of each in their order: one module a card."""

from __future__ import annotations

from streams.live.card import Page

from . import cohorts, definition, due, feed, flow, funnel, health, hot, inflow, stalled

# By address.
PAGES = {
    "/": Page("page_funnel", (funnel.CARD, flow.CARD, inflow.CARD, feed.CARD)),
    "/work": Page("page_work", (hot.CARD, stalled.CARD, due.CARD), of_period=False),
    "/cohorts": Page("page_cohorts", (cohorts.CARD,)),
    "/definition": Page("page_definition", (definition.CARD,), of_period=False),
    "/health": Page("page_health", (health.CARD,), of_period=False, of_leads=False),
}
