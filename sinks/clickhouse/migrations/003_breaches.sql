-- Every revision by which a clock was late. A clock that late proof takes back leaves `clocks` as
-- late, and stays here: what was newly stalled is a number that only rises. `ingested_at` says when
-- it became known, so that an imported past is not taken for news.
CREATE TABLE IF NOT EXISTS breaches (
  generation UInt16,
  lead_id UUID,
  fact_id String,
  stage LowCardinality(String),
  due_at DateTime64(3, 'UTC'),
  revision UInt64,
  ingested_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC')
) ENGINE = ReplacingMergeTree
PARTITION BY generation
ORDER BY (generation, stage, lead_id, fact_id, revision);
