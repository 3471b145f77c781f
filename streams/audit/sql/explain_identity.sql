-- How often an identity is heard of.
SELECT
  (SELECT count() FROM v_conflicts WHERE {name:String} IN (a, b))
  + (SELECT count() FROM touches WHERE lead_id = {name:UUID} OR origin = {name:String})
