-- kpi: acceptance · basis: cohort · needs: handoff · of each hand-off, those accepted within
-- the window; 8 + 9 + 10 + pending = 100%
SELECT
  by,
  handoff,
  countIf(fate = 'accepted') / count() AS value,
  countIf(fate = 'accepted') AS numerator,
  count() AS denominator,
  count() AS n,
  countIf(ripe) AS mature,
  countIf(fate = 'pending') AS pending
FROM handoffs
GROUP BY by, handoff
ORDER BY by, handoff
