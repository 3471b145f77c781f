"""Snowplow's enriched events: lines of TSV with 131 columns, or the JSON of its analytics SDKs.

Fields: docs.snowplow.io, canonical event model. derived_tstamp is in UTC and names no zone; an
event_id may stand on several events (proxies and bots repeat it), which event_fingerprint tells
apart.
"""

from __future__ import annotations

from typing import Any

from schemas import topics
from schemas.events import EventType
from streams.sources import web
from streams.sources.adapter import Connection, Normalised, decoded, digest, each
from streams.sources.values import aliases, email_alias, first_time, name, record, text
from streams.sources.vendor import Route, Vendor

# The columns of the TSV, in their order: the simulator writes lines of them too.
COLUMNS = """
app_id platform etl_tstamp collector_tstamp dvce_created_tstamp event event_id txn_id name_tracker
v_tracker v_collector v_etl user_id user_ipaddress user_fingerprint domain_userid
domain_sessionidx network_userid geo_country geo_region geo_city geo_zipcode geo_latitude
geo_longitude geo_region_name ip_isp ip_organization ip_domain ip_netspeed page_url page_title
page_referrer page_urlscheme page_urlhost page_urlport page_urlpath page_urlquery page_urlfragment
refr_urlscheme refr_urlhost refr_urlport refr_urlpath refr_urlquery refr_urlfragment refr_medium
refr_source refr_term mkt_medium mkt_source mkt_term mkt_content mkt_campaign contexts se_category
se_action se_label se_property se_value unstruct_event tr_orderid tr_affiliation tr_total tr_tax
tr_shipping tr_city tr_state tr_country ti_orderid ti_sku ti_name ti_category ti_price ti_quantity
pp_xoffset_min pp_xoffset_max pp_yoffset_min pp_yoffset_max useragent br_name br_family br_version
br_type br_renderengine br_lang br_features_pdf br_features_flash br_features_java
br_features_director br_features_quicktime br_features_realplayer br_features_windowsmedia
br_features_gears br_features_silverlight br_cookies br_colordepth br_viewwidth br_viewheight
os_name os_family os_manufacturer os_timezone dvce_type dvce_ismobile dvce_screenwidth
dvce_screenheight doc_charset doc_width doc_height tr_currency tr_total_base tr_tax_base
tr_shipping_base ti_currency ti_price_base base_currency geo_timezone mkt_clickid mkt_network
etl_tags dvce_sent_tstamp refr_domain_userid refr_dvce_tstamp derived_contexts domain_sessionid
derived_tstamp event_vendor event_name event_format event_version event_fingerprint true_tstamp
""".split()  # noqa: SIM905 - 131 quoted words hide what they are
_TIMES = ("derived_tstamp", "true_tstamp", "collector_tstamp")
_NETWORKS = {
    "google": "gclid",
    "doubleclick": "gclid",
    "facebook": "fbclid",
    "meta": "fbclid",
    "linkedin": "li_fat_id",
}
# What a tracker sends by itself, and parts of an order: no activity of a person.
_AUTOMATIC = frozenset(
    {
        "page_ping",
        "transaction_item",
        "application_background",
        "application_foreground",
        "application_install",
    }
)
_FORMS = {"demo": "demo_form", "contact": "contact_form"}


