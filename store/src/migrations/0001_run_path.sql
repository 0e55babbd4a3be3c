-- ids are 16 raw bytes, times microseconds since 1970, tokens 64-bit integers; the org comes first in every key.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE orgs (
    org_id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    data_key BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE projects (
    org_id BLOB NOT NULL REFERENCES orgs,
    project_id BLOB NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, project_id)
) STRICT;

CREATE TABLE keys (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER,
    PRIMARY KEY (org_id, project_id, key_id),
    FOREIGN KEY (org_id, project_id) REFERENCES projects
) STRICT;

-- The texts of a key: one, or two while an old one overlaps with its successor.
CREATE TABLE key_texts (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    hash BLOB NOT NULL,
    prefix TEXT NOT NULL,
    last4 TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- When its successor replaces it.
    expires_at INTEGER,
    PRIMARY KEY (org_id, project_id, key_id, hash),
    FOREIGN KEY (org_id, project_id, key_id) REFERENCES keys
) STRICT;
CREATE UNIQUE INDEX key_texts_by_hash ON key_texts (hash);

CREATE TABLE artifacts (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    name TEXT NOT NULL,
    listed INTEGER NOT NULL DEFAULT 0,
    active_release_id BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, project_id, artifact_id),
    FOREIGN KEY (org_id, project_id) REFERENCES projects
) STRICT;
CREATE UNIQUE INDEX artifacts_by_id ON artifacts (artifact_id);
CREATE UNIQUE INDEX artifacts_by_name ON artifacts (org_id, project_id, name);
CREATE INDEX artifacts_listed ON artifacts (artifact_id) WHERE listed = 1;

-- At most one of an artifact.
CREATE TABLE drafts (
    org_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    digest BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- Null until a validation is asked for.
    verdict TEXT,
    violations TEXT NOT NULL DEFAULT '[]',
    notes TEXT NOT NULL DEFAULT '[]',
    -- What an admitted tool says of itself, and the release it would become.
    about TEXT,
    version TEXT,
    log TEXT NOT NULL DEFAULT '',
    asked_at INTEGER,
    PRIMARY KEY (org_id, artifact_id)
) STRICT;
CREATE INDEX drafts_pending ON drafts (asked_at) WHERE verdict = 'PENDING';

CREATE TABLE releases (
    org_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    release_id BLOB NOT NULL,
    version TEXT NOT NULL,
    digest BLOB NOT NULL,
    about TEXT NOT NULL,
    log TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, artifact_id, release_id)
) STRICT;
CREATE UNIQUE INDEX releases_by_version ON releases (org_id, artifact_id, version);

-- Secrets, sealed. The artifact is 16 zero bytes where an entry is for the whole project.
CREATE TABLE environment (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    hosts TEXT NOT NULL,
    allow_expose INTEGER NOT NULL,
    last4 TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, project_id, name, artifact_id)
) STRICT;

CREATE TABLE runs (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    -- Null for a run of a draft.
    release_id BLOB,
    digest BLOB NOT NULL,
    function TEXT,
    external_id TEXT,
    traceparent TEXT,
    timeout_ms INTEGER,
    is_own INTEGER NOT NULL,
    share_diagnostics INTEGER NOT NULL,
    status TEXT NOT NULL,
    failure TEXT,
    usage TEXT,
    charged INTEGER NOT NULL DEFAULT 0,
    input_sha256 BLOB NOT NULL,
    input_bytes INTEGER NOT NULL,
    output_sha256 BLOB,
    output_bytes INTEGER,
    -- Counts starts: a late writer of an earlier one is refused.
    attempt INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    PRIMARY KEY (org_id, project_id, run_id)
) STRICT;
CREATE INDEX runs_queued ON runs (run_id) WHERE status = 'QUEUED';
CREATE INDEX runs_running ON runs (run_id) WHERE status = 'RUNNING';
CREATE INDEX runs_failed ON runs (artifact_id, run_id) WHERE status IN ('FAILED', 'TIMED_OUT');
CREATE INDEX runs_by_age ON runs (created_at);

-- What a queued run will be given, kept until it has ended.
CREATE TABLE run_inputs (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    input TEXT NOT NULL,
    PRIMARY KEY (org_id, run_id)
) STRICT;

CREATE TABLE run_outputs (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    output TEXT NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, run_id)
) STRICT;
CREATE INDEX run_outputs_by_age ON run_outputs (kept_at);

CREATE TABLE run_logs (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    lines TEXT NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, run_id)
) STRICT;
CREATE INDEX run_logs_by_age ON run_logs (kept_at);

-- Answers kept for repeated requests: of a run by its id, of anything else as it was sent.
CREATE TABLE idempotency (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    request_sha256 BLOB NOT NULL,
    body_sha256 BLOB NOT NULL,
    run_id BLOB,
    status INTEGER,
    location TEXT,
    body TEXT,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, project_id, request_sha256)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (kept_at);
