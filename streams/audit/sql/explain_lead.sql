-- The lead of an id, an identity of it, or an alias.
SELECT toString(lead_id)
FROM lead_state FINAL
WHERE generation = {generation:UInt16}
  AND (
    lead_id = {name:UUID}
    OR has(origins, {name:String})
    OR hasAny(
      origins,
      (SELECT groupArray(origin) FROM aliases WHERE alias = {name:String} AND what = 'leads')
    )
  )
