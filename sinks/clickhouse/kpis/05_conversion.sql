-- kpi: conversion · basis: cohort · of the journeys that began, those that reached each stage
-- within the window of a win
SELECT
  by,
  stage,
  countIf(reached) / count() AS value,
  countIf(reached) AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(NOT ripe AND NOT reached) AS pending
FROM (
  SELECT
    by,
    stage,
    entry_at + toIntervalMillisecond({w_won:Int64}) AS until,
    mapContains(entered, stage) AND entered[stage] < until AS reached,
    until <= {asof:DateTime64(3, 'UTC')} AS ripe
  FROM clean
  ARRAY JOIN arraySlice({ladder:Array(String)}, 2) AS stage
  WHERE entry_at >= {start:DateTime64(3, 'UTC')}
    AND entry_at < {end:DateTime64(3, 'UTC')}
    AND opening = 0
)
GROUP BY by, stage
ORDER BY by, stage
