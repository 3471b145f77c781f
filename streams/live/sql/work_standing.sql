-- How many leads stand in each stage.
SELECT stage, count() AS n
FROM leads
GROUP BY stage
