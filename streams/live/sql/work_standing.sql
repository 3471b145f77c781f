-- How many leads stand in each stage.
SELECT stage, count() AS n
FROM leads
WHERE {all_stages:Bool} OR has({stages:Array(String)}, stage)
GROUP BY stage
