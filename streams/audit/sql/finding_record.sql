-- Leads by the address of their CRM record, or by the record's id: the last part with a digit.
SELECT toString(lead_id) AS lead
FROM lead_state FINAL
WHERE generation = {generation:UInt16}
  AND record_url != ''
  AND (
    trimRight(record_url, '/') = trimRight({record:String}, '/')
    OR arrayLast(
      part -> match(part, '[0-9]'), splitByRegexp('[/?#&=]', record_url)
    ) = {record:String}
  )
ORDER BY lead
LIMIT {limit:UInt32}
