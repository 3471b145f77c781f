-- The truth and its projections. Every statement may run twice; the migrator keeps the checksum of
-- this file.

CREATE TABLE IF NOT EXISTS active_generation (
  dataset LowCardinality(String),
  generation UInt16,
  funnel String,
  activated_at DateTime64(3, 'UTC'),
  note String
) ENGINE = ReplacingMergeTree(activated_at)
ORDER BY dataset;

CREATE TABLE IF NOT EXISTS generation_log (
  generation UInt16,
  funnel String,
  activated_at DateTime64(3, 'UTC'),
  note String
) ENGINE = MergeTree
ORDER BY activated_at;

-- Every revision that was ever sent, with what made it: as-of, the bridge and `verify` read it.
-- Replacing by (…, revision): a repeated send is the same row, so merges only drop copies.
CREATE TABLE IF NOT EXISTS fact_revisions (
  generation UInt16,
  lead_id UUID,
  fact_id String CODEC(ZSTD(1)),
  kind LowCardinality(String),
  journey UInt16,
  event_time DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
  revision UInt64 CODEC(Delta(8), ZSTD(1)),
  is_deleted UInt8,
  content String CODEC(ZSTD(1)),
  source_partition UInt16,
  source_offset UInt64 CODEC(Delta(8), ZSTD(1)),
  ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta(8), ZSTD(1))
) ENGINE = ReplacingMergeTree
PARTITION BY generation
ORDER BY (generation, lead_id, fact_id, revision);

-- What `advance` read, whatever its generation: all contents of an id stay, repeats fall together
-- (clickhouse c4).
CREATE TABLE IF NOT EXISTS touches (
  lead_id UUID,
  event_id String CODEC(ZSTD(1)),
  origin String CODEC(ZSTD(1)),
  content_hash UInt64,
  kind LowCardinality(String),
  copied UInt8,
  held UInt8,
  content String CODEC(ZSTD(1)),
  event_time DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
  received_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
  source_partition UInt16,
  source_offset UInt64 CODEC(Delta(8), ZSTD(1)),
  -- the smallest offset of each content stays: the larger the version, the earlier it was read
  earliness UInt64 MATERIALIZED 18446744073709551615 - source_offset,
  ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') CODEC(Delta(8), ZSTD(1))
) ENGINE = ReplacingMergeTree(earliness)
ORDER BY (lead_id, event_id, origin, content_hash, copied);

