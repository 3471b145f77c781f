-- The leads that hold the report's records.
SELECT origin, toString(lead)
FROM (SELECT lead_id AS lead, arrayJoin(origins) AS origin FROM v_lead_state)
WHERE origin IN ({ids})
