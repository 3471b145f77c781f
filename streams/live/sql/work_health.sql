-- What came in the last hour, and what needs a person.
SELECT
  (SELECT count() FROM arrivals WHERE received_at > now64(3) - INTERVAL 1 HOUR) AS events,
  (SELECT uniqExact(a, b) FROM v_conflicts) AS conflicts,
  (SELECT count() FROM holes FINAL) AS holes
