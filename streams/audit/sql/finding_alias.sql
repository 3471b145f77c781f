-- The lead that an alias leads to, though it is none of its identities.
SELECT toString(lead_id) AS lead
FROM lead_state FINAL
WHERE generation = {generation:UInt16}
  AND hasAny(
    origins,
    (SELECT groupArray(origin) FROM aliases WHERE alias = {name:String} AND what = 'leads')
  )
ORDER BY lead
LIMIT {limit:UInt32}
