SELECT toString(lead_id), stage, record_url
FROM v_lead_state
WHERE lead_id IN ({ids})
