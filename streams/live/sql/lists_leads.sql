-- The leads that a question's filters leave, as they stand.
WITH leads AS (
  SELECT *
  FROM v_lead_state
  WHERE test = 0
    AND ({owner:String} = '' OR owner = {owner:String})
    AND ({source:String} = '' OR source = {source:String})
    AND (empty({stages:Array(String)}) OR has({stages:Array(String)}, stage))
    AND (empty({leads:Array(String)}) OR has({leads:Array(String)}, toString(lead_id)))
)
