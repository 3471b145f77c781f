-- kpi: survey
-- title: Survey
-- basis: period
-- figure: written
-- rows: question, team
-- unit: points
-- better: higher
-- filters: none
-- meaning: mean score by question and team; of a group of fewer than 5 people neither mean nor
-- number is shown
-- figure
SELECT
  question,
  team,
  if(people < 5, NULL, mean) AS value,
  if(people < 5, NULL, people) AS n
FROM (
  SELECT
    question,
    team,
    avg(score) AS mean,
    uniqExact(respondent) AS people
  FROM surveys FINAL
  WHERE answered_at >= {start:DateTime64(3, 'UTC')}
    AND answered_at < {end:DateTime64(3, 'UTC')}
  GROUP BY question, team
)
ORDER BY question, team
