-- What people state beside events: targets, rates of currencies, answers to surveys. A later
-- statement of the same key replaces an earlier one; stated_at is the broker's stamp in ms, the
-- same for a record that is read again.

CREATE TABLE IF NOT EXISTS targets (
  metric LowCardinality(String),
  owner String,
  first_day Date,
  last_day Date,
  scope String,
  target Decimal(18, 6),
  shared UInt8,
  strategy LowCardinality(String),
  stated_at UInt64
) ENGINE = ReplacingMergeTree(stated_at)
ORDER BY (metric, owner, first_day, last_day, scope);

-- One unit of `currency` is `rate` units of `reporting`.
CREATE TABLE IF NOT EXISTS rates (
  currency LowCardinality(String),
  reporting LowCardinality(String),
  day Date,
  rate Decimal(38, 10),
  stated_at UInt64
) ENGINE = ReplacingMergeTree(stated_at)
ORDER BY (currency, reporting, day);

-- A respondent is a hash: who it is, is known to whoever asked.
CREATE TABLE IF NOT EXISTS surveys (
  survey LowCardinality(String),
  question LowCardinality(String),
  respondent String,
  team LowCardinality(String),
  answered_at DateTime64(3, 'UTC'),
  score Float64,
  stated_at UInt64
) ENGINE = ReplacingMergeTree(stated_at)
ORDER BY (survey, question, respondent);
