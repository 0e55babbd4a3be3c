-- A run that is taken back removes its kept answer by the run, of which an org may have millions.
CREATE INDEX idempotency_of_run ON idempotency (org_id, project_id, run_id) WHERE run_id IS NOT NULL;
-- A budget adds up what was charged. Free runs, which cost a tenant nothing to make, are not read.
CREATE INDEX usage_days_charged ON usage_days (org_id, project_id, day, key_id, charged) WHERE charged > 0;
-- A key that is revoked ends its sessions.
CREATE INDEX sessions_of_key ON sessions (org_id, project_id, key_id, expires_at);
