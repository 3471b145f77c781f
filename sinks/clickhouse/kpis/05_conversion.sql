-- kpi: conversion · basis: cohort · of the journeys that began, those that reached each stage within the window of a win
SELECT
  by,
  step.1 AS stage,
  countIf(reached) / count() AS value,
  countIf(reached) AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(NOT ripe AND NOT reached) AS pending
FROM (
  SELECT
    by,
    step,
    step.2 IS NOT NULL AND step.2 < inquiry_at + toIntervalMillisecond({w_won:Int64}) AS reached,
    inquiry_at + toIntervalMillisecond({w_won:Int64}) <= {asof:DateTime64(3, 'UTC')} AS ripe
  FROM clean
  ARRAY JOIN [('mql', mql_at), ('sal', sal_at), ('sql', sql_at), ('opportunity', opportunity_at), ('customer', customer_at)] AS step
  WHERE inquiry_at IS NOT NULL
    AND inquiry_at >= {start:DateTime64(3, 'UTC')}
    AND inquiry_at < {end:DateTime64(3, 'UTC')}
    AND opening = 0
)
GROUP BY by, stage
ORDER BY by, stage
