-- Leads by their ids, as they stand.
SELECT
  toString(lead_id) AS lead,
  stage,
  journey,
  owner,
  record_url,
  source,
  hot,
  since
FROM leads
ORDER BY lead
LIMIT {limit:UInt32}
