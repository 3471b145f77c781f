"""Every metric: kind, labels, unit and meaning. Labels are bounded: no lead, no campaign."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

PREFIX = "leadstream"

RECORDS = Counter(
    f"{PREFIX}_records_total",
    "What a worker did with records: read, dead, parked, held, released, expired, shared, crowded, "
    "ignored, events, duplicates, flooded, facts, forwarded",
    ["worker", "what"],
)
DEAD_LETTERS = Counter(
    f"{PREFIX}_dead_letters_total",
    "Dead letters by the worker that wrote them and the source",
    ["worker", "source"],
)
IGNORED = Counter(
    f"{PREFIX}_ignored_total",
    "Parts of bodies that are known and not ours, by source and the vendor's kind",
    ["source", "kind"],
)
DROPPED = Counter(
    f"{PREFIX}_dropped_details_total",
    "Optional details of bodies that could not be read, by source and field: their events count",
    ["source", "detail"],
)
SCHEMA_DRIFT = Counter(
    f"{PREFIX}_schema_drift_total",
    "Changes of the shape of a source's bodies: a new field, one that vanished, "
    "a new value of a field of few; the log names each",
    ["source", "change"],
)
PARKED = Gauge(
    f"{PREFIX}_source_parked",
    "1 while a source is parked in a partition of its topic",
    ["source", "topic", "partition"],
)
FOREIGN = Counter(
    f"{PREFIX}_foreign_records_total",
    "Records of our topics that none of our programs wrote",
    ["topic"],
)
TIME = Gauge(
    f"{PREFIX}_partition_time_seconds",
    "How far time has come in a partition (unix seconds)",
    ["worker", "partition"],
)
ACCEPTED = Counter(
    f"{PREFIX}_gateway_bodies_total",
    "Bodies by source and answer; disconnected: the sender hung up before an answer",
    ["source", "status"],
)
TURNED_AWAY = Counter(
    f"{PREFIX}_gateway_turned_away_total",
    "Connections and requests that the gateway ended before it read whose they are: "
    "address_rate, connections, connections_per_address, header_bytes, header_seconds, malformed, "
    "unread_body, unread_answer, upgrade, buffered_bytes",
    ["reason"],
)
PUBLISH_SECONDS = Histogram(
    f"{PREFIX}_gateway_publish_seconds", "Seconds until Kafka acknowledged a body"
)
RETRIEVALS = Counter(
    f"{PREFIX}_retrievals_total",
    "What a retriever did, by source: asked (a request went out), limited, retried, token_refused; "
    "and what became of a record: published, gone, refused, given_up",
    ["source", "what"],
)
RETRIEVING = Gauge(
    f"{PREFIX}_retrievals_waiting",
    "Records that a retriever was notified of and has not got yet",
    ["source"],
)
TOKEN_REFUSED = Gauge(
    f"{PREFIX}_retriever_token_refused",
    "1 while a vendor gives nothing for the retriever's token",
    ["source"],
)
WRITTEN = Counter(f"{PREFIX}_sink_rows_total", "Rows written to ClickHouse, by table", ["table"])
SINK_RETRIES = Counter(
    f"{PREFIX}_sink_retries_total",
    "Writes that ClickHouse did not take and that were sent again",
    ["error"],
)
REFUSED = Counter(
    f"{PREFIX}_sink_refused_rows_total",
    "Rows that ClickHouse does not take, by table: each is set aside",
    ["table"],
)
WRITE_SECONDS = Histogram(f"{PREFIX}_sink_write_seconds", "Seconds of one write of the sink")
BEHIND_SECONDS = Histogram(
    f"{PREFIX}_receipt_to_clickhouse_seconds",
    "Seconds from the receipt of a live event to its row in ClickHouse",
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 60),
)
STALLED = Gauge(
    f"{PREFIX}_stalled_leads",
    "Open leads past a service level, by stage and owner team",
    ["stage", "owner_team"],
)
STALLS = Counter(
    f"{PREFIX}_stalls",
    "Clocks that were not stopped in time, by generation, stage and its owner team: each counts "
    "once, if that was known within a day of its due time, and stays counted",
    ["generation", "stage", "owner_team"],
)
STALLS_RETRACTED = Counter(
    f"{PREFIX}_stalls_retracted",
    "Of leadstream_stalls_total, those that late proof took back",
    ["generation", "stage", "owner_team"],
)
HOT_WAITING = Gauge(
    f"{PREFIX}_hot_leads_waiting",
    "Hot leads past a service level of their stage that was due within the last day",
    ["stage", "owner_team"],
)
INFLOW_SEEN = Gauge(
    f"{PREFIX}_inflow_seen",
    "Leads that came in within the open hours of the last day or week",
    ["owner_team", "over"],
)
INFLOW_EXPECTED = Gauge(
    f"{PREFIX}_inflow_expected",
    "Leads that the same open hours brought in earlier weeks, on average",
    ["owner_team", "over"],
)
CONVERSIONS_SEEN = Gauge(
    f"{PREFIX}_conversions_seen",
    "Of the journeys that entered a stage a week to two weeks ago, those that moved on in a week",
    ["stage", "owner_team"],
)
CONVERSIONS_EXPECTED = Gauge(
    f"{PREFIX}_conversions_expected",
    "As many as would have moved on at the rate of the weeks before",
    ["stage", "owner_team"],
)
CLOCKS_DUE = Gauge(
    f"{PREFIX}_clocks_due",
    "Clocks that fell due within the last week and were met or not",
    ["stage", "owner_team"],
)
CLOCKS_MET = Gauge(f"{PREFIX}_clocks_met", "Of these, those that were met", ["stage", "owner_team"])
HANDOFFS = Gauge(
    f"{PREFIX}_handoffs_mature",
    "Hand-offs of the last weeks whose time for an answer is over",
    ["stage", "owner_team"],
)
HANDOFFS_ACCEPTED = Gauge(
    f"{PREFIX}_handoffs_accepted", "Of these, those accepted in time", ["stage", "owner_team"]
)
SPENT = Gauge(
    f"{PREFIX}_spend_amount",
    "What a source's ads cost in the last three whole days, in the reporting currency",
    ["source", "owner_team"],
)
SPENT_TOLERATED = Gauge(
    f"{PREFIX}_spend_tolerated",
    "What may be spent on a source without a lead: what the least expected number of leads cost "
    "in earlier weeks, or the funnel file's sum",
    ["source", "owner_team"],
)
SPENT_LEADS = Gauge(
    f"{PREFIX}_spend_leads",
    "Leads that a source brought in the last three whole days and since",
    ["source", "owner_team"],
)
DEALS_PAST = Gauge(
    f"{PREFIX}_deals_past_close_date", "Open deals whose close date has passed", ["owner_team"]
)
DEALS_NEWLY_PAST = Gauge(
    f"{PREFIX}_deals_newly_past_close_date",
    "Of these, those whose close date passed within the last week",
    ["owner_team"],
)
CONFLICTS = Gauge(
    f"{PREFIX}_identity_conflicts",
    "Links that would join what may not be joined, until the CRM or a person decides",
    ["owner_team"],
)
STALE_KPIS = Gauge(
    f"{PREFIX}_stale_kpis",
    "Targets of an older strategy than the funnel's, or of a period that ended without a next one",
    ["owner_team"],
)
THRESHOLD = Gauge(
    f"{PREFIX}_alert_threshold",
    "The thresholds of alerts about leads, as the funnel file states them",
    ["threshold"],
)
FIGURE_FAILED = Gauge(
    f"{PREFIX}_figure_failed",
    "1 for each figure of the live page's metrics whose last question failed",
    ["figure"],
)
OPEN = Gauge(f"{PREFIX}_open_leads", "Open leads by stage", ["stage"])
FACTS_TIME = Gauge(
    f"{PREFIX}_facts_time_seconds",
    "How far time has come in ClickHouse, in the shown generation's slowest partition (unix "
    "seconds)",
    ["generation"],
)
CLICKHOUSE_UP = Gauge(
    f"{PREFIX}_live_clickhouse_up", "Whether ClickHouse answered the last scrape of the live page"
)
LIVE_REFUSED = Counter(
    f"{PREFIX}_live_refused_total",
    "Requests that the live page refused: host, origin, login or role",
    ["why"],
)
LOGINS = Counter(
    f"{PREFIX}_live_logins_total",
    "Tokens shown to the live page: accepted, refused, or limited after many",
    ["result"],
)
PROCESS_STATE = Gauge(
    f"{PREFIX}_process_state",
    "1 for the state that a process of the stack is in: "
    "starting, running, not ready, restarting, stopped",
    ["role", "state"],
)
RESTARTS = Counter(
    f"{PREFIX}_process_restarts_total",
    "Restarts of a process of the stack since the stack started",
    ["role"],
)
TOPIC_DIFFERENCES = Gauge(
    f"{PREFIX}_topic_differences", "What differs between the broker's topics and their declaration"
)
CHECK_FAILED = Gauge(
    f"{PREFIX}_check_failed", "1 for each check of the installation that fails", ["check"]
)
TICKER_SILENCE = Gauge(
    f"{PREFIX}_ticker_last_ack_seconds",
    "Seconds since the most silent partition acknowledged a tick; at most 10 in health",
)
TICKER_PRODUCERS = Counter(
    f"{PREFIX}_ticker_producers_replaced_total",
    "Producers that the ticker gave up because they were silent",
)
NOTICES = Counter(
    f"{PREFIX}_notices_total",
    "What the notifier did: notices sent, retracted, digest (put into one), limited (over a "
    "recipient's rate, so put into the next digest), withdrawn (taken back or overtaken before "
    "they were sent), failed (no channel took them, so they wait), refused (by the CRM, for good); "
    "and messages, each of one or more notices to one recipient",
    ["what"],
)
NOTICES_WAITING = Gauge(
    f"{PREFIX}_notices_waiting",
    "Notices that wait, by why: due, digest, snoozed, parked, quiet, sending; "
    "nobody: stalls for which the book has nobody",
    ["why"],
)
NOTICE_OLDEST = Gauge(
    f"{PREFIX}_notice_oldest_seconds",
    "How long the oldest message has waited to be taken, by kind of recipient and scheme; 0 where "
    "none waits",
    ["recipient", "scheme"],
)
NOTICE_CHANNELS_FAILING = Gauge(
    f"{PREFIX}_notice_channels_failing",
    "Channels that took no message when they were tried last, by kind of recipient and scheme",
    ["recipient", "scheme"],
)