-- Each first-hand event as it arrived, a repeat too: touches keeps only the first of equal ones,
-- and a rate needs both.
CREATE TABLE IF NOT EXISTS arrivals (
  source_partition UInt16,
  source_offset UInt64 CODEC(Delta(8), ZSTD(1)),
  received_at DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
  behind_ms Int64 CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree
ORDER BY (source_partition, source_offset);

-- What could not be read, by its place, its worker and its record's time; the body stays on Kafka
-- (`leadstream deadletters`). A mark's version is its time in ms, a letter's is 0: one that a crash
-- writes again behind its mark changes nothing.
CREATE TABLE IF NOT EXISTS dead_letters (
  id String,
  topic LowCardinality(String),
  worker LowCardinality(String),
  source LowCardinality(String),
  kind LowCardinality(String),
  reason String CODEC(ZSTD(1)),
  fate LowCardinality(String),
  received_at DateTime64(3, 'UTC'),
  version UInt64
) ENGINE = ReplacingMergeTree(version)
ORDER BY (id, worker, received_at);

CREATE TABLE IF NOT EXISTS cuts (
  generation UInt16,
  source_partition UInt16,
  next_offset UInt64,
  now DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree
ORDER BY (generation, source_partition, next_offset, now)
TTL toDateTime(now) + INTERVAL 2 DAY;

CREATE TABLE IF NOT EXISTS archived (
  source_partition UInt16,
  next_offset UInt64
) ENGINE = ReplacingMergeTree(next_offset)
ORDER BY source_partition;

CREATE TABLE IF NOT EXISTS lead_state (
  generation UInt16,
  lead_id UUID,
  stage LowCardinality(String),
  since Nullable(DateTime64(3, 'UTC')),
  journey UInt16,
  opened_at Nullable(DateTime64(3, 'UTC')),
  origin LowCardinality(String),
  source LowCardinality(String),
  channel LowCardinality(String),
  campaign String,
  segment LowCardinality(String),
  owner String,
  queue String,
  manager String,
  record_url String,
  account String,
  assigned_at Nullable(DateTime64(3, 'UTC')),
  score Float64,
  hot UInt8,
  test UInt8,
  excluded LowCardinality(String),
  suppressed LowCardinality(String),
  opted_out UInt8,
  last_activity_at Nullable(DateTime64(3, 'UTC')),
  last_touch_at Nullable(DateTime64(3, 'UTC')),
  last_human_at Nullable(DateTime64(3, 'UTC')),
  last_outbound_at Nullable(DateTime64(3, 'UTC')),
  next_due_at Nullable(DateTime64(3, 'UTC')),
  next_due_clock LowCardinality(String),
  timer_at Nullable(DateTime64(3, 'UTC')),
  origins Array(String),
  conflicts UInt16,
  events UInt32,
  revision UInt64,
  is_deleted UInt8,
  ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = ReplacingMergeTree(revision, is_deleted)
PARTITION BY generation
ORDER BY (generation, lead_id);

-- One row a statement of cost; a later statement of the same key replaces an earlier one
-- (sources s9).
CREATE TABLE IF NOT EXISTS spend (
  day Date,
  platform LowCardinality(String),
  account String,
  campaign String,
  breakdown String,
  amount Decimal(18, 6),
  currency LowCardinality(String),
  clicks UInt64,
  impressions UInt64,
  stated_at UInt64
) ENGINE = ReplacingMergeTree(stated_at)
PARTITION BY toYear(day)
ORDER BY (day, platform, account, campaign, breakdown);

-- Absolute recompute of touched days, never an increment: exact after repeats, late rows and
-- tombstones.
CREATE TABLE IF NOT EXISTS funnel_daily (
  generation UInt16,
  day Date,
  from_stage LowCardinality(String),
  to_stage LowCardinality(String),
  source LowCardinality(String),
  owner_team LowCardinality(String),
  n UInt64,
  implied UInt64,
  dwell_ms Int64,
  version UInt64
) ENGINE = ReplacingMergeTree(version)
PARTITION BY (generation, toYYYYMM(day))
ORDER BY (generation, day, to_stage, from_stage, source, owner_team);

CREATE TABLE IF NOT EXISTS rollup_watermark (
  generation UInt16,
  ingested_until DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(ingested_until)
ORDER BY generation;

-- Records that a topic had lost before a worker read them, and that a person accepted: figures lack
-- what stood there.
CREATE TABLE IF NOT EXISTS holes (
  generation UInt16,
  worker LowCardinality(String),
  topic LowCardinality(String),
  partition UInt16,
  first UInt64,
  following UInt64,
  accepted_at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree(accepted_at)
ORDER BY (generation, worker, topic, partition, first);

-- The versions of the funnel that a generation folds under, as its workers took them from the log.
-- Two digests of one version are two rows: workers that began with different files, which `verify`
-- refuses.
CREATE TABLE IF NOT EXISTS definitions (
  generation UInt16,
  version String,
  effective_from DateTime64(3, 'UTC'),
  digest String,
  content String CODEC(ZSTD(1))
) ENGINE = ReplacingMergeTree
ORDER BY (generation, version, digest);

-- What an alias is to an identity, the alias by its id, never by itself. `leads`: a weak one's
-- events go there. `shares`: it was seen with that one too. `full`: a strong one (info@) that led
-- to as many as it may, and joins no more.
CREATE TABLE IF NOT EXISTS aliases (
  alias String,
  kind LowCardinality(String),
  origin String,
  what LowCardinality(String)
) ENGINE = ReplacingMergeTree
ORDER BY (alias, origin, what);
