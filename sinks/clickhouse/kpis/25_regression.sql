-- kpi: regression · basis: period · needs: recycled or lost · entries into recycled or lost
-- over all moves from one stage to another, every episode
SELECT
  by,
  countIf(to_stage IN ({recycled:String}, {lost:String})) / count() AS value,
  countIf(to_stage IN ({recycled:String}, {lost:String})) AS numerator,
  count() AS denominator,
  count() AS n
FROM transitions
WHERE event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
  AND from_stage != ''
  AND opening = 0
  AND excluded = ''
GROUP BY by
ORDER BY by
