-- What the operator has stopped: an artifact, an org or a key, by its id.
CREATE TABLE suspensions (
    target_id BLOB PRIMARY KEY,
    at INTEGER NOT NULL
) STRICT;
