-- Clocks that fell due in a period and were met or not, by stage. One that each touch restarts is
-- a fact only when it lapses, so it has no share that was met.
SELECT
  stage,
  countIf(status IN ('met', 'breached', 'escalated')) AS due,
  countIf(status = 'met') AS met
FROM v_clocks
WHERE test = 0
  AND restarting = 0
  AND due_at >= {start:DateTime64(3, 'UTC')}
  AND due_at < {end:DateTime64(3, 'UTC')}
GROUP BY stage
