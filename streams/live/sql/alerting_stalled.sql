-- Clocks past due, of the stage in which their lead stands.
SELECT lead_id, stage, hot, due_at FROM v_past_due
