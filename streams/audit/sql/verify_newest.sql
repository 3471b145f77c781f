-- Of each fact the number of its newest revision.
SELECT toString(lead_id), fact_id, max(revision)
FROM fact_revisions
WHERE generation = {g:UInt16}
GROUP BY lead_id, fact_id
