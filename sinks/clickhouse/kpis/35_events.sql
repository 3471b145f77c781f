-- kpi: events
-- title: Events
-- basis: arrival
-- figure: written
-- rows: measure
-- unit: share
-- better: lower
-- filters: none
-- meaning: of what arrived in the period: late (15 minutes and more after it happened), repeated,
-- refused
-- figure
SELECT
  kind.1 AS measure,
  if(kind.3 = 0, NULL, kind.2 / kind.3) AS value,
  kind.2 AS numerator,
  kind.3 AS denominator,
  kind.3 AS n
FROM (
  SELECT
    count() AS arrived,
    countIf(behind_ms >= 900000) AS late,
    countIf((source_partition, source_offset) NOT IN (
      SELECT source_partition, source_offset FROM touches FINAL WHERE kind = 'event' AND copied = 0
    )) AS repeated
  FROM arrivals FINAL
  WHERE received_at >= {start:DateTime64(3, 'UTC')}
    AND received_at < {end:DateTime64(3, 'UTC')}
) AS arriving
CROSS JOIN (
  SELECT count() AS refused
  FROM dead_letters FINAL
  WHERE received_at >= {start:DateTime64(3, 'UTC')}
    AND received_at < {end:DateTime64(3, 'UTC')}
) AS refusals
ARRAY JOIN [
  ('late', late, arrived),
  ('duplicate', repeated, arrived),
  ('rejected', refused, arrived + refused)
] AS kind
ORDER BY measure
