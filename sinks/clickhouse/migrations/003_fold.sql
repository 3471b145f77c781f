-- Which version of the fold made a generation (schemas/facts.py); 0 is from before there was one.

ALTER TABLE active_generation ADD COLUMN IF NOT EXISTS fold UInt16 DEFAULT 0;

ALTER TABLE generation_log ADD COLUMN IF NOT EXISTS fold UInt16 DEFAULT 0;
