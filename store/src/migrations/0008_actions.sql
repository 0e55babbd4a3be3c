-- Who did what to whom: the operator's actions, and those on keys, projects and orgs. Rows are only added.
CREATE TABLE actions (
    action_id BLOB PRIMARY KEY,
    -- Who acted, with which key.
    org_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    action TEXT NOT NULL,
    -- An identifier as it is written, of the kind that the action says.
    target TEXT NOT NULL,
    -- A JSON object.
    detail TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
