-- kpi: acceptance
-- title: Accepted by sales
-- basis: cohort
-- figure: cohort
-- rows: handoff
-- unit: share
-- better: higher
-- needs: handoff
-- meaning: of each hand-off, those accepted within the window; 8 + 9 + 10 = 100% of the mature
SELECT
  event_time AS at,
  lead_id,
  journey,
  by,
  handoff,
  fate = 'accepted' AS counted,
  ripe,
  fate = 'pending' AS waits
FROM handoffs
