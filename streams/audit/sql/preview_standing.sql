-- Where those leads stand, by the facts of {database}.
SELECT toString(lead_id), stage, journey
FROM {database}v_lead_state
WHERE lead_id IN ({elsewhere})
ORDER BY lead_id
