-- kpi: sla
-- title: Service levels met
-- basis: period
-- figure: written
-- rows: stage, handoff, clock, restarting, measured
-- unit: share
-- better: higher
-- meaning: met / (met + breached) of clocks that fell due in the period, without duplicate and
-- spam; restarting apart
SELECT
  due_at AS at,
  lead_id,
  journey,
  by,
  if(has({handoffs:Array(String)}, stage), stage, '') AS handoff,
  stage,
  concat(stage, '.', clock) AS clock,
  restarting,
  1 AS measured,
  multiIf(
    status = 'met', 1, status IN ('breached', 'escalated'), 0, CAST(NULL, 'Nullable(UInt8)')
  ) AS counted
FROM clocks
WHERE due_at >= {start:DateTime64(3, 'UTC')}
  AND due_at < {end:DateTime64(3, 'UTC')}
-- figure
SELECT *
FROM (
  SELECT
    by,
    handoff,
    clock,
    restarting,
    measured,
    if(countIf(counted IS NOT NULL) = 0, NULL, countIf(counted) / countIf(counted IS NOT NULL))
      AS value,
    countIf(counted) AS numerator,
    countIf(counted IS NOT NULL) AS denominator,
    count() AS n
  FROM members
  GROUP BY by, handoff, clock, restarting, measured
  UNION ALL
  -- no enabled source can stop it: shown, so that nobody takes its absence for good news
  SELECT '', '', arrayJoin({unmeasured:Array(String)}), 0, 0, NULL, 0, 0, 0
)
ORDER BY by, clock, restarting
