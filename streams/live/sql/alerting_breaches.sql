-- What was late so far, each clock once, if that was known within a day of its due time; and how
-- much of it late proof took back. The first number only rises.
SELECT stage, count() AS breached, countIf(NOT late) AS retracted
FROM (
  SELECT
    stage,
    (lead_id, fact_id) IN (
      SELECT lead_id, fact_id FROM v_clocks WHERE status IN ('breached', 'escalated')
    ) AS late
  FROM breaches
  WHERE generation = {generation:UInt16}
  GROUP BY stage, lead_id, fact_id
  HAVING min(ingested_at) <= min(due_at) + INTERVAL 1 DAY
)
GROUP BY stage
