-- Whose a dead letter is, what went wrong, and what became of it. A later row of an id replaces the one before: letters of a
-- partition come in order, and a mark comes behind its letter.
ALTER TABLE dead_letters
  ADD COLUMN IF NOT EXISTS source LowCardinality(String) AFTER worker,
  ADD COLUMN IF NOT EXISTS kind LowCardinality(String) AFTER source,
  ADD COLUMN IF NOT EXISTS fate LowCardinality(String) AFTER reason;
