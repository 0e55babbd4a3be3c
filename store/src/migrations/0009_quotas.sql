-- Of a release's tool. 0 where it is not measured yet, of releases from before this.
ALTER TABLE releases ADD COLUMN size_bytes INTEGER NOT NULL DEFAULT 0;

-- What an org keeps is added up without reading what releases say of themselves.
CREATE INDEX releases_by_digest ON releases (org_id, digest, size_bytes);
CREATE INDEX drafts_by_digest ON drafts (org_id, digest, size_bytes);
