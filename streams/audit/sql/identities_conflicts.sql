SELECT a, b, min(event_time) AS since
FROM v_conflicts
GROUP BY a, b
ORDER BY since, a, b
