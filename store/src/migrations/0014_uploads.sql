-- Tools that an org has uploaded or discarded lately. The file of one that nothing else names is removed after a while.
CREATE TABLE uploads (
    org_id BLOB NOT NULL,
    digest BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, digest)
) STRICT;
CREATE INDEX uploads_by_age ON uploads (kept_at);
CREATE INDEX uploads_of_tool ON uploads (digest);
CREATE INDEX drafts_of_tool ON drafts (digest);
CREATE INDEX releases_of_tool ON releases (digest);
