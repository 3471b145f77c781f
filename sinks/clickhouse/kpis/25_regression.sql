-- kpi: regression
-- title: Moved back
-- basis: period
-- figure: share
-- unit: share
-- better: lower
-- needs: recycled or lost
-- meaning: entries into recycled or lost over all moves from one stage to another, every episode
SELECT
  event_time AS at,
  lead_id,
  journey,
  by,
  to_stage IN ({recycled:String}, {lost:String}) AS counted
FROM transitions
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND from_stage != ''
  AND opening = 0
  AND excluded = ''
