-- Of each identity its lead, and the newest address of a CRM record: what a person opens to decide.
-- An identity that only links name has no lead yet.
SELECT
  asked.origin AS origin,
  states.lead AS lead,
  if(states.record_url != '', states.record_url, reported.record) AS record
FROM (SELECT arrayJoin({o:Array(String)}) AS origin) AS asked
LEFT JOIN (
  SELECT toString(lead_id) AS lead, record_url, arrayJoin(origins) AS origin FROM v_lead_state
) AS states ON states.origin = asked.origin
LEFT JOIN (
  SELECT
    origin,
    argMaxIf(
      JSONExtractString(JSONExtractString(content, 7), 'record_url'),
      event_time,
      content LIKE '%record_url%'
    ) AS record
  FROM touches
  WHERE kind = 'event' AND has({o:Array(String)}, origin)
  GROUP BY origin
) AS reported ON reported.origin = asked.origin
