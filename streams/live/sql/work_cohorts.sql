-- Journeys by the week of their entry, and how many weeks each took to the target. Twelve weeks:
-- people look at a triangle, not at a table of years.
SELECT
  week,
  sum(n) AS size,
  arrayMap(
    weeks -> toUInt64(arraySum((took, many) -> if(took = weeks, many, 0), groupArray(age), groupArray(n))),
    range(12)
  ) AS reached
FROM (
  SELECT
    toStartOfWeek(began, {mode:UInt8}, {zone:String}) AS week,
    if(
      mapContains(entered, {target:String}) AND entered[{target:String}] >= began,
      toInt32(intDiv(dateDiff('second', began, entered[{target:String}]), 604800)),
      -1
    ) AS age,
    count() AS n
  FROM (
    SELECT lead_id, entered, entered[{entry:String}] AS began
    FROM v_journeys
    WHERE test = 0
      AND opening = 0
      AND excluded = ''
      AND mapContains(entered, {entry:String})
  )
  WHERE began < {end:DateTime64(3, 'UTC')}
    AND toStartOfWeek(began, {mode:UInt8}, {zone:String})
      > toStartOfWeek({end:DateTime64(3, 'UTC')} - INTERVAL 12 WEEK, {mode:UInt8}, {zone:String})
    AND lead_id IN (SELECT lead_id FROM leads)
  GROUP BY week, age
)
GROUP BY week
ORDER BY week
