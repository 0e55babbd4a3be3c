-- The scope that the call needs whose answer is kept: whoever repeats it needs the same. Null of a run's own answer, and of
-- answers from before, which need `manage`.
ALTER TABLE idempotency ADD COLUMN scope TEXT;
