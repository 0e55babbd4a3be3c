-- What projects' runs used, added up: it outlives the runs' records. A day is the time at which it begins, UTC; a run
-- is of the day it was asked for.
CREATE TABLE usage_days (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    day INTEGER NOT NULL,
    artifact_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    runs INTEGER NOT NULL,
    succeeded INTEGER NOT NULL,
    charged INTEGER NOT NULL,
    cpu_us INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    PRIMARY KEY (org_id, project_id, day, artifact_id, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_days_by_artifact ON usage_days (org_id, project_id, artifact_id);
CREATE INDEX usage_days_by_key ON usage_days (org_id, project_id, key_id);

INSERT INTO usage_days
    (org_id, project_id, day, artifact_id, key_id, runs, succeeded, charged, cpu_us, wall_us)
SELECT org_id, project_id, created_at - created_at % 86400000000, artifact_id, key_id, COUNT(*),
    SUM(status = 'SUCCEEDED'), SUM(charged), SUM(COALESCE(json_extract(usage, '$.cpu_us'), 0)),
    SUM(COALESCE(json_extract(usage, '$.wall_us'), 0))
FROM runs
WHERE status IN ('SUCCEEDED', 'FAILED', 'TIMED_OUT') OR (status = 'CANCELLED' AND started_at IS NOT NULL)
GROUP BY org_id, project_id, created_at - created_at % 86400000000, artifact_id, key_id;
