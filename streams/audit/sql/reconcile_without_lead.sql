-- Records of which events came and no lead holds them; each with whether it was erased. A CRM's
-- record is never kept with another, so what came of it stands under its own id.
SELECT
  toString(lead_id),
  toBool(max(
    kind = 'event' AND origin = toString(lead_id) AND JSONExtractString(content, 6) = 'erase'
  ))
FROM touches
WHERE lead_id IN ({ids})
GROUP BY lead_id
