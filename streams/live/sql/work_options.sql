-- The values of each dimension that leads have, the most frequent first.
SELECT pair.1 AS name, pair.2 AS value, count() AS n
FROM v_lead_state
ARRAY JOIN arrayConcat(
  [
    ('source', toString(source)),
    ('channel', toString(channel)),
    ('campaign', campaign),
    ('lead_origin', toString(lead_origin)),
    ('segment', toString(segment)),
    ('owner', owner)
  ],
  arrayFilter(
    one -> one.1 NOT IN ('owner'),
    arrayMap((name, value) -> (toString(name), value), mapKeys(dimensions), mapValues(dimensions))
  )
) AS pair
WHERE test = 0 AND value != ''
GROUP BY name, value
ORDER BY name, n DESC, value
LIMIT 100 BY name
