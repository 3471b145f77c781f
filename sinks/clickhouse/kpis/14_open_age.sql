-- kpi: open_age · basis: now · median hours that open leads have stood in their stage
SELECT
  by,
  stage,
  quantileExactExclusive(0.5)(
    dateDiff('millisecond', assumeNotNull(since), {asof:DateTime64(3, 'UTC')})
  ) / 3600000 AS value,
  count() AS n
FROM (SELECT *, {by} AS by FROM v_lead_state)
WHERE test = 0
  AND since IS NOT NULL
GROUP BY by, stage
ORDER BY by, stage
