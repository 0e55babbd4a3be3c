-- What a search looks in: what an artifact's active release says of itself can be megabytes.
ALTER TABLE artifacts ADD COLUMN words TEXT NOT NULL DEFAULT '';
UPDATE artifacts SET words = COALESCE((
    SELECT SUBSTR(LOWER(COALESCE(r.about ->> '$.description', '') || ' ' || COALESCE((
        SELECT GROUP_CONCAT((f.value ->> '$.name') || ' ' || COALESCE(f.value ->> '$.description', ''), ' ')
        FROM JSON_EACH(r.about, '$.functions') f
    ), '')), 1, 4096)
    FROM releases r
    WHERE r.org_id = artifacts.org_id AND r.artifact_id = artifacts.artifact_id
        AND r.release_id = artifacts.active_release_id
), '');