def decode(body: bytes) -> Any:
    """Read a body: JSON where it begins as JSON, else lines of TSV as texts.

    Raises:
        ValueError: it is neither; the text says where.

    """
    if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[", b'"'):
        return decoded(body)
    whole = body.decode("utf-8-sig", errors="replace")
    if "\t" not in whole:
        raise ValueError("the body is neither JSON nor lines with tabs between their columns")
    if whole.count("\t") == len(COLUMNS) - 1:
        return [whole]  # one event, whatever line breaks stand in it
    return [line for line in whole.splitlines() if line.strip()]


def normalise(body: Any, received_at: int, _connection: Connection) -> Normalised:
    """Transform an event, or a list of them; each is an object or a line of TSV."""
    return each(body if isinstance(body, list) else [body], received_at, _one, lambda part: [part])


def _columns(line: str) -> dict[str, Any]:
    """Read a line of TSV into what the SDK's JSON would have, as far as it is read here.

    Raises:
        ValueError: it has another number of columns.

    """
    values = line.rstrip("\r\n").split("\t")
    if len(values) != len(COLUMNS):
        raise ValueError(f"{len(values)} columns, and an enriched event has {len(COLUMNS)}")
    found: dict[str, Any] = {
        column: value for column, value in zip(COLUMNS, values, strict=True) if value
    }
    for column in _TIMES:
        if column in found:
            found[column] = f"{found[column].strip()}Z"
    return found


def _one(part: Any, out: Normalised) -> None:
    event = _columns(part) if isinstance(part, str) else part
    kind = text(event.get("event_name"), 100) or text(event.get("event"), 100)
    if not kind:
        raise KeyError("event_name")
    if kind in _AUTOMATIC:
        out.ignored.append(kind)
        return
    if _robot(event):
        out.ignored.append("robot")
        return
    body = _body(event, kind)
    user = name(event.get("user_id"))
    address = email_alias(user)
    clicks = _clicks(event)
    browsers = (name(event.get(column)) for column in ("domain_userid", "network_userid"))
    found = aliases(
        address or _address(body),
        f"snowplow:user:{user}" if user and not address else None,
        *(f"{click}:{value}" for click, value in clicks.items()),
        *(f"snowplow:anon:{browser}" for browser in browsers if browser),
    )
    if not found:
        raise ValueError(
            "no user_id, domain_userid or network_userid that names anybody: nobody to give this to"
        )
    key, mark = text(event.get("event_id"), 100), text(event.get("event_fingerprint"), 60) or ""
    source, medium, campaign = (
        event.get(column) for column in ("mkt_source", "mkt_medium", "mkt_campaign")
    )
    landed = event.get("page_urlpath")
    out.add(
        id=f"snowplow:{key}:{mark}" if key else f"snowplow:body-{digest(event)}",
        occurred_at=first_time(*(event.get(column) for column in _TIMES)) or out.received_at,
        source="snowplow",
        aliases=found,
        marketing=web.marketing(
            clicks,
            source,
            medium,
            campaign,
            referrer=event.get("page_referrer"),
            landing_page=landed,
        ),
        **_meaning(kind, event, body),
    )


def _meaning(kind: str, event: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    if kind == "submit_form":
        form = text(body.get("formId"), 100) or ""
        named = _address(body) or name(event.get("user_id"))
        return {
            "type": EventType.CREATED if named else EventType.TOUCH,
            "kind": _FORMS.get(form, "form"),
            "direction": "inbound",
        }
    # A structured event's name is its action.
    if kind == "event" and event.get("se_action"):
        kind = text(event["se_action"], 100) or kind
    return {
        "type": EventType.TOUCH,
        "kind": "page_view" if kind == "screen_view" else kind,
        "direction": "inbound",
    }


def _unpacked(value: Any) -> Any:
    """Return what a column of JSON holds; nothing where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return decoded(value.encode(errors="replace"))
    except ValueError:
        return None


def _body(event: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the body of a self-describing event, in either form."""
    for column, value in event.items():
        if column.startswith("unstruct_event_") and f"_{kind}_" in column:
            return record(value)
    return record(record(record(_unpacked(event.get("unstruct_event"))).get("data")).get("data"))


def _robot(event: dict[str, Any]) -> bool:
    """Return whether the enrichment with IAB's list took the sender for a robot."""
    found = [
        value
        for column, value in event.items()
        if column.startswith("contexts_com_iab_snowplow_spiders_and_robots")
    ]
    packed = record(_unpacked(event.get("derived_contexts"))).get("data")
    listed = [record(one) for one in packed] if isinstance(packed, list) else []
    found += [one.get("data") for one in listed if "spiders_and_robots" in str(one.get("schema"))]
    flat = [one for value in found for one in (value if isinstance(value, list) else [value])]
    return any(record(one).get("spiderOrRobot") is True for one in flat)


def _clicks(event: dict[str, Any]) -> dict[str, str]:
    """Return the click ids of the page's address, and the one that an enrichment took out of it."""
    found = web.clicks(web.asked(event.get("page_urlquery"), event.get("page_url")))
    kind = _NETWORKS.get((text(event.get("mkt_network")) or "").lower())
    value = name(event.get("mkt_clickid"))
    return {**({kind: value} if kind and value else {}), **found}


def _address(body: dict[str, Any]) -> str | None:
    """Return the address that was written into a form's field for it."""
    fields = body.get("elements")
    for field in fields if isinstance(fields, list) else ():
        named = (
            (text(record(field).get("name")) or "").lower(),
            (text(record(field).get("type")) or "").lower(),
        )
        if "email" in (named[0].replace("-", "").replace("_", ""), named[1]) and (
            found := email_alias(record(field).get("value"))
        ):
            return found
    return None


_EXAMPLE: Any = [
    {
        "event_id": "an-example",
        "event_name": "page_view",
        "domain_userid": "a-browser",
        "derived_tstamp": "2026-01-31T09:00:00.000Z",
    }
]

VENDOR = Vendor(
    name="snowplow",
    title="Snowplow (enriched events, TSV and JSON)",
    topic=topics.RAW_WEB,
    normalise=normalise,
    decode=decode,
    sends=frozenset({"inbound"}),
    evidence="seen",
    documentation="https://docs.snowplow.io/docs/fundamentals/canonical-event/",
    routes=(
        Route(
            "/v1/snowplow",
            "Take enriched events of Snowplow from the relay, as TSV or JSON.",
            example=_EXAMPLE,
        ),
    ),
    origin="marketing",
    retries="a relay's: at least once",
)
