-- kpi: speed_to_lead
-- title: Speed to lead
-- basis: cohort
-- figure: median
-- rows: handoff, leg
-- unit: minutes
-- better: lower
-- needs: handoff
-- meaning: median business minutes from the hand-off to assigned, and on to the first human touch;
-- the untouched count as infinite (pending: how many)
SELECT
  event_time AS at,
  lead_id,
  journey,
  by,
  handoff,
  part.1 AS leg,
  part.2 / 60000 AS span,
  0 AS waits
FROM handoffs
ARRAY JOIN [
  ('handed_to_assigned', CAST(to_assigned_ms, 'Nullable(Float64)')),
  ('assigned_to_first_touch', CAST(to_touch_ms, 'Nullable(Float64)'))
] AS part
WHERE excluded = ''
