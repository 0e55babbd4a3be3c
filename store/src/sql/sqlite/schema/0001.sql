-- Identifiers are 16 raw bytes, times are microseconds since 1970, and tokens are 64-bit integers. The org comes first in
-- every key.
-- Columns that can be long are the last of their table: SQLite reads a row through all that stands before a column.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- Tenancy.

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
CREATE INDEX keys_of_org ON keys (org_id, revoked_at);

-- The texts of a key: one, or two while the old text is valid beside its successor.
CREATE TABLE key_texts (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    hash BLOB NOT NULL,
    prefix TEXT NOT NULL,
    last4 TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- Null until a successor replaces the text.
    expires_at INTEGER,
    PRIMARY KEY (org_id, project_id, key_id, hash),
    FOREIGN KEY (org_id, project_id, key_id) REFERENCES keys
) STRICT;
CREATE UNIQUE INDEX key_texts_by_hash ON key_texts (hash);
CREATE INDEX key_texts_by_age ON key_texts (expires_at) WHERE expires_at IS NOT NULL;

-- Rights that a key lends for a while: to run some artifacts, so often, for so much. The tokens are not kept.
CREATE TABLE sessions (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    session_id BLOB NOT NULL,
    -- The key that made the session. The session's runs are the key's runs.
    key_id BLOB NOT NULL,
    -- The text of that key. The session ends with it.
    key_hash BLOB NOT NULL,
    -- A JSON array of artifacts' identifiers, in the order of the request.
    artifacts TEXT NOT NULL,
    cap INTEGER NOT NULL,
    runs_max INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    PRIMARY KEY (org_id, project_id, session_id),
    FOREIGN KEY (org_id, project_id, key_id) REFERENCES keys
) STRICT;
-- A token names only its session.
CREATE UNIQUE INDEX sessions_by_id ON sessions (session_id);
CREATE INDEX sessions_by_age ON sessions (expires_at);
CREATE INDEX sessions_of_org ON sessions (org_id, expires_at);
-- A revoked key ends its sessions.
CREATE INDEX sessions_of_key ON sessions (org_id, project_id, key_id, expires_at);

-- Sealed secrets. The artifact is 16 zero bytes for an entry of the whole project.
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

