-- The stages that the system reported and the funnel does not know.
SELECT DISTINCT toString(lead_id), stage
FROM v_notes
WHERE what = 'unmapped' AND stage != '' AND reason = ''
  AND system = {system:String} AND lead_id IN ({ids})
