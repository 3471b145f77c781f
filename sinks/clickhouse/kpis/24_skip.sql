-- kpi: skip
-- title: Skipped a stage
-- basis: cohort
-- figure: cohort
-- rows: measure
-- unit: share
-- better: lower
-- meaning: of the journeys that began, those that passed a stage by; strict counts optional stages
-- and each implied entry
SELECT
  entry_at AS at,
  lead_id,
  journey,
  by,
  figure.1 AS measure,
  notEmpty(figure.2) AS counted,
  ripe,
  NOT ripe AND NOT counted AS waits
FROM (
  SELECT
    *,
    entry_at + toIntervalMillisecond({w_won:Int64}) AS until,
    until <= {asof:DateTime64(3, 'UTC')} AS ripe,
    arrayFilter(
      stage -> has(implied, stage)
        AND mapContains(entered, stage)
        AND ifNull(entered[stage] < until, 0),
      {ladder:Array(String)}
    ) AS passed,
    -- who qualifies again starts above the entry: no source could have reported one of that journey
    arrayFilter(
      stage -> NOT has({optional:Array(String)}, stage)
        AND NOT (stage = {entry:String} AND journey > 1),
      passed
    ) AS skipped
  FROM clean
  WHERE entry_at >= {start:DateTime64(3, 'UTC')}
    AND entry_at < {end:DateTime64(3, 'UTC')}
    AND opening = 0
)
ARRAY JOIN [('skip', skipped), ('strict', passed)] AS figure
