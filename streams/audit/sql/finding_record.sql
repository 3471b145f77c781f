-- Leads by the address of their CRM record, or by the record's id: the last part with a digit.
-- Nearly all addresses are ruled out by the first comparison, which is cheap.
WITH trimRight({record:String}, '/') AS wanted
SELECT toString(lead_id) AS lead
FROM lead_state FINAL
WHERE generation = {generation:UInt16}
  AND wanted != ''
  AND if(
    position(record_url, wanted) = 0,
    0,
    trimRight(record_url, '/') = wanted
    OR arrayLast(part -> match(part, '[0-9]'), splitByRegexp('[/?#&=]', record_url)) = wanted
  )
ORDER BY lead
LIMIT {limit:UInt32}
