-- kpi: no_decision
-- title: Nobody decided
-- basis: cohort
-- figure: cohort
-- rows: handoff
-- unit: share
-- better: lower
-- needs: handoff
-- meaning: of each hand-off, those whose window passed undecided, timed out or decided later
SELECT
  event_time AS at,
  lead_id,
  journey,
  by,
  handoff,
  fate = 'none' AS counted,
  ripe,
  fate = 'pending' AS waits
FROM handoffs
