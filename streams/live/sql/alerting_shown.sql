-- Which generation is shown, and how far time has come in it (ms); 0 where it has not begun.
SELECT
  toUInt16(greatest(max(generation), 1)) AS shown,
  (
    SELECT min(reached)
    FROM (
      SELECT max(toUnixTimestamp64Milli(now)) AS reached
      FROM cuts
      WHERE generation = (
        SELECT max(generation) FROM active_generation FINAL WHERE dataset = 'live'
      )
      GROUP BY source_partition
    )
  ) AS reached
FROM active_generation FINAL
WHERE dataset = 'live'
