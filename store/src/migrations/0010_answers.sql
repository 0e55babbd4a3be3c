-- What the body of a kept answer is; null where there is none.
ALTER TABLE idempotency ADD COLUMN content_type TEXT;
UPDATE idempotency SET content_type = CASE WHEN body LIKE '<%' THEN 'image/svg+xml' ELSE 'application/json' END
WHERE body <> '';