-- Artifacts, orgs and keys that the operator has stopped.
CREATE TABLE suspensions (
    target_id BLOB PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;

-- The audit trail: actions of the operator, and actions on keys, projects and orgs. Rows are only added.
CREATE TABLE actions (
    action_id BLOB PRIMARY KEY,
    -- The org and key that acted.
    org_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    action TEXT NOT NULL,
    -- An identifier in its text form. The action says of which kind it is.
    target TEXT NOT NULL,
    -- A JSON object.
    detail TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

-- Catalogue.

CREATE TABLE artifacts (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    name TEXT NOT NULL,
    listed INTEGER NOT NULL DEFAULT 0,
    active_release_id BLOB,
    created_at INTEGER NOT NULL,
    -- The text that a search looks in. The description of the active release can be megabytes.
    words TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (org_id, project_id, artifact_id),
    FOREIGN KEY (org_id, project_id) REFERENCES projects
) STRICT;
CREATE UNIQUE INDEX artifacts_by_id ON artifacts (artifact_id);
CREATE UNIQUE INDEX artifacts_by_name ON artifacts (org_id, project_id, name);
CREATE INDEX artifacts_listed ON artifacts (artifact_id) WHERE listed = 1;

-- At most one for each artifact.
CREATE TABLE drafts (
    org_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    digest BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    -- Null until a validation is requested.
    verdict TEXT,
    -- The length of the description.
    about_bytes INTEGER NOT NULL DEFAULT 0,
    -- The version of its next release.
    version TEXT,
    asked_at INTEGER,
    -- The number of validations begun since the last request. A validation that ended the server is begun at most once
    -- more.
    judgings INTEGER NOT NULL DEFAULT 0,
    -- The part of the description that a search looks in, and the part that a subscriber agrees to.
    words TEXT NOT NULL DEFAULT '',
    terms TEXT,
    violations TEXT NOT NULL DEFAULT '[]',
    notes TEXT NOT NULL DEFAULT '[]',
    log TEXT NOT NULL DEFAULT '',
    -- The description of an admitted tool. It can be megabytes.
    about TEXT,
    PRIMARY KEY (org_id, artifact_id)
) STRICT;
CREATE INDEX drafts_pending ON drafts (asked_at) WHERE verdict = 'PENDING';
-- The bytes that an org keeps are added up without reading descriptions.
CREATE INDEX drafts_by_digest ON drafts (org_id, digest, size_bytes, about_bytes);
CREATE INDEX drafts_of_tool ON drafts (digest);

CREATE TABLE releases (
    org_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    release_id BLOB NOT NULL,
    version TEXT NOT NULL,
    digest BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    about_bytes INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    words TEXT NOT NULL,
    -- The part of the description that a subscriber agrees to. Every run reads it.
    terms TEXT NOT NULL,
    -- A JSON array: terms that are wider than those of the release that was active before.
    widens TEXT NOT NULL,
    log TEXT NOT NULL,
    about TEXT NOT NULL,
    PRIMARY KEY (org_id, artifact_id, release_id)
) STRICT;
CREATE UNIQUE INDEX releases_by_version ON releases (org_id, artifact_id, version);
CREATE INDEX releases_by_digest ON releases (org_id, digest, size_bytes, about_bytes);
CREATE INDEX releases_of_tool ON releases (digest);

-- An artifact's picture, as SVG.
CREATE TABLE covers (
    org_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    made_at INTEGER NOT NULL,
    svg TEXT NOT NULL,
    PRIMARY KEY (org_id, artifact_id)
) STRICT;

-- Tools that an org has uploaded or discarded lately. The file of an unreferenced one is removed after a while.
CREATE TABLE uploads (
    org_id BLOB NOT NULL,
    digest BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, digest)
) STRICT;
CREATE INDEX uploads_by_age ON uploads (kept_at);
CREATE INDEX uploads_of_tool ON uploads (digest);

-- Money.

-- Tokens of orgs. Holds of runs in flight are in the memory of the one server that has this folder. Holds of queued runs
-- are in the runs' rows.
CREATE TABLE wallets (
    org_id BLOB PRIMARY KEY REFERENCES orgs,
    posted INTEGER NOT NULL CHECK (posted >= 0),
    -- Ten-thousandths of a token: the sum of what fees on the org's earnings were rounded down by.
    fee_rest INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Payments for runs and subscriptions, and credits. The lines of orgs' statements are derived from these rows, so they
-- always sum to zero.
CREATE TABLE payments (
    -- The time, or one microsecond after the payment before. Statement lines sort by it.
    place INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    run_id BLOB,
    subscription_id BLOB,
    -- The reason of a credit.
    reason TEXT,
    -- The hash of the request for a credit, which may be sent again.
    request_sha256 BLOB,
    -- 16 zero bytes for a credit.
    buyer_id BLOB NOT NULL,
    seller_id BLOB NOT NULL,
    tokens INTEGER NOT NULL CHECK (tokens > 0),
    -- The platform's share of the seller's earnings.
    platform_id BLOB,
    fee INTEGER NOT NULL CHECK (fee BETWEEN 0 AND tokens),
    CHECK ((run_id IS NOT NULL) + (subscription_id IS NOT NULL) + (reason IS NOT NULL) = 1),
    CHECK ((reason IS NOT NULL) = (buyer_id = zeroblob(16))),
    CHECK (request_sha256 IS NULL OR reason IS NOT NULL),
    CHECK ((platform_id IS NULL) = (fee = 0))
) STRICT;
-- Nothing is paid for twice.
CREATE UNIQUE INDEX payments_of_run ON payments (run_id) WHERE run_id IS NOT NULL;
CREATE UNIQUE INDEX payments_of_subscription ON payments (subscription_id) WHERE subscription_id IS NOT NULL;
CREATE UNIQUE INDEX payments_by_request ON payments (request_sha256) WHERE request_sha256 IS NOT NULL;
-- Each index is in the order of places.
CREATE INDEX payments_of_buyer ON payments (buyer_id);
CREATE INDEX payments_of_seller ON payments (seller_id);
CREATE INDEX payments_of_platform ON payments (platform_id) WHERE platform_id IS NOT NULL;

-- A project's subscription to an artifact, on the terms of a release.
CREATE TABLE subscriptions (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    subscription_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    release_id BLOB NOT NULL,
    -- The price that was paid, and the key that paid it.
    price INTEGER NOT NULL,
    key_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (org_id, project_id, subscription_id),
    FOREIGN KEY (org_id, project_id) REFERENCES projects
) STRICT;
CREATE UNIQUE INDEX subscriptions_now ON subscriptions (artifact_id, org_id, project_id) WHERE ended_at IS NULL;
CREATE INDEX subscriptions_ended ON subscriptions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX subscriptions_of_org ON subscriptions (org_id, ended_at);

-- Spending caps of projects and keys. The key is 16 zero bytes for a cap of the whole project.
CREATE TABLE budgets (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    period TEXT NOT NULL,
    budget_id BLOB NOT NULL,
    cap INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, project_id, key_id, period),
    FOREIGN KEY (org_id, project_id) REFERENCES projects
) STRICT;

-- Sums of what projects' runs used. They outlive the runs' records. A day is the time at which it begins in UTC. A run
-- belongs to the day of its request.
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

-- Tokens charged for runs, which budgets add up. usage_days also has a row for each artifact: 1,000 keys and 1,000
-- artifacts make a million rows a day.
CREATE TABLE spent_days (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    day INTEGER NOT NULL,
    key_id BLOB NOT NULL,
    charged INTEGER NOT NULL,
    PRIMARY KEY (org_id, project_id, day, key_id)
) STRICT, WITHOUT ROWID;

-- Runs.

CREATE TABLE runs (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    -- Null for a run that the key asked for without a session.
    session_id BLOB,
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
    -- The tokens that are held, and the org that earns them if the run succeeds.
    price INTEGER NOT NULL,
    seller_id BLOB,
    status TEXT NOT NULL,
    charged INTEGER NOT NULL DEFAULT 0,
    input_sha256 BLOB NOT NULL,
    input_bytes INTEGER NOT NULL,
    output_sha256 BLOB,
    output_bytes INTEGER,
    -- The number of starts. A late writer of an earlier start is refused.
    attempt INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    -- The parts that were not kept because the org keeps as much as it may: `output`, `failure`, `logs`, `spans`,
    -- separated by commas.
    cut TEXT,
    usage TEXT,
    failure TEXT,
    PRIMARY KEY (org_id, project_id, run_id)
) STRICT;
CREATE INDEX runs_queued ON runs (run_id) WHERE status = 'QUEUED';
CREATE INDEX runs_running ON runs (run_id) WHERE status = 'RUNNING';
CREATE INDEX runs_failed ON runs (artifact_id, run_id) WHERE status IN ('FAILED', 'TIMED_OUT');
CREATE INDEX runs_by_age ON runs (created_at);
CREATE INDEX runs_by_name ON runs (org_id, project_id, external_id, run_id) WHERE external_id IS NOT NULL;
CREATE INDEX runs_of_session ON runs (org_id, project_id, session_id, run_id) WHERE session_id IS NOT NULL;
-- A session's sums are read from this index alone.
CREATE INDEX runs_used_of_session ON runs (org_id, project_id, session_id, status, started_at, charged, price)
    WHERE session_id IS NOT NULL;

-- Inputs of queued runs, kept until the runs end.
CREATE TABLE run_inputs (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    input TEXT NOT NULL,
    PRIMARY KEY (org_id, run_id)
) STRICT;

CREATE TABLE run_outputs (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    kept_at INTEGER NOT NULL,
    output TEXT NOT NULL,
    PRIMARY KEY (org_id, run_id)
) STRICT;
CREATE INDEX run_outputs_by_age ON run_outputs (kept_at);

CREATE TABLE run_logs (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    kept_at INTEGER NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (org_id, run_id)
) STRICT;
CREATE INDEX run_logs_by_age ON run_logs (kept_at);

-- The run's requests to other machines, as JSON.
CREATE TABLE run_spans (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    kept_at INTEGER NOT NULL,
    spans TEXT NOT NULL,
    PRIMARY KEY (org_id, run_id)
) STRICT;
CREATE INDEX run_spans_by_age ON run_spans (kept_at);

-- Spans that callers added to their runs, as JSON: one row for each upload.
CREATE TABLE uploaded_spans (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    spans TEXT NOT NULL,
    PRIMARY KEY (org_id, run_id, position)
) STRICT;
CREATE INDEX uploaded_spans_by_age ON uploaded_spans (kept_at);

-- Answers for repeated requests. The answer of a run is its record. Any other answer is kept as it was sent.
CREATE TABLE idempotency (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    request_sha256 BLOB NOT NULL,
    body_sha256 BLOB NOT NULL,
    run_id BLOB,
    status INTEGER,
    location TEXT,
    -- Null without a body.
    content_type TEXT,
    -- The scope that a repeated request needs. Null for the answer of a run.
    scope TEXT,
    kept_at INTEGER NOT NULL,
    body TEXT,
    PRIMARY KEY (org_id, project_id, request_sha256)
) STRICT;
CREATE INDEX idempotency_by_age ON idempotency (kept_at);
-- An org can have millions of answers. A run that is taken back removes its own.
CREATE INDEX idempotency_of_run ON idempotency (org_id, project_id, run_id) WHERE run_id IS NOT NULL;

-- Bytes of outputs, large failures, logs, spans and answers that each org keeps. It follows their tables.
CREATE TABLE kept (
    org_id BLOB PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;
