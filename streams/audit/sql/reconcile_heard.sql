-- Which systems sent events of a lead, and whether it was deleted there or erased here.
-- An event's content is a list: its 6th part is the type, its 7th its body, as JSON.
SELECT
  toString(lead_id),
  groupUniqArray(source),
  toBool(max(type = 'lead.deleted' AND source = {system:String})),
  groupUniqArrayIf(origin, type = 'erase')
FROM (
  SELECT
    lead_id,
    origin,
    JSONExtractString(content, 6) AS type,
    JSONExtractString(JSONExtractString(content, 7), 'source') AS source
  FROM touches
  WHERE kind = 'event' AND lead_id IN ({ids})
)
GROUP BY lead_id
