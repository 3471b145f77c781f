-- kpi: acceptance · basis: cohort · hand-offs accepted within the window; 8 + 9 + 10 + pending = 100%
SELECT
  by,
  countIf(fate = 'accepted') / count() AS value,
  countIf(fate = 'accepted') AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(fate = 'pending') AS pending
FROM h
GROUP BY by
ORDER BY by
