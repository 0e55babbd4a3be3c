-- An artifact's picture, as SVG.
CREATE TABLE covers (
    org_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    svg TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, artifact_id)
) STRICT;

-- Spans that callers added to their runs, as JSON: one row for each upload.
CREATE TABLE uploaded_spans (
    org_id BLOB NOT NULL,
    run_id BLOB NOT NULL,
    position INTEGER NOT NULL,
    spans TEXT NOT NULL,
    kept_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, run_id, position)
) STRICT;
CREATE INDEX uploaded_spans_by_age ON uploaded_spans (kept_at);
