-- Leads by the beginning of their id. A range would not do: ClickHouse sorts UUIDs by their second
-- half.
SELECT toString(lead_id) AS lead
FROM v_lead_state
WHERE startsWith(lead, {prefix:String})
ORDER BY lead
LIMIT {limit:UInt32}
