-- A run that is taken back removes its kept answer by the run, of which an org may have millions.
CREATE INDEX idempotency_of_run ON idempotency (org_id, project_id, run_id) WHERE run_id IS NOT NULL;
-- A key that is revoked ends its sessions.
CREATE INDEX sessions_of_key ON sessions (org_id, project_id, key_id, expires_at);
-- The tokens charged for runs, which budgets add up. usage_days also has a row for each artifact: 1,000 keys and 1,000
-- artifacts make a million rows a day.
CREATE TABLE spent_days (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    day INTEGER NOT NULL,
    key_id BLOB NOT NULL,
    charged INTEGER NOT NULL,
    PRIMARY KEY (org_id, project_id, day, key_id)
) STRICT, WITHOUT ROWID;
INSERT INTO spent_days (org_id, project_id, day, key_id, charged)
SELECT org_id, project_id, day, key_id, SUM(charged) FROM usage_days WHERE charged > 0
GROUP BY org_id, project_id, day, key_id;
