-- kpi: past_balance
-- title: Stood there at the end
-- basis: period
-- figure: count
-- rows: stage
-- unit: leads
-- better: neither
-- meaning: leads that stood in a stage when the period ended: each lead in one, by the moves until
-- then
SELECT
  {end:DateTime64(3, 'UTC')} - toIntervalMillisecond(1) AS at,
  lead_id,
  journey,
  {own_by} AS by,
  stage
FROM (
  -- An entry that was implied is dated by a report that comes after it: until then it looks as if
  -- the lead had never left the stage before. Its newest entry says where it stands.
  SELECT
    lead_id,
    argMax(stage, entry) AS stage,
    argMax(entry.1, entry) AS journey,
    argMax(dimensions, entry) AS dimensions
  FROM (
    -- All moves: a departure may be of another journey than the entry, and of another source.
    SELECT
      lead_id,
      stage,
      maxIf((journey, event_time, implied = 0, occurrence), came = 1) AS entry,
      argMaxIf(dimensions, (journey, event_time, implied = 0, occurrence), came = 1) AS dimensions
    FROM (
      SELECT lead_id, journey, event_time, implied, occurrence, dimensions, to_stage AS stage,
        1 AS came
      FROM v_stage_transitions
      UNION ALL
      SELECT lead_id, journey, event_time, implied, occurrence, dimensions, from_stage, -1
      FROM v_stage_transitions
      WHERE from_stage != ''
    )
    WHERE event_time < {end:DateTime64(3, 'UTC')}
      AND event_time <= {asof:DateTime64(3, 'UTC')}
    GROUP BY lead_id, stage
    HAVING sum(came) > 0
  )
  GROUP BY lead_id
) AS stands
INNER JOIN (SELECT lead_id, journey, by AS journey_by FROM parents) AS parents
  USING (lead_id, journey)
WHERE {own_kept}
