-- What was late so far, each clock once, if that was known within a day of its due time; and how
-- much of it late proof took back. The first number only rises.
WITH known AS (
  SELECT stage, lead_id, fact_id
  FROM breaches
  WHERE generation = {generation:UInt16}
  GROUP BY stage, lead_id, fact_id
  HAVING min(ingested_at) <= min(due_at) + INTERVAL 1 DAY
)
SELECT stage, count() AS breached, countIf(NOT late) AS retracted
FROM (
  SELECT
    stage,
    (lead_id, fact_id) IN (
      SELECT lead_id, fact_id
      FROM (
        SELECT lead_id, fact_id, argMax((status, is_deleted), revision) AS newest
        FROM clocks
        WHERE generation = {generation:UInt16}
          AND (lead_id, fact_id) IN (SELECT lead_id, fact_id FROM known)
        GROUP BY lead_id, event_time, fact_id
      )
      WHERE newest.1 IN ('breached', 'escalated') AND newest.2 = 0
    ) AS late
  FROM known
)
GROUP BY stage
