//! Orgs, projects, keys, sessions, secrets and the audit trail.

use crate::sql::statement::{Statement, both, differ, statements};

statements! { TENANCY:
    // Tenancy.
    HAS_ORGS = both("SELECT EXISTS (SELECT 1 FROM orgs)");
    FIRST_ORG = both("SELECT org_id FROM orgs ORDER BY org_id LIMIT 1");
    INSERT_ORG = both("INSERT INTO orgs (org_id, name, data_key, created_at) VALUES (?1, ?2, ?3, ?4)");
    INSERT_PROJECT = both("INSERT INTO projects (org_id, project_id, name, created_at) VALUES (?1, ?2, ?3, ?4)");
    DATA_KEY = both("SELECT data_key FROM orgs WHERE org_id = ?1");
    DATA_KEYS = both("SELECT org_id, data_key FROM orgs");
    REPLACE_DATA_KEY = both("UPDATE orgs SET data_key = ?2 WHERE org_id = ?1");

    // Caps. Each counts no further than its last value.
    COUNT_PROJECTS = both("SELECT COUNT(*) FROM (SELECT 1 FROM projects WHERE org_id = ?1 LIMIT ?2) AS counted");
    COUNT_BUDGETS = both("SELECT COUNT(*) FROM (SELECT 1 FROM budgets WHERE org_id = ?1 LIMIT ?2) AS counted");
    COUNT_ENTRIES = both("SELECT COUNT(*) FROM (SELECT 1 FROM environment WHERE org_id = ?1 LIMIT ?2) AS counted");
    COUNT_RELEASES = both("SELECT COUNT(*) FROM (SELECT 1 FROM releases WHERE org_id = ?1 AND artifact_id = ?2 LIMIT ?3) AS counted");
    /// Those that have not ended, or not before `?2`: two ranges of one index.
    COUNT_KEYS = both("SELECT COUNT(*) FROM (
    SELECT 1 FROM keys WHERE org_id = ?1 AND revoked_at IS NULL
    UNION ALL SELECT 1 FROM keys WHERE org_id = ?1 AND revoked_at > ?2 LIMIT ?3) AS counted");
    COUNT_SESSIONS = both("SELECT COUNT(*) FROM (SELECT 1 FROM sessions WHERE org_id = ?1 AND expires_at > ?2 LIMIT ?3) AS counted");
    COUNT_SUBSCRIPTIONS = both("SELECT COUNT(*) FROM (
    SELECT 1 FROM subscriptions WHERE org_id = ?1 AND ended_at IS NULL
    UNION ALL SELECT 1 FROM subscriptions WHERE org_id = ?1 AND ended_at > ?2 LIMIT ?3) AS counted");

    // Keys.
    /// Texts of a key that were made after `?4`.
    RECENT_KEY_TEXTS = both("SELECT COUNT(*) FROM key_texts
    WHERE org_id = ?1 AND project_id = ?2 AND key_id = ?3 AND created_at > ?4");
    INSERT_KEY = both("INSERT INTO keys (org_id, project_id, key_id, name, scopes, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    INSERT_KEY_TEXT = both("INSERT INTO key_texts (org_id, project_id, key_id, hash, prefix, last4, created_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    KNOWN_KEY = both("SELECT t.hash, t.org_id, t.project_id, t.key_id, t.expires_at, k.scopes,
        EXISTS (SELECT 1 FROM suspensions s WHERE s.target_id IN (t.org_id, t.key_id)) AS is_suspended
    FROM key_texts t
    JOIN keys k ON k.org_id = t.org_id AND k.project_id = t.project_id AND k.key_id = t.key_id
    WHERE t.hash = ?1 AND (t.expires_at IS NULL OR t.expires_at > ?2) AND k.revoked_at IS NULL");
    KEY = both("SELECT k.key_id, k.name, k.scopes, k.created_at, k.revoked_at, t.prefix, t.last4
    FROM keys k
    JOIN key_texts t ON t.org_id = k.org_id AND t.project_id = k.project_id AND t.key_id = k.key_id
        AND t.expires_at IS NULL
    WHERE k.org_id = ?1 AND k.project_id = ?2 AND k.key_id = ?3");
    KEYS = both("SELECT k.key_id, k.name, k.scopes, k.created_at, k.revoked_at, t.prefix, t.last4
    FROM keys k
    JOIN key_texts t ON t.org_id = k.org_id AND t.project_id = k.project_id AND t.key_id = k.key_id
        AND t.expires_at IS NULL
    WHERE k.org_id = ?1 AND k.project_id = ?2 AND k.key_id < ?3
    ORDER BY k.key_id DESC LIMIT ?4");
    KEY_HASHES = both("SELECT hash FROM key_texts WHERE org_id = ?1 AND project_id = ?2 AND key_id = ?3");
    EXPIRE_KEY_TEXTS = both("UPDATE key_texts SET expires_at = ?4
    WHERE org_id = ?1 AND project_id = ?2 AND key_id = ?3 AND (expires_at IS NULL OR expires_at > ?4)
        AND EXISTS (SELECT 1 FROM keys k WHERE k.org_id = ?1 AND k.project_id = ?2 AND k.key_id = ?3
            AND k.revoked_at IS NULL)");
    REVOKE_KEY = both("UPDATE keys SET revoked_at = ?4
    WHERE org_id = ?1 AND project_id = ?2 AND key_id = ?3 AND revoked_at IS NULL");

    // Environment.
    SET_ENTRY = both("INSERT INTO environment
        (org_id, project_id, artifact_id, name, sealed, hosts, allow_expose, last4, created_at, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
    ON CONFLICT (org_id, project_id, name, artifact_id) DO UPDATE SET sealed = excluded.sealed,
        hosts = excluded.hosts, allow_expose = excluded.allow_expose, last4 = excluded.last4,
        updated_at = excluded.updated_at
    RETURNING created_at");
    DELETE_ENTRY = both("DELETE FROM environment WHERE org_id = ?1 AND project_id = ?2 AND artifact_id = ?3 AND name = ?4");
    ENTRIES = both("SELECT name, artifact_id, hosts, allow_expose, last4, created_at, updated_at
    FROM environment
    WHERE org_id = ?1 AND project_id = ?2 AND (name > ?3 OR (name = ?3 AND artifact_id > ?4))
    ORDER BY name, artifact_id LIMIT ?5");
    HAS_ENTRY = both("SELECT EXISTS (SELECT 1 FROM environment
    WHERE org_id = ?1 AND project_id = ?2 AND artifact_id = ?3 AND name = ?4)");
    /// The artifact's own entries come first.
    /// The secrets with those names, for the artifact or for all artifacts. `?5` is a JSON array of names.
    SECRETS = differ(
        "SELECT name, artifact_id, sealed, hosts, allow_expose FROM environment
    WHERE org_id = ?1 AND project_id = ?2 AND artifact_id IN (?3, ?4) AND name IN (SELECT value FROM json_each(?5))
    ORDER BY artifact_id DESC",
        "SELECT name, artifact_id, sealed, hosts, allow_expose FROM environment
    WHERE org_id = ?1 AND project_id = ?2 AND artifact_id IN (?3, ?4) AND name IN (SELECT json_array_elements_text(?5::json))
    ORDER BY artifact_id DESC",
    );
    SEALED = both("SELECT project_id, artifact_id, name, sealed, hosts, allow_expose FROM environment WHERE org_id = ?1");
    REPLACE_SEALED = both("UPDATE environment SET sealed = ?5
    WHERE org_id = ?1 AND project_id = ?2 AND artifact_id = ?3 AND name = ?4");

    // Sessions.
    INSERT_SESSION = both("INSERT INTO sessions
        (org_id, project_id, session_id, key_id, artifacts, cap, runs_max, created_at, expires_at, key_hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    KNOWN_SESSION = both("SELECT s.org_id, s.project_id, s.key_id, s.artifacts, s.expires_at,
        s.key_hash, t.expires_at AS key_expires_at,
        EXISTS (SELECT 1 FROM suspensions p WHERE p.target_id IN (s.org_id, s.key_id)) AS is_suspended
    FROM sessions s
    JOIN keys k ON k.org_id = s.org_id AND k.project_id = s.project_id AND k.key_id = s.key_id
    JOIN key_texts t ON t.hash = s.key_hash
    WHERE s.session_id = ?1 AND s.revoked_at IS NULL AND k.revoked_at IS NULL
        AND (t.expires_at IS NULL OR t.expires_at > ?2)");
    SESSION = both("SELECT org_id, project_id, session_id, artifacts, cap, runs_max, expires_at, revoked_at
    FROM sessions WHERE org_id = ?1 AND project_id = ?2 AND session_id = ?3");
    /// Ends a key's sessions. An ended session counts against its org's cap for a day.
    END_SESSIONS_OF_KEY = both("UPDATE sessions SET expires_at = ?4
    WHERE org_id = ?1 AND project_id = ?2 AND key_id = ?3 AND expires_at > ?4");
    REVOKE_SESSION = differ(
        "UPDATE sessions
    SET revoked_at = COALESCE(revoked_at, ?4), expires_at = MIN(expires_at, ?4)
    WHERE org_id = ?1 AND project_id = ?2 AND session_id = ?3",
        "UPDATE sessions
    SET revoked_at = COALESCE(revoked_at, ?4), expires_at = LEAST(expires_at, ?4)
    WHERE org_id = ?1 AND project_id = ?2 AND session_id = ?3",
    );
    /// Prices of queued and running runs are held. Charges of ended runs are spent. A run that never started has no time of a start
    /// at its end.
    USED_OF_SESSION = both("SELECT
        COALESCE(SUM(charged), 0) AS charged,
        COALESCE(SUM(CASE WHEN status NOT IN ('QUEUED', 'RUNNING') AND started_at IS NOT NULL THEN 1 ELSE 0 END), 0)
            AS started,
        COALESCE(SUM(CASE WHEN status IN ('QUEUED', 'RUNNING') THEN 1 ELSE 0 END), 0) AS queued,
        COALESCE(SUM(CASE WHEN status IN ('QUEUED', 'RUNNING') THEN price ELSE 0 END), 0) AS held
    FROM runs WHERE org_id = ?1 AND project_id = ?2 AND session_id = ?3");

    // Actions.
    NOTE_ACTION = both("INSERT INTO actions (action_id, org_id, key_id, action, target, detail, at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
    ACTIONS = both("SELECT action_id, org_id, key_id, action, target, detail, at FROM actions
    WHERE action_id < ?1 ORDER BY action_id DESC LIMIT ?2");

    // Suspensions.
    HAS_ARTIFACT = both("SELECT EXISTS (SELECT 1 FROM artifacts WHERE artifact_id = ?1)");
    HAS_ORG = both("SELECT EXISTS (SELECT 1 FROM orgs WHERE org_id = ?1)");
    HAS_KEY = both("SELECT EXISTS (SELECT 1 FROM keys WHERE key_id = ?1)");
    SUSPEND = both("INSERT INTO suspensions (target_id, at) VALUES (?1, ?2)
    ON CONFLICT (target_id) DO NOTHING");
    RESUME = both("DELETE FROM suspensions WHERE target_id = ?1");
    IS_RUN_SUSPENDED = both("SELECT EXISTS (SELECT 1 FROM suspensions
    WHERE target_id IN (?1, ?2, ?3, (SELECT org_id FROM artifacts WHERE artifact_id = ?1)))");
}
