-- What a key let others do for a while: run some artifacts, so often, for so much. Their tokens are kept nowhere.
CREATE TABLE sessions (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    -- Of the key that made it, whose runs are the session's.
    key_id BLOB NOT NULL,
    -- A JSON array of artifacts' ids, in order of the request.
    artifacts TEXT NOT NULL,
    cap INTEGER NOT NULL,
    runs_max INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    PRIMARY KEY (org_id, project_id, session_id),
    FOREIGN KEY (org_id, project_id, key_id) REFERENCES keys
) STRICT;
-- A token names no more than its session.
CREATE UNIQUE INDEX sessions_by_id ON sessions (session_id);
CREATE INDEX sessions_by_age ON sessions (expires_at);

-- Null for what a key asked for itself.
ALTER TABLE runs ADD COLUMN session_id BLOB;
CREATE INDEX runs_of_session ON runs (org_id, project_id, session_id, run_id) WHERE session_id IS NOT NULL;
