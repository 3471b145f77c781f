-- Records of the last 30 days that could not be read, by topic: what a reader of figures may see.
SELECT topic, uniqExact(id) AS n
FROM dead_letters
WHERE received_at > now64(3) - INTERVAL 30 DAY
GROUP BY topic
ORDER BY n DESC, topic
LIMIT 20
