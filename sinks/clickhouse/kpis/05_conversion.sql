-- kpi: conversion
-- title: Conversion from the start
-- basis: cohort
-- figure: cohort
-- rows: stage
-- unit: share
-- better: higher
-- meaning: of the journeys that began, those that reached each stage within the window of a win
SELECT
  entry_at AS at,
  lead_id,
  journey,
  by,
  stage,
  entry_at + toIntervalMillisecond({w_won:Int64}) AS until,
  mapContains(entered, stage) AND entered[stage] < until AS counted,
  counted AND has(implied, stage) AS implied_entry,
  until <= {asof:DateTime64(3, 'UTC')} AS ripe,
  NOT ripe AND NOT counted AS waits
FROM clean
ARRAY JOIN arraySlice({ladder:Array(String)}, 2) AS stage
WHERE entry_at >= {start:DateTime64(3, 'UTC')}
  AND entry_at < {end:DateTime64(3, 'UTC')}
  AND opening = 0
