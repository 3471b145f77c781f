"""Every body of a vendor that we read: what it becomes, or the reason why it is refused."""

import orjson
import pytest

from schemas.events import Deal
from streams.sources import files
from streams.sources.adapter import Connection
from streams.sources.registry import SOURCES
from tests.conftest import ROOT, SHARED
from tests.support import signing
from tests.support.sampled import TABLE

RECEIVED = 1_790_000_000_000


# Tables that a warehouse made of a vendor's records: the mapping for them, what each row becomes.
FILES = [
    ("hubspot/contact_merge_audit_data.csv", "hubspot", {"merge"}),
    # The names of its properties are hashed.
    ("hubspot/contact_property_history_data.csv", "hubspot", set()),
    ("hubspot/deal_property_history_data.csv", "hubspot", set()),
    ("hubspot/deal_stage_data.csv", "hubspot", {"opportunity.stage_changed"}),
    # Of its fields none is a stage.
    ("marketo/marketo_activity_change_data_value_data.csv", "marketo", set()),
    ("marketo/marketo_activity_delete_lead_data.csv", "marketo", {"lead.deleted"}),
    ("marketo/marketo_activity_merge_leads_data.csv", "marketo", {"merge"}),
    ("marketo/marketo_lead_data.csv", "marketo", {"lead.created"}),
    ("salesforce_objects/sf_lead_data.csv", "salesforce", {"lead.created", "lead.stage_reported"}),
    ("salesforce_objects/sf_opportunity_data.csv", "salesforce", {"opportunity.created"}),
    (
        "salesforce_objects/sf_opportunity_history_data.csv",
        "salesforce",
        {"opportunity.stage_changed"},
    ),
    ("ad_spend/campaign_stats_data.csv", "spend", {"google"}),
    ("ad_spend/facebook_ads_basic_ad_data.csv", "spend", {"meta"}),
]
OTHERS = {
    "meta_lead_ads/verification_request.json",  # a handshake, no body: tests/unit/test_gateway.py
    "ad_spend/campaign_history_data.csv",  # names of campaigns, over time
    # What a platform reports of its own conversions is no lead event.
    "ad_spend/facebook_ads_basic_ad_actions_data.csv",
}


@pytest.fixture(params=["the repository's", "the vendors'"])
def samples(request):
    """Return each folder of bodies: the repository's synthetic ones, and real ones beside it."""
    folder = (
        ROOT / "tests" / "samples" if request.param == "the repository's" else SHARED / "samples"
    )
    if not folder.is_dir():
        pytest.skip(
            "the vendors' samples are no part of the product: put ../shared beside the checkout"
        )
    return folder


def normalise(samples, name, vendor):
    body = SOURCES[vendor].decode((samples / name).read_bytes())
    return SOURCES[vendor].normalise(body, RECEIVED, Connection())


@pytest.mark.parametrize(
    ("name", "vendor", "types", "spend", "refused"), TABLE, ids=[row[0] for row in TABLE]
)
def test_a_vendors_body_becomes_these_events_or_is_refused_for_this_reason(
    samples, name, vendor, types, spend, refused
):
    found = normalise(samples, name, vendor)
    assert [event.type.value for event in found.events] == types
    assert len(found.spend) == spend
    assert len(found.rejected) == len(refused)
    assert all(why in reason for why, (reason, _) in zip(refused, found.rejected, strict=True))


@pytest.mark.parametrize(("name", "mapping", "kinds"), FILES, ids=[row[0] for row in FILES])
def test_a_table_of_a_warehouse_is_imported_row_by_row_and_none_is_refused(
    samples, name, mapping, kinds
):
    folder, _, file = name.partition("/")
    spec = files.load(ROOT / "tests" / "samples" / "mappings" / f"{mapping}.yaml", samples / folder)
    only = spec.model_copy(update={"files": tuple(one for one in spec.files if one.file == file)})
    reading = files.Reading(only, samples / folder)
    found = list(reading)
    assert not [one for one in found if isinstance(one, files.Refused)]
    assert {getattr(one, "type", None) or one.platform for one in found} == kinds
    with (samples / name).open() as lines:
        assert reading.counts.read == sum(1 for _ in lines) - 1


def test_every_body_and_table_of_a_vendor_has_a_row(samples):
    there = {
        str(path.relative_to(samples))
        for path in samples.glob("*/*")
        if path.parent.name != "mappings"
    }
    assert there == {row[0] for row in TABLE} | {row[0] for row in FILES} | OTHERS


def test_both_forms_of_a_snowplow_event_are_one_event(samples):
    one, other = (
        normalise(samples, f"snowplow/enriched_page_view.{form}", "snowplow").events
        for form in ("json", "tsv")
    )
    assert one == other
    assert one[0].occurred_at == 1_385_424_237_886


def test_a_linkedin_response_names_its_person_by_the_form_that_comes_with_it(samples):
    response, form = (
        orjson.loads((samples / "linkedin_lead_sync" / f"lead_form_{name}.json").read_bytes())
        for name in ("response", "questions")
    )
    joined = (
        SOURCES["linkedin"].normalise({**response, "form": form}, RECEIVED, Connection()).events[1]
    )
    assert joined.aliases[1].startswith("email:")
    assert joined.marketing.campaign.isdigit()


