-- A lead as it stands.
SELECT *
FROM lead_state FINAL
WHERE generation = {generation:UInt16}
  AND lead_id = {lead:UUID}
