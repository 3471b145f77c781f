-- Of the journeys that entered a stage, those that moved on to the next within a week: of the
-- newest week of which that is known, and of the weeks before it. Whole weeks hold each weekday
-- alike.
SELECT
  stage,
  countIf(recent) AS entered,
  countIf(recent AND reached) AS moved,
  countIf(NOT recent) AS entered_before,
  countIf(NOT recent AND reached) AS moved_before
FROM (
  SELECT
    step.1 AS stage,
    entered[step.1] AS since,
    since >= {recent:DateTime64(3, 'UTC')} AS recent,
    mapContains(entered, step.2) AND entered[step.2] < since + INTERVAL 7 DAY AS reached
  FROM v_journeys
  ARRAY JOIN arrayZip({stages:Array(String)}, {next_stages:Array(String)}) AS step
  WHERE test = 0
    AND excluded = ''
    AND opening = 0
    AND mapContains(entered, step.1)
    AND since >= {start:DateTime64(3, 'UTC')}
    AND since < {end:DateTime64(3, 'UTC')}
)
GROUP BY stage
