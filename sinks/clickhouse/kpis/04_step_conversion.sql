-- kpi: step_conversion
-- title: Step conversion
-- basis: cohort
-- figure: cohort
-- rows: stage, next_stage
-- unit: share
-- better: higher
-- meaning: of the journeys that entered a stage, those that reached the next within its window
SELECT
  at,
  lead_id,
  journey,
  by,
  stage,
  next_stage,
  reached AS counted,
  ripe,
  NOT ripe AND NOT reached AS waits,
  implied_entry
FROM steps
