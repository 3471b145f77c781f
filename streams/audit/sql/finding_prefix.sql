-- Leads by the beginning of their id. As text: ClickHouse orders UUIDs by their second half.
SELECT toString(lead_id) AS lead
FROM lead_state FINAL
WHERE generation = {generation:UInt16}
  AND startsWith(lead, {prefix:String})
ORDER BY lead
LIMIT {limit:UInt32}
