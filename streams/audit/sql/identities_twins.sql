-- Events whose alias changed between two deliveries: they stand under two identities that are not
-- one lead.
SELECT
  event_id,
  groupUniqArray(lead) AS leads
FROM (
  SELECT
    touches.event_id AS event_id,
    toString(states.lead_id) AS lead
  FROM touches FINAL
  INNER JOIN (SELECT lead_id, arrayJoin(origins) AS origin FROM v_lead_state) AS states
    ON states.origin = touches.origin
  WHERE touches.kind = 'event' AND touches.copied = 0
)
GROUP BY event_id
HAVING length(leads) > 1
ORDER BY event_id
