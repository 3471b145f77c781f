-- How those leads came there, by the facts of {database}.
SELECT toString(lead_id), toUnixTimestamp64Milli(event_time), to_stage, why, journey
FROM {database}v_stage_transitions
WHERE lead_id IN ({elsewhere})
ORDER BY journey, event_time
