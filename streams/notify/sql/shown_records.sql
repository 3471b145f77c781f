-- The CRM's addresses of some leads, as they stand in the shown generation.
SELECT toString(lead_id) AS lead, record_url
FROM v_lead_state
WHERE lead_id IN {leads:Array(UUID)} AND record_url != ''
