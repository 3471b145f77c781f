-- Leads that came in, by the quarter of an hour (ms) in which they did.
SELECT
  toUnixTimestamp(toStartOfInterval(event_time, INTERVAL 15 MINUTE)) * 1000 AS quarter,
  count() AS entered
FROM v_stage_transitions
WHERE to_stage = {entry:String}
  AND test = 0
  AND opening = 0
  AND event_time >= {start:DateTime64(3, 'UTC')}
GROUP BY quarter
