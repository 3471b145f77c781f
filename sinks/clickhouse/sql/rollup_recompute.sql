-- Counts the touched days again. Cells that vanished get zero rows; the watermark overlaps by a
-- minute, since inserts may become visible out of order.
INSERT INTO funnel_daily
WITH touched AS (
  SELECT DISTINCT toDate(event_time, {zone:String}) AS day
  FROM stage_transitions
  WHERE generation = {generation:UInt16}
    AND ingested_at >= {since:DateTime64(3, 'UTC')} - INTERVAL 60 SECOND
)
SELECT
  {generation:UInt16} AS generation,
  day,
  from_stage,
  to_stage,
  source,
  owner_team,
  sum(entries) AS n,
  sum(implied_entries) AS implied,
  sum(dwell) AS dwell_ms,
  {version:UInt64} AS version
FROM (
  SELECT
    toDate(event_time, {zone:String}) AS day,
    from_stage,
    to_stage,
    source,
    owner_team,
    count() AS entries,
    countIf(implied = 1) AS implied_entries,
    sum(coalesce(dwell_ms, 0)) AS dwell
  FROM stage_transitions FINAL
  WHERE generation = {generation:UInt16} AND test = 0 AND opening = 0
    AND toDate(event_time, {zone:String}) IN (SELECT day FROM touched)
  GROUP BY ALL
  UNION ALL
  SELECT day, from_stage, to_stage, source, owner_team, 0, 0, 0
  FROM funnel_daily
  WHERE generation = {generation:UInt16} AND day IN (SELECT day FROM touched)
)
GROUP BY ALL
