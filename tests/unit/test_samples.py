"""Every body of a vendor that we read: what it becomes, or the reason why it is refused."""

import csv

import orjson
import pytest

from schemas.events import Deal
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES
from tests.support import signing

RECEIVED = 1_790_000_000_000

# file, vendor, types of its events, records of spend, reasons of what is refused
TABLE = [
    ("segment/identify.json", "segment", ["identity.linked"], 0, []),
    ("segment/page.json", "segment", ["touch"], 0, []),
    ("segment/track.json", "segment", ["touch"], 0, []),
    ("segment/track_form_submit_with_click_ids.json", "segment", ["lead.created"], 0, []),
    ("segment/webhook_delete.json", "segment", ["erase"], 0, []),
    ("meta_lead_ads/webhook_single.json", "meta", ["lead.created"], 0, []),
    ("meta_lead_ads/webhook_docs_numeric_ids.json", "meta", ["lead.created"], 0, []),
    ("meta_lead_ads/webhook_multi_entry_one_bad_change.json", "meta", ["lead.created"] * 3, 0, ["'value' is missing"]),
    ("meta_lead_ads/lead_retrieval.json", "meta", ["lead.created", "identity.linked"], 0, []),
    ("google_lead_form/webhook_live_shape.json", "google", ["lead.created"], 0, []),
    ("google_lead_form/webhook_test_lead.json", "google", ["lead.created"], 0, []),
    ("hubspot/batch_property_change_and_creation.json", "hubspot", ["lead.stage_reported", "lead.created"], 0, []),
    ("hubspot/contact_creation_live_shape.json", "hubspot", ["lead.created"], 0, []),
    (
        "hubspot/lifecycle_sequence_out_of_order_with_retry.json",
        "hubspot",
        ["lead.stage_reported", "lead.created", *["lead.stage_reported"] * 2, *["opportunity.stage_changed"] * 2],
        0,
        [],
    ),
    ("salesforce_cdc/gap_create.json", "salesforce", [], 0, ["GAP_CREATE"]),
    ("salesforce_cdc/gap_overflow.json", "salesforce", [], 0, ["full resync"]),
    ("salesforce_cdc/gap_update_lead.json", "salesforce", [], 0, ["read it again"]),
    ("salesforce_cdc/lead_conversion_1_account_create.json", "salesforce", [], 0, []),
    ("salesforce_cdc/lead_conversion_2_contact_create.json", "salesforce", ["identity.linked"], 0, []),
    ("salesforce_cdc/lead_conversion_3_opportunity_create.json", "salesforce", ["opportunity.created"], 0, []),
    ("salesforce_cdc/lead_conversion_4_lead_update.json", "salesforce", ["lead.stage_reported", "merge", "identity.linked"], 0, []),
    ("salesforce_cdc/lead_create_pubsub.json", "salesforce", ["lead.created", "lead.stage_reported"], 0, []),
    ("salesforce_cdc/lead_update_cometd.json", "salesforce", ["lead.stage_reported"], 0, []),
    ("salesforce_cdc/merged_update_three_records.json", "salesforce", [], 0, []),
    ("salesforce_cdc/opportunity_update_closed_won.json", "salesforce", ["opportunity.won"], 0, []),
    ("ad_spend/google_ads_search_stream.json", "google", [], 3, []),
    ("ad_spend/meta_insights_daily.json", "meta", [], 2, []),
]  # fmt: skip


def normalise(samples, name, vendor):
    return SOURCES[vendor].normalise(orjson.loads((samples / name).read_bytes()), RECEIVED, Connection())


@pytest.mark.parametrize(("name", "vendor", "types", "spend", "refused"), TABLE, ids=[row[0] for row in TABLE])
def test_a_vendors_body_becomes_these_events_or_is_refused_for_this_reason(samples, name, vendor, types, spend, refused):
    found = normalise(samples, name, vendor)
    assert [event.type.value for event in found.events] == types
    assert len(found.spend) == spend
    assert len(found.rejected) == len(refused)
    assert all(why in reason for why, (reason, _) in zip(refused, found.rejected, strict=True))


def test_no_body_of_a_source_that_we_read_is_left_out_of_the_table(samples):
    folders = ("segment", "meta_lead_ads", "google_lead_form", "hubspot", "salesforce_cdc", "ad_spend")
    there = {f"{folder}/{path.name}" for folder in folders for path in (samples / folder).glob("*.json")}
    assert there - {"meta_lead_ads/verification_request.json"} == {row[0] for row in TABLE}


def test_a_retry_of_hubspot_keeps_the_events_id(samples):
    events = normalise(samples, "hubspot/lifecycle_sequence_out_of_order_with_retry.json", "hubspot").events
    assert events[2].id == events[3].id
    assert len({event.id for event in events}) == 5


