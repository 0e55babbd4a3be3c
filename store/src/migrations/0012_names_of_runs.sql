-- Callers look for runs by names of their own.
CREATE INDEX runs_by_name ON runs (org_id, project_id, external_id, run_id) WHERE external_id IS NOT NULL;
