"""What tests share of samples."""

# file, vendor, types of its events, records of spend, reasons of what is refused
TABLE = [
    ("segment/identify.json", "segment", ["identity.linked"], 0, []),
    ("segment/page.json", "segment", ["touch"], 0, []),
    ("segment/track.json", "segment", ["touch"], 0, []),
    ("segment/track_form_submit_with_click_ids.json", "segment", ["lead.created"], 0, []),
    ("segment/webhook_delete.json", "segment", ["erase"], 0, []),
    ("meta_lead_ads/webhook_single.json", "meta", ["lead.created"], 0, []),
    ("meta_lead_ads/webhook_docs_numeric_ids.json", "meta", ["lead.created"], 0, []),
    (
        "meta_lead_ads/webhook_multi_entry_one_bad_change.json", "meta", ["lead.created"] * 3, 0,
        ["'value' is missing"],
    ),
    ("meta_lead_ads/lead_retrieval.json", "meta", ["lead.created", "identity.linked"], 0, []),
    ("google_lead_form/webhook_live_shape.json", "google", ["lead.created"], 0, []),
    ("google_lead_form/webhook_test_lead.json", "google", ["lead.created"], 0, []),
    (
        "hubspot/batch_property_change_and_creation.json", "hubspot",
        ["lead.stage_reported", "lead.created"], 0, [],
    ),
    ("hubspot/contact_creation_live_shape.json", "hubspot", ["lead.created"], 0, []),
    (
        "hubspot/lifecycle_sequence_out_of_order_with_retry.json",
        "hubspot",
        [
            "lead.stage_reported", "lead.created", *["lead.stage_reported"] * 2,
            *["opportunity.stage_changed"] * 2,
        ],
        0,
        [],
    ),
    ("salesforce_cdc/gap_create.json", "salesforce", [], 0, ["GAP_CREATE"]),
    ("salesforce_cdc/gap_overflow.json", "salesforce", [], 0, ["full resync"]),
    ("salesforce_cdc/gap_update_lead.json", "salesforce", [], 0, ["read it again"]),
    ("salesforce_cdc/lead_conversion_1_account_create.json", "salesforce", [], 0, []),
    (
        "salesforce_cdc/lead_conversion_2_contact_create.json", "salesforce", ["identity.linked"],
        0, [],
    ),
    (
        "salesforce_cdc/lead_conversion_3_opportunity_create.json", "salesforce",
        ["opportunity.created"], 0, [],
    ),
    (
        "salesforce_cdc/lead_conversion_4_lead_update.json", "salesforce",
        ["lead.stage_reported", "merge", "identity.linked"], 0, [],
    ),
    (
        "salesforce_cdc/lead_create_pubsub.json", "salesforce",
        ["lead.created", "lead.stage_reported"], 0, [],
    ),
    ("salesforce_cdc/lead_update_cometd.json", "salesforce", ["lead.stage_reported"], 0, []),
    ("salesforce_cdc/merged_update_three_records.json", "salesforce", [], 0, []),
    ("salesforce_cdc/opportunity_update_closed_won.json", "salesforce", ["opportunity.won"], 0, []),
    ("ad_spend/google_ads_search_stream.json", "google", [], 3, []),
    ("ad_spend/meta_insights_daily.json", "meta", [], 2, []),
    (
        "salesforce_objects/lead_rest.json", "salesforce",
        ["lead.created", "lead.stage_reported", "merge", "identity.linked"], 0, [],
    ),
    (
        "salesforce_objects/opportunity_rest.json", "salesforce",
        ["opportunity.created", "opportunity.stage_changed"], 0, [],
    ),
    ("linkedin_lead_sync/notification_created.json", "linkedin", ["lead.created"], 0, []),
    ("linkedin_lead_sync/notification_deleted.json", "linkedin", ["lead.deleted"], 0, []),
    (
        "linkedin_lead_sync/lead_form_response.json", "linkedin",
        ["lead.created", "identity.linked"], 0, [],
    ),
    ("linkedin_lead_sync/lead_form_questions.json", "linkedin", [], 0, []),
    ("ga4/mp_generate_lead.json", "ga4", ["lead.created"], 0, []),
    ("snowplow/enriched_page_view.json", "snowplow", ["touch"], 0, []),
    ("snowplow/enriched_page_view.tsv", "snowplow", ["touch"], 0, []),
]  # fmt: skip
