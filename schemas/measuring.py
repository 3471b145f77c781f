"""What a funnel can and can't measure with the sources that it has, and where its leads and its spend come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.funnel import Clock, Funnel

# What each source can tell about people's work. A clock that none of the enabled ones can stop is "not measured".
CAN_SEND: dict[str, frozenset[str]] = {
    "segment": frozenset({"inbound"}),
    "meta": frozenset({"inbound"}),
    "google": frozenset({"inbound"}),
    "hubspot": frozenset({"human", "automated", "inbound", "accepted", "rejected", "leave", "moved", "onboarded"}),
    "salesforce": frozenset({"human", "accepted", "rejected", "leave", "moved"}),
    "cloudevents": frozenset({"human", "automated", "inbound", "accepted", "rejected", "leave", "moved", "onboarded"}),
}
_CONDITIONS = ("platform", "click", "utm_source", "utm_medium", "referrer")


def measured(funnel: Funnel, clock: Clock) -> bool:
    """Say whether any enabled source can send what stops a clock."""
    words = set(clock.stopped_by or clock.restarted_by)
    return any(words & CAN_SEND.get(source, frozenset()) for source in funnel.enabled_sources)


def not_measured(funnel: Funnel) -> list[str]:
    """Name the clocks that no enabled source can stop, as `stage.clock`."""
    return [
        f"{stage}.{name}" for stage, spec in funnel.stages.items() for name, clock in spec.clocks.items() if not measured(funnel, clock)
    ]


def silent(funnel: Funnel) -> list[str]:
    """Name the enabled sources of which nobody knows what they can send: systems of one's own, and misspelt ones. They stop no clock."""
    return [source for source in funnel.enabled_sources if source not in CAN_SEND]


def attribute(funnel: Funnel, marketing: Mapping[str, str]) -> tuple[str, str, str]:
    """Make source, channel and campaign of what is said of marketing, by the first rule that fits; empty where none does."""
    utm = marketing.get("utm_source", "").strip().lower()
    said = {**marketing, "utm_source": funnel.aliases.get(utm, utm)}
    campaign = said.get("campaign") or said.get("utm_campaign") or ""
    for rule in funnel.sources:
        if all(_fits(getattr(rule, field), said.get(field, "").lower()) for field in _CONDITIONS):
            source, channel = (text.replace("{utm_source}", said["utm_source"]) for text in (rule.source, rule.channel))
            return source, channel, campaign
    return "", "", campaign


def platforms(funnel: Funnel) -> dict[str, tuple[str, str]]:
    """Give source and channel of every ad platform that the source table names: what was spent there is theirs."""
    named = dict.fromkeys(platform for rule in funnel.sources for platform in rule.platform if platform != "*")
    return {platform: attribute(funnel, {"platform": platform})[:2] for platform in named}


def _fits(wanted: tuple[str, ...], value: str) -> bool:
    return not wanted or (bool(value) and ("*" in wanted or value in wanted))
