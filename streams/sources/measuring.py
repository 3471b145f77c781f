"""What a funnel can measure with its sources, and where its leads and its spend come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .registry import RESERVED, can_send

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schemas.funnel import Funnel

AD = "ad:"  # how a campaign begins that is known by one of its ads only
_CONDITIONS = ("platform", "click", "utm_source", "utm_medium", "referrer")


def work(funnel: Funnel) -> frozenset[str]:
    """Return what the enabled sources can report of people's work.

    A vendor's file states it for the vendor, the funnel for every other system.
    """
    known = can_send(funnel.sends)
    return frozenset().union(*(known.get(source, frozenset()) for source in funnel.enabled_sources))


def not_measured(funnel: Funnel) -> list[str]:
    """Return the clocks that no enabled source can stop, as `stage.clock`."""
    known = work(funnel)
    return [
        f"{stage}.{name}"
        for stage, spec in funnel.stages.items()
        for name, clock in spec.clocks.items()
        if known.isdisjoint(clock.stopped_by or clock.restarted_by)
    ]


def not_reported(funnel: Funnel) -> list[str]:
    """Return the stages of the ladder that nothing can report, so that each entry is implied.

    A stage is reported by a gate, by a source whose words for it the funnel maps, and by a system
    of one's own, which says the funnel's names. No vendor says that somebody accepted a lead.
    """
    shape, enabled = funnel.shape(), set(funnel.enabled_sources)
    if enabled - RESERVED:
        return []
    words = {word for source in enabled for word in funnel.vendors.get(source, {}).values()}
    reported = {word for word in words if isinstance(word, str)} | {*shape.gated}
    if "moved" in work(funnel):  # what reports deals
        reported |= {shape.opens, shape.won}
    return [stage for stage in shape.ladder[1:] if stage not in reported]


def silent(funnel: Funnel) -> list[str]:
    """Return the enabled sources whose abilities nobody states. They stop no clock.

    These are systems of one's own, and misspelt names.
    """
    known = can_send(funnel.sends)
    return [source for source in funnel.enabled_sources if source not in known]


def attribute(funnel: Funnel, marketing: Mapping[str, str]) -> tuple[str, str, str]:
    """Return source, channel and campaign by the first rule that fits; empty where none does."""
    utm = marketing.get("utm_source", "").strip().lower()
    fields = {**marketing, "utm_source": funnel.aliases.get(utm, utm)}
    ad = f"{AD}{fields['ad']}" if fields.get("ad") else ""  # the ad's spend names its campaign
    campaign = fields.get("campaign") or fields.get("utm_campaign") or ad
    for rule in funnel.sources:
        if all(_fits(getattr(rule, field), fields.get(field, "").lower()) for field in _CONDITIONS):
            source, channel = (
                text.replace("{utm_source}", fields["utm_source"])
                for text in (rule.source, rule.channel)
            )
            return source, channel, campaign
    return "", "", campaign


def platforms(funnel: Funnel) -> dict[str, tuple[str, str]]:
    """Return source and channel of each ad platform in the source table: its spend counts there."""
    named = dict.fromkeys(
        platform for rule in funnel.sources for platform in rule.platform if platform != "*"
    )
    return {platform: attribute(funnel, {"platform": platform})[:2] for platform in named}


def _fits(wanted: tuple[str, ...], value: str) -> bool:
    return not wanted or (bool(value) and ("*" in wanted or value in wanted))
