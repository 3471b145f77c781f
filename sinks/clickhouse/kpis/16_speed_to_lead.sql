-- kpi: speed_to_lead · basis: cohort · needs: handoff · business minutes; the untouched count
-- as infinite in the median (pending: how many)
SELECT
  by,
  handoff,
  part.1 AS leg,
  if(
    quantileExact(0.5)(ifNull(part.2, 9e15)) > 8e15,
    NULL,
    quantileExact(0.5)(ifNull(part.2, 9e15)) / 60000
  ) AS value,
  count() AS n,
  countIf(part.2 IS NULL) AS pending
FROM handoffs
ARRAY JOIN [
  ('handed_to_assigned', toNullable(CAST(to_assigned_ms, 'Nullable(Float64)'))),
  ('assigned_to_first_touch', CAST(to_touch_ms, 'Nullable(Float64)'))
] AS part
WHERE excluded = ''
GROUP BY by, handoff, leg
ORDER BY by, handoff, leg
