-- kpi: pending
-- title: Still pending
-- basis: cohort
-- figure: share
-- rows: stage
-- unit: share
-- better: neither
-- meaning: share of a cohort that has not reached the next stage and still has time
SELECT at, lead_id, journey, by, stage, ripe, NOT ripe AND NOT reached AS counted
FROM steps
