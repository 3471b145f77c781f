-- Aliases that were named with so many others that the notes of them fill pages: a public write key
-- that somebody plays with, say.
SELECT
  alias,
  any(kind) AS kind,
  any(origin) AS origin
FROM aliases
WHERE what = 'crowded'
GROUP BY alias
ORDER BY alias
