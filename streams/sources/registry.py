"""Which adapter reads what, and on which topic it arrives."""

from __future__ import annotations

from typing import NamedTuple

from schemas import topics

from .adapter import Adapter
from .vendors import cloudevents, google, hubspot, meta, salesforce, segment


class Source(NamedTuple):
    """A source: the topic its bodies arrive on and the function that reads them."""

    topic: str
    normalise: Adapter


SOURCES: dict[str, Source] = {
    "segment": Source(topics.RAW_WEB, segment.normalise),
    "meta": Source(topics.RAW_ADS, meta.normalise),
    "google": Source(topics.RAW_ADS, google.normalise),
    "hubspot": Source(topics.RAW_CRM, hubspot.normalise),
    "salesforce": Source(topics.RAW_CRM, salesforce.normalise),
    "cloudevents": Source(topics.RAW_CRM, cloudevents.normalise),
}
