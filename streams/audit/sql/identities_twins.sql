-- Events whose alias changed between two deliveries: they stand under two identities that are not
-- one lead.
SELECT
  event_id,
  groupUniqArray(lead) AS leads
FROM (
  SELECT
    t.event_id AS event_id,
    toString(s.lead_id) AS lead
  FROM touches AS t FINAL
  INNER JOIN (SELECT lead_id, arrayJoin(origins) AS origin FROM v_lead_state) AS s
    ON s.origin = t.origin
  WHERE t.kind = 'event' AND t.copied = 0
)
GROUP BY event_id
HAVING length(leads) > 1
ORDER BY event_id
