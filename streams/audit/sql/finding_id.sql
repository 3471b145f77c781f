-- The lead of an id, or of an identity of it.
SELECT toString(lead_id) AS lead
FROM lead_state FINAL
WHERE generation = {generation:UInt16}
  AND (lead_id = {name:UUID} OR has(origins, {name:String}))
ORDER BY lead
LIMIT {limit:UInt32}
