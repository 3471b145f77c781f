-- What arrived and moved nothing, of the leads that an import's events name, by reason.
SELECT what, event, stage, current, reason, count() AS n
FROM notes FINAL
WHERE generation = {g:UInt16} AND is_deleted = 0 AND system = {s:String}
  AND (lead_id, event_time) IN (
    SELECT lead_id, event_time FROM touches
    WHERE kind = 'event' AND lead_id IN (SELECT lead_id FROM notes WHERE system = {s:String})
      AND arrayExists(prefix -> startsWith(event_id, prefix), {p:Array(String)})
  )
GROUP BY what, event, stage, current, reason
ORDER BY n DESC, what, event, stage, current, reason
