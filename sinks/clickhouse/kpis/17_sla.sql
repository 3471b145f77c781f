-- kpi: sla · basis: period · met / (met + breached) of clocks that fell due in the period,
-- without duplicate and spam; restarting apart
SELECT *
FROM (
  SELECT
    {own_by} AS by,
    if(has({handoffs:Array(String)}, stage), stage, '') AS handoff,
    concat(stage, '.', clock) AS clock,
    restarting,
    1 AS measured,
    if(
      countIf(status IN ('met', 'breached', 'escalated')) = 0,
      NULL,
      countIf(status = 'met') / countIf(status IN ('met', 'breached', 'escalated'))
    ) AS value,
    countIf(status = 'met') AS numerator,
    countIf(status IN ('met', 'breached', 'escalated')) AS denominator,
    count() AS n
  FROM v_clocks
  INNER JOIN (SELECT lead_id, journey, by AS journey_by FROM clean) AS parents
    USING (lead_id, journey)
  WHERE test = 0
    AND due_at >= {start:DateTime64(3, 'UTC')}
    AND due_at < {end:DateTime64(3, 'UTC')}
  GROUP BY by, handoff, clock, restarting
  UNION ALL
  -- no enabled source can stop it: shown, so that nobody takes its absence for good news
  SELECT '', '', arrayJoin({unmeasured:Array(String)}), 0, 0, NULL, 0, 0, 0
)
ORDER BY by, clock, restarting
