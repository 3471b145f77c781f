-- Strong aliases that led to as many identities as they may; weak ones that lead to several leads.
SELECT
  alias,
  any(kind) AS kind,
  toBool(max(what = 'full')) AS full,
  if(
    full,
    uniqExact(aliases.origin),
    uniqExact(if(states.lead = '', aliases.origin, states.lead))
  ) AS leads
FROM aliases
LEFT JOIN (
  SELECT toString(lead_id) AS lead, arrayJoin(origins) AS origin FROM v_lead_state
) AS states ON states.origin = aliases.origin
WHERE alias IN (SELECT alias FROM aliases WHERE what NOT IN ('leads', 'crowded'))
  AND what != 'crowded'
GROUP BY alias
HAVING leads > 1
ORDER BY full DESC, leads DESC, alias
