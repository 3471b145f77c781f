-- What a gate decided first of those leads.
SELECT toString(lead_id), argMin((decided_by, score), event_time)
FROM v_decisions
WHERE lead_id IN ({elsewhere})
GROUP BY lead_id
