-- The leads that would stand elsewhere. {candidate} is the candidate's database, with its dot.
SELECT then.lead_id
FROM {candidate}v_lead_state AS then
LEFT JOIN v_lead_state AS now ON now.lead_id = then.lead_id
WHERE then.stage != now.stage OR then.journey != now.journey
