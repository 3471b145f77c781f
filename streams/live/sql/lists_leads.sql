-- The leads that a question's filters leave, as they stand. Version is that of the open journey.
WITH leads AS (
  SELECT *
  FROM v_lead_state
  WHERE test = 0
    AND ({source:String} = '' OR source = {source:String})
    AND ({channel:String} = '' OR channel = {channel:String})
    AND ({campaign:String} = '' OR campaign = {campaign:String})
    AND ({lead_origin:String} = '' OR lead_origin = {lead_origin:String})
    AND ({segment:String} = '' OR segment = {segment:String})
    AND ({owner:String} = '' OR owner = {owner:String})
    AND arrayAll(
      (name, value) -> dimensions[name] = value,
      {named:Array(String)},
      {values:Array(String)}
    )
    AND (empty({stages:Array(String)}) OR has({stages:Array(String)}, stage))
    AND (empty({leads:Array(String)}) OR has({leads:Array(String)}, toString(lead_id)))
    AND (
      {version:String} = ''
      OR (lead_id, journey) IN (
        SELECT lead_id, journey FROM v_journeys WHERE version = {version:String}
      )
    )
)
