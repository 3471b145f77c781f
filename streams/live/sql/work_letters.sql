-- Records of the last 30 days that could not be read and wait for a person, by source.
SELECT source, uniqExact(id) AS n
FROM dead_letters FINAL
WHERE received_at > now64(3) - INTERVAL 30 DAY AND fate = ''
GROUP BY source
ORDER BY n DESC, source
LIMIT 20
