-- An artifact's picture, as SVG.
CREATE TABLE covers (
    org_id BLOB NOT NULL,
    artifact_id BLOB NOT NULL,
    svg TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (org_id, artifact_id)
) STRICT;
