-- What a run asked of other machines, as JSON.
CREATE TABLE run_spans (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    spans TEXT NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, run_id)
) STRICT;
CREATE INDEX run_spans_by_age ON run_spans (kept_at);