def test_micros_of_ga4_are_not_taken_for_milliseconds(samples):
    assert (
        normalise(samples, "ga4/mp_generate_lead.json", "ga4").events[0].occurred_at
        == 1_700_000_000_123
    )


def test_a_retry_of_hubspot_keeps_the_events_id(samples):
    events = normalise(
        samples, "hubspot/lifecycle_sequence_out_of_order_with_retry.json", "hubspot"
    ).events
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
    assert (
        normalise(samples, "ad_spend/google_ads_search_stream.json", "google").spend[0].amount
        == "28.19"
    )
    assert (
        normalise(samples, "ad_spend/meta_insights_daily.json", "meta").spend[0].amount == "76.53"
    )


def test_meta_seconds_are_not_taken_for_milliseconds(samples):
    assert (
        normalise(samples, "meta_lead_ads/webhook_single.json", "meta").events[0].occurred_at
        == 1_630_087_926_000
    )


def test_an_event_dated_after_its_receipt_is_dated_to_it_and_keeps_what_it_stated(samples):
    body = orjson.loads((samples / "hubspot/contact_creation_live_shape.json").read_bytes())
    event = SOURCES["hubspot"].normalise(body, 1_700_000_000_000, Connection()).events[0]
    assert (event.occurred_at, event.stated_at) == (1_700_000_000_000, 1_708_986_598_741)


def test_the_vendors_own_signatures_verify_with_the_clock_set_to_the_bodys_time(samples):
    if not (samples / "signatures.json").exists():
        pytest.skip(
            "signatures over real bodies stand beside them; "
            "those of our own are made by tests/unit/test_gateway.py"
        )
    vectors = orjson.loads((samples / "signatures.json").read_bytes())
    vector = vectors["hubspot_v3_sdk_vector"]

    def hubspot(one, signature, body, at):
        headers = {
            "x-hubspot-request-timestamp": one["timestamp"],
            "x-hubspot-signature-v3": signature,
        }
        secret = one.get("client_secret") or one["secret"]
        return signing.proven("hubspot", secret, body, headers, one["uri"], at) == body

    at = int(vector["timestamp"])
    assert hubspot(vector, vector["signature_v3"], vector["body"].encode(), at)
    assert not hubspot(vector, vector["signature_v3"], vector["body"].encode(), at + 300_001)
    own = vectors["hubspot_v3"]
    assert hubspot(
        own,
        own["X-HubSpot-Signature-v3"],
        (samples / own["file"]).read_bytes(),
        int(own["timestamp"]),
    )
    for vendor, header, secret in (
        ("meta", "X-Hub-Signature-256", "app_secret"), ("segment", "X-Signature", "shared_secret"),
        ("linkedin", "X-LI-Signature", "client_secret"),
    ):  # fmt: skip
        one = vectors[vendor]
        body, headers = (samples / one["file"]).read_bytes(), {header.lower(): one[header]}
        assert signing.proven(vendor, one[secret], body, headers) == body
        assert signing.proven(vendor, ("another", one[secret]), body, headers) == body
        assert signing.proven(vendor, "another", body, headers) is None
    linkedin = vectors["linkedin"]
    _, answer = (
        SOURCES["linkedin"]
        .routes[0]
        .handshake(
            {"challengeCode": linkedin["challengeCode"]}, lambda _name: (linkedin["client_secret"],)
        )
    )
    assert orjson.loads(answer)["challengeResponse"] == linkedin["challengeResponse"]


def test_the_google_key_is_compared_and_removed_before_anything_is_stored(samples):
    whole = (samples / "google_lead_form/webhook_live_shape.json").read_bytes()
    body = signing.proven("google", "test-google-key", whole)
    assert b"google_key" not in body
    assert signing.proven("google", "another", whole) is None


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ("1719705600000", "2024-06-30"),
        ("2024-06-30", "2024-06-30"),
        ("2024-06-30T09:00:00Z", "2024-06-30"),
        ("", ""),
    ],
)
def test_a_close_date_is_a_day_however_a_crm_writes_it(stated, expected):
    assert Deal(id="d", close_date=stated).close_date == expected


@pytest.mark.parametrize("stated", ["soon", "2026-13-45", "99999999999999999999", "9" * 30])
def test_one_close_date_that_is_no_day_refuses_its_own_event_only(stated):
    common = {
        "portalId": 1,
        "subscriptionId": 1,
        "occurredAt": 1,
        "objectId": 9,
        "subscriptionType": "deal.propertyChange",
    }
    wrong, good = (
        {**common, "eventId": number, "propertyName": name, "propertyValue": value}
        for number, (name, value) in enumerate([("closedate", stated), ("amount", "5")])
    )
    found = SOURCES["hubspot"].normalise([wrong, good], RECEIVED, Connection())
    assert ([event.deal.amount for event in found.events], len(found.rejected)) == (["5"], 1)
    assert "is no day" in found.rejected[0][0]
