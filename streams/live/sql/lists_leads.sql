-- The leads that a question's filters leave, as they stand. They stand left of every join: the right
-- side is held in memory, and few leads are late.
WITH leads AS (
  SELECT lead_id, journey, stage, owner, manager, record_url, source, hot, since
  FROM v_lead_state
  WHERE test = 0
    AND ({owner:String} = '' OR owner = {owner:String})
    AND ({source:String} = '' OR source = {source:String})
    AND (empty({stages:Array(String)}) OR has({stages:Array(String)}, stage))
    AND (empty({leads:Array(String)}) OR has({leads:Array(String)}, toString(lead_id)))
)