def test_segments_clock_skew_is_taken_out_of_the_time(samples):
    event = normalise(samples, "segment/track.json", "segment").events[0]
    assert event.occurred_at == 1_449_947_461_249  # .266 - (.169 - .152)


def test_the_same_message_id_on_an_identify_and_a_page_makes_two_events(samples):
    names = ("segment/identify.json", "segment/page.json")
    assert len({normalise(samples, name, "segment").events[0].id for name in names}) == 2


def test_a_google_test_lead_is_kept_and_flagged(samples):
    assert normalise(samples, "google_lead_form/webhook_test_lead.json", "google").events[0].test


def test_cost_micros_and_decimal_strings_are_exact(samples):
    assert normalise(samples, "ad_spend/google_ads_search_stream.json", "google").spend[0].amount == "28.19"
    assert normalise(samples, "ad_spend/meta_insights_daily.json", "meta").spend[0].amount == "76.53"


def test_meta_seconds_are_not_taken_for_milliseconds(samples):
    assert normalise(samples, "meta_lead_ads/webhook_single.json", "meta").events[0].occurred_at == 1_630_087_926_000


def test_an_event_dated_after_its_receipt_is_dated_to_it_and_keeps_what_it_stated(samples):
    body = orjson.loads((samples / "hubspot/contact_creation_live_shape.json").read_bytes())
    event = SOURCES["hubspot"].normalise(body, 1_700_000_000_000, Connection()).events[0]
    assert (event.occurred_at, event.stated_at) == (1_700_000_000_000, 1_708_986_598_741)


def test_the_vendors_own_signatures_verify_with_the_clock_set_to_the_bodys_time(samples):
    said = orjson.loads((samples / "signatures.json").read_bytes())
    vector = said["hubspot_v3_sdk_vector"]

    def hubspot(one, signature, body, at):
        headers = {"x-hubspot-request-timestamp": one["timestamp"], "x-hubspot-signature-v3": signature}
        secret = one.get("client_secret") or one["secret"]
        return signing.proven("hubspot", secret, body, headers, one["uri"], at) == body

    at = int(vector["timestamp"])
    assert hubspot(vector, vector["signature_v3"], vector["body"].encode(), at)
    assert not hubspot(vector, vector["signature_v3"], vector["body"].encode(), at + 300_001)
    own = said["hubspot_v3"]
    assert hubspot(own, own["X-HubSpot-Signature-v3"], (samples / own["file"]).read_bytes(), int(own["timestamp"]))
    for vendor, header, secret in (("meta", "X-Hub-Signature-256", "app_secret"), ("segment", "X-Signature", "shared_secret")):
        one = said[vendor]
        body, headers = (samples / one["file"]).read_bytes(), {header.lower(): one[header]}
        assert signing.proven(vendor, one[secret], body, headers) == body
        assert signing.proven(vendor, ("another", one[secret]), body, headers) == body
        assert signing.proven(vendor, "another", body, headers) is None


def test_the_google_key_is_compared_and_removed_before_anything_is_stored(samples):
    whole = (samples / "google_lead_form/webhook_live_shape.json").read_bytes()
    body = signing.proven("google", "test-google-key", whole)
    assert b"google_key" not in body
    assert signing.proven("google", "another", whole) is None


def test_the_vendors_exported_tables_have_the_columns_that_a_mapping_would_name(samples):
    with (samples / "ad_spend" / "campaign_stats_data.csv").open() as file:
        assert {"customer_id", "date", "cost_micros", "device"} <= set(next(csv.reader(file)))


@pytest.mark.parametrize(("stated", "expected"), [("1719705600000", "2024-06-30"), ("2024-06-30", "2024-06-30"), ("2024-06-30T09:00:00Z", "2024-06-30"), ("", "")])
def test_a_close_date_is_a_day_however_a_crm_writes_it(stated, expected):
    assert Deal(id="d", close_date=stated).close_date == expected


@pytest.mark.parametrize("stated", ["soon", "2026-13-45", "99999999999999999999", "9" * 30])
def test_one_close_date_that_is_no_day_refuses_its_own_event_only(stated):
    common = {"portalId": 1, "subscriptionId": 1, "occurredAt": 1, "objectId": 9, "subscriptionType": "deal.propertyChange"}
    wrong, good = ({**common, "eventId": number, "propertyName": name, "propertyValue": value} for number, (name, value) in enumerate([("closedate", stated), ("amount", "5")]))
    found = SOURCES["hubspot"].normalise([wrong, good], RECEIVED, Connection())
    assert ([event.deal.amount for event in found.events], len(found.rejected)) == (["5"], 1)
    assert "is no day" in found.rejected[0][0]
