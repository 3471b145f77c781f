-- kpi: past_close_date
-- title: Past close date
-- basis: now
-- figure: share
-- unit: share
-- better: lower
-- meaning: open deals whose close date has passed, of the open deals that have one; each deal id
-- once
SELECT
  {asof:DateTime64(3, 'UTC')} AS at,
  lead_id,
  journey,
  by,
  assumeNotNull(toDateOrNull(close_date)) < toDate({asof:DateTime64(3, 'UTC')}, {zone:String})
    AS counted
FROM deals
WHERE status = 'open'
  AND toDateOrNull(close_date) IS NOT NULL
