-- What an org may have of everything that it can make, and what start-up no longer adds up.

-- The text of the key that made a session: it ends with it. Sessions from before end with the text that is good now.
ALTER TABLE sessions ADD COLUMN key_hash BLOB;
UPDATE sessions SET key_hash = (SELECT t.hash FROM key_texts t
    WHERE t.org_id = sessions.org_id AND t.project_id = sessions.project_id AND t.key_id = sessions.key_id
        AND t.expires_at IS NULL);

-- All that a session's sums are made of.
CREATE INDEX runs_used_of_session ON runs (org_id, project_id, session_id, status, started_at, charged, price)
    WHERE session_id IS NOT NULL;

CREATE INDEX sessions_of_org ON sessions (org_id, expires_at);
CREATE INDEX keys_of_org ON keys (org_id, revoked_at);
CREATE INDEX subscriptions_of_org ON subscriptions (org_id, ended_at);
CREATE INDEX releases_unmeasured ON releases (digest) WHERE size_bytes = 0;
CREATE INDEX key_texts_by_age ON key_texts (expires_at) WHERE expires_at IS NOT NULL;

-- Bytes of outputs, large failures, logs, spans and answers that are kept, by org. It follows their tables.
CREATE TABLE kept (
    org_id BLOB PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO kept SELECT org_id, SUM(bytes) FROM (
    SELECT org_id, octet_length(output) AS bytes FROM run_outputs
    UNION ALL SELECT org_id, octet_length(lines) FROM run_logs
    UNION ALL SELECT org_id, octet_length(spans) FROM run_spans
    UNION ALL SELECT org_id, octet_length(spans) FROM uploaded_spans
    UNION ALL SELECT org_id, COALESCE(octet_length(body), 0) + 256 FROM idempotency
    UNION ALL SELECT org_id, octet_length(failure) FROM runs WHERE octet_length(failure) > 16384
) GROUP BY org_id;

-- What of a run was not kept, because its org had as much as it may: `output`, `failure`, `logs`, `spans`, separated by commas.
ALTER TABLE runs ADD COLUMN cut TEXT;

-- Ten-thousandths of a token that the platform's fees of an org's earnings were rounded down by so far.
ALTER TABLE wallets ADD COLUMN fee_rest INTEGER NOT NULL DEFAULT 0;
