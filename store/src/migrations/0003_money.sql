-- Tokens of orgs. What is held for runs under way is in the memory of the one server that has this folder; for queued
-- runs it is in their rows.
CREATE TABLE wallets (
    org_id BLOB PRIMARY KEY REFERENCES orgs,
    posted INTEGER NOT NULL CHECK (posted >= 0)
) STRICT;

-- Why wallets are as they are. Entries are only added; those of one posting sum to zero. Credits come from an org of 16
-- zero bytes.
CREATE TABLE entries (
    org_id BLOB NOT NULL,
    entry_id BLOB NOT NULL,
    posting_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    tokens INTEGER NOT NULL,
    run_id BLOB,
    subscription_id BLOB,
    reason TEXT,
    -- Of the request that asked for a credit, where it can be sent again.
    request_sha256 BLOB,
    at INTEGER NOT NULL,
    PRIMARY KEY (org_id, entry_id)
) STRICT;
CREATE UNIQUE INDEX entries_by_posting ON entries (posting_id, org_id, kind);
CREATE UNIQUE INDEX entries_by_request ON entries (request_sha256) WHERE request_sha256 IS NOT NULL;

-- What a project subscribed to: the terms of a release.
CREATE TABLE subscriptions (
    org_id BLOB NOT NULL,
    project_id BLOB NOT NULL,
    subscription_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    release_id BLOB NOT NULL,
    -- What was paid, and by which key.
    price INTEGER NOT NULL,
    key_id BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER,
    PRIMARY KEY (org_id, project_id, subscription_id),
    FOREIGN KEY (org_id, project_id) REFERENCES projects
) STRICT;
CREATE UNIQUE INDEX subscriptions_now ON subscriptions (artifact_id, org_id, project_id) WHERE ended_at IS NULL;

-- What a project may spend, or one of its keys: 16 zero bytes stand for all of them.
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

-- What a release asks of subscribers beyond the one that was active before it.
ALTER TABLE releases ADD COLUMN widens TEXT NOT NULL DEFAULT '[]';

-- What is held for a run, and whose it is when the run succeeds.
ALTER TABLE runs ADD COLUMN price INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN seller_id BLOB;
