-- Hand-offs of a period, and those that were accepted within the window, by stage.
SELECT
  stage,
  count() AS mature,
  countIf(
    outcome = 'accepted' AND decided_at <= event_time + toIntervalMillisecond({window:Int64})
  ) AS accepted
FROM v_handoffs
WHERE test = 0
  AND event_time >= {start:DateTime64(3, 'UTC')}
  AND event_time < {end:DateTime64(3, 'UTC')}
GROUP BY stage
