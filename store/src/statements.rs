//! Every statement, in the subset of SQL that SQLite and Postgres both take, unless its name says otherwise.

pub(crate) const META: &str = "SELECT value FROM meta WHERE name = $1";
pub(crate) const SET_META: &str = "INSERT INTO meta (name, value) VALUES ($1, $2)";
pub(crate) const REPLACE_META: &str = "INSERT INTO meta (name, value) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

// Backup.
pub(crate) const VACUUM_INTO_SQLITE: &str = "VACUUM INTO $1";
pub(crate) const QUICK_CHECK_SQLITE: &str = "PRAGMA quick_check(1)";
/// Every tool that anything names.
pub(crate) const DIGESTS: &str =
    "SELECT digest FROM releases UNION SELECT digest FROM drafts
    UNION SELECT digest FROM runs WHERE status = 'QUEUED' UNION SELECT digest FROM runs WHERE status = 'RUNNING'";
/// Bytes of an org's uploads that it has neither as a draft nor as a release, and whether `$2` is any of all these.
pub(crate) const UNUSED_UPLOADS: &str =
    "SELECT COUNT(*) AS tools, COALESCE(SUM(size_bytes), 0) AS used,
        EXISTS (SELECT 1 FROM uploads WHERE org_id = $1 AND digest = $2)
            OR EXISTS (SELECT 1 FROM drafts WHERE org_id = $1 AND digest = $2)
            OR EXISTS (SELECT 1 FROM releases WHERE org_id = $1 AND digest = $2) AS is_there
    FROM uploads u
    WHERE org_id = $1
        AND NOT EXISTS (SELECT 1 FROM drafts d WHERE d.org_id = $1 AND d.digest = u.digest)
        AND NOT EXISTS (SELECT 1 FROM releases r WHERE r.org_id = $1 AND r.digest = u.digest)";
pub(crate) const NOTE_UPLOAD: &str =
    "INSERT INTO uploads (org_id, digest, size_bytes, kept_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (org_id, digest) DO UPDATE SET kept_at = excluded.kept_at";
pub(crate) const NOTE_DISCARDED: &str = "INSERT INTO uploads (org_id, digest, size_bytes, kept_at)
    SELECT org_id, digest, size_bytes, $3 FROM drafts WHERE org_id = $1 AND artifact_id = $2
    ON CONFLICT (org_id, digest) DO UPDATE SET kept_at = excluded.kept_at";
/// But for those that are to be run.
pub(crate) const TAKE_OLD_UPLOADS: &str = "DELETE FROM uploads WHERE (org_id, digest) IN (
        SELECT org_id, digest FROM uploads
        WHERE kept_at < $1
            AND digest NOT IN (SELECT digest FROM runs WHERE status = 'QUEUED')
            AND digest NOT IN (SELECT digest FROM runs WHERE status = 'RUNNING')
        ORDER BY kept_at LIMIT $2
    ) RETURNING digest";
pub(crate) const IS_NAMED: &str = "SELECT EXISTS (SELECT 1 FROM drafts WHERE digest = $1)
    OR EXISTS (SELECT 1 FROM releases WHERE digest = $1)
    OR EXISTS (SELECT 1 FROM uploads WHERE digest = $1)";

// Tenancy.
pub(crate) const HAS_ORGS: &str = "SELECT EXISTS (SELECT 1 FROM orgs)";
pub(crate) const FIRST_ORG: &str = "SELECT org_id FROM orgs ORDER BY org_id LIMIT 1";
pub(crate) const INSERT_ORG: &str =
    "INSERT INTO orgs (org_id, name, data_key, created_at) VALUES ($1, $2, $3, $4)";
pub(crate) const INSERT_PROJECT: &str =
    "INSERT INTO projects (org_id, project_id, name, created_at) VALUES ($1, $2, $3, $4)";
pub(crate) const DATA_KEY: &str = "SELECT data_key FROM orgs WHERE org_id = $1";
pub(crate) const DATA_KEYS: &str = "SELECT org_id, data_key FROM orgs";
pub(crate) const REPLACE_DATA_KEY: &str = "UPDATE orgs SET data_key = $2 WHERE org_id = $1";

// Caps. Each counts no further than its last value.
pub(crate) const COUNT_PROJECTS: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM projects WHERE org_id = $1 LIMIT $2)";
pub(crate) const COUNT_BUDGETS: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM budgets WHERE org_id = $1 LIMIT $2)";
pub(crate) const COUNT_RELEASES: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM releases WHERE org_id = $1 AND artifact_id = $2 LIMIT $3)";
/// Those that have not ended, or not before `$2`: two ranges of one index.
pub(crate) const COUNT_KEYS: &str = "SELECT COUNT(*) FROM (
    SELECT 1 FROM keys WHERE org_id = $1 AND revoked_at IS NULL
    UNION ALL SELECT 1 FROM keys WHERE org_id = $1 AND revoked_at > $2 LIMIT $3)";
pub(crate) const COUNT_SESSIONS: &str =
    "SELECT COUNT(*) FROM (SELECT 1 FROM sessions WHERE org_id = $1 AND expires_at > $2 LIMIT $3)";
pub(crate) const COUNT_SUBSCRIPTIONS: &str = "SELECT COUNT(*) FROM (
    SELECT 1 FROM subscriptions WHERE org_id = $1 AND ended_at IS NULL
    UNION ALL SELECT 1 FROM subscriptions WHERE org_id = $1 AND ended_at > $2 LIMIT $3)";

// Keys.
/// Texts of a key that were made after `$4`.
pub(crate) const RECENT_KEY_TEXTS: &str = "SELECT COUNT(*) FROM key_texts
    WHERE org_id = $1 AND project_id = $2 AND key_id = $3 AND created_at > $4";
pub(crate) const INSERT_KEY: &str =
    "INSERT INTO keys (org_id, project_id, key_id, name, scopes, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)";
pub(crate) const INSERT_KEY_TEXT: &str =
    "INSERT INTO key_texts (org_id, project_id, key_id, hash, prefix, last4, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(crate) const KNOWN_KEY: &str = "SELECT t.hash, t.org_id, t.project_id, t.key_id, t.expires_at, k.scopes,
        EXISTS (SELECT 1 FROM suspensions s WHERE s.target_id IN (t.org_id, t.key_id)) AS is_suspended
    FROM key_texts t
    JOIN keys k ON k.org_id = t.org_id AND k.project_id = t.project_id AND k.key_id = t.key_id
    WHERE t.hash = $1 AND (t.expires_at IS NULL OR t.expires_at > $2) AND k.revoked_at IS NULL";
pub(crate) const KEY: &str =
    "SELECT k.key_id, k.name, k.scopes, k.created_at, k.revoked_at, t.prefix, t.last4
    FROM keys k
    JOIN key_texts t ON t.org_id = k.org_id AND t.project_id = k.project_id AND t.key_id = k.key_id
        AND t.expires_at IS NULL
    WHERE k.org_id = $1 AND k.project_id = $2 AND k.key_id = $3";
pub(crate) const KEYS: &str =
    "SELECT k.key_id, k.name, k.scopes, k.created_at, k.revoked_at, t.prefix, t.last4
    FROM keys k
    JOIN key_texts t ON t.org_id = k.org_id AND t.project_id = k.project_id AND t.key_id = k.key_id
        AND t.expires_at IS NULL
    WHERE k.org_id = $1 AND k.project_id = $2 AND k.key_id < $3
    ORDER BY k.key_id DESC LIMIT $4";
pub(crate) const KEY_HASHES: &str =
    "SELECT hash FROM key_texts WHERE org_id = $1 AND project_id = $2 AND key_id = $3";
pub(crate) const EXPIRE_KEY_TEXTS: &str = "UPDATE key_texts SET expires_at = $4
    WHERE org_id = $1 AND project_id = $2 AND key_id = $3 AND (expires_at IS NULL OR expires_at > $4)
        AND EXISTS (SELECT 1 FROM keys k WHERE k.org_id = $1 AND k.project_id = $2 AND k.key_id = $3
            AND k.revoked_at IS NULL)";
pub(crate) const REVOKE_KEY: &str = "UPDATE keys SET revoked_at = $4
    WHERE org_id = $1 AND project_id = $2 AND key_id = $3 AND revoked_at IS NULL";

/// Artifacts, each with its draft and its active release: further columns, and a condition.
macro_rules! artifacts {
    ($more:literal, $which:literal) => {
        concat!(
            "SELECT a.org_id, a.project_id, a.artifact_id, a.name, a.listed, a.created_at,
        EXISTS (SELECT 1 FROM suspensions s WHERE s.target_id IN (a.org_id, a.artifact_id)) AS is_suspended,
        d.digest AS draft_digest, d.size_bytes, d.verdict, d.violations, d.notes, NULL AS draft_about,
        d.version AS draft_version,
        r.release_id, r.version, r.digest, r.terms, r.created_at AS released_at",
            $more,
            "
    FROM artifacts a
    LEFT JOIN drafts d ON d.org_id = a.org_id AND d.artifact_id = a.artifact_id
    LEFT JOIN releases r ON r.org_id = a.org_id AND r.artifact_id = a.artifact_id
        AND r.release_id = a.active_release_id
    WHERE ",
            $which
        )
    };
}

// Artifacts. Which of them a caller may see is decided by the caller of this crate, from the owner in the row.
pub(crate) const INSERT_ARTIFACT: &str = "INSERT INTO artifacts (org_id, project_id, artifact_id, name, created_at) VALUES ($1, $2, $3, $4, $5)";
pub(crate) const ARTIFACT_NAMED: &str =
    "SELECT artifact_id FROM artifacts WHERE org_id = $1 AND project_id = $2 AND name = $3";
pub(crate) const ARTIFACT: &str = artifacts!("", "a.artifact_id = $1");
/// Includes the description of the release or draft.
pub(crate) const DESCRIBED_ARTIFACT: &str = artifacts!(
    ", COALESCE(r.about, d.about) AS about, r.widens",
    "a.artifact_id = $1"
);
pub(crate) const ARTIFACTS_SQLITE: &str = artifacts!(
    ", COALESCE(r.about, d.about) AS about, r.widens",
    "a.artifact_id < $3 AND a.artifact_id >= $6
        AND ((a.org_id = $1 AND a.project_id = $2) OR a.listed = 1)
        AND ($4 = '' OR INSTR(a.name, $4) > 0 OR INSTR(a.words, $4) > 0)
    ORDER BY a.artifact_id DESC LIMIT $5"
);
pub(crate) const MY_ARTIFACTS_SQLITE: &str = artifacts!(
    ", COALESCE(r.about, d.about) AS about, r.widens",
    "a.org_id = $1 AND a.project_id = $2 AND a.artifact_id < $3 AND a.artifact_id >= $6
        AND ($4 = '' OR INSTR(a.name, $4) > 0 OR INSTR(a.words, $4) > 0)
    ORDER BY a.artifact_id DESC LIMIT $5"
);
/// The last artifact that such a page looks at: `$2` artifacts of any org after the first.
pub(crate) const REACH_OF_ARTIFACTS: &str =
    "SELECT artifact_id FROM artifacts WHERE artifact_id < $1
    ORDER BY artifact_id DESC LIMIT 1 OFFSET $2";
pub(crate) const ARTIFACTS_OF_ORG: &str = "SELECT COUNT(*) FROM artifacts WHERE org_id = $1";
/// Bytes of an org's tools, each once, and whether one of them is `$2`.
pub(crate) const STORED_BY_ORG: &str = "SELECT COALESCE(SUM(size_bytes), 0) AS used,
        COALESCE(SUM(CASE WHEN digest = $2 THEN 1 ELSE 0 END), 0) AS of_digest
    FROM (
        SELECT digest, size_bytes FROM drafts WHERE org_id = $1
        UNION SELECT digest, size_bytes FROM releases WHERE org_id = $1
    ) AS kept";
pub(crate) const SET_LISTED: &str = "UPDATE artifacts SET listed = $3
    WHERE org_id = $1 AND artifact_id = $2 AND active_release_id IS NOT NULL";

// Drafts.
pub(crate) const INSERT_DRAFT: &str =
    "INSERT INTO drafts (org_id, artifact_id, digest, size_bytes, created_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (org_id, artifact_id) DO NOTHING";
pub(crate) const DELETE_DRAFT: &str = "DELETE FROM drafts WHERE org_id = $1 AND artifact_id = $2";
pub(crate) const ASK_VALIDATION: &str =
    "UPDATE drafts SET verdict = 'PENDING', violations = '[]', notes = '[]', about = NULL, version = NULL,
        asked_at = $3, judgings = 0
    WHERE org_id = $1 AND artifact_id = $2 AND (verdict IS NULL OR verdict <> 'PENDING')";
pub(crate) const PENDING_VALIDATIONS: &str =
    "SELECT org_id, artifact_id FROM drafts WHERE verdict = 'PENDING' ORDER BY asked_at";
pub(crate) const BEGIN_JUDGING: &str = "UPDATE drafts SET judgings = judgings + 1
    WHERE org_id = $1 AND artifact_id = $2 AND verdict = 'PENDING' RETURNING judgings";
pub(crate) const BREAK_OFF_JUDGING: &str = "UPDATE drafts SET judgings = max(0, judgings - 1)
    WHERE org_id = $1 AND artifact_id = $2 AND verdict = 'PENDING'";
pub(crate) const RECORD_VERDICT: &str =
    "UPDATE drafts SET verdict = $4, violations = $5, notes = $6, about = $7, version = $8, log = $9
    WHERE org_id = $1 AND artifact_id = $2 AND digest = $3 AND verdict = 'PENDING'";
pub(crate) const DRAFT_TO_PUBLISH: &str =
    "SELECT digest, size_bytes, verdict, violations, notes, about, version, log
    FROM drafts WHERE org_id = $1 AND artifact_id = $2";

// Releases.
pub(crate) const VERSIONS: &str =
    "SELECT version FROM releases WHERE org_id = $1 AND artifact_id = $2";
pub(crate) const INSERT_RELEASE: &str =
    "INSERT INTO releases (org_id, artifact_id, release_id, version, digest, about, log, created_at, widens, size_bytes, terms)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
pub(crate) const UNMEASURED: &str = "SELECT DISTINCT digest FROM releases WHERE size_bytes = 0";
pub(crate) const MEASURE: &str = "UPDATE releases SET size_bytes = $2 WHERE digest = $1";
pub(crate) const ACTIVATE: &str = "UPDATE artifacts SET active_release_id = $3, words = $4 WHERE org_id = $1 AND artifact_id = $2";
pub(crate) const LIST: &str =
    "UPDATE artifacts SET listed = 1 WHERE org_id = $1 AND artifact_id = $2";
pub(crate) const RELEASES: &str =
    "SELECT r.release_id, r.version, r.digest, r.terms, r.widens, r.created_at AS released_at,
        (a.active_release_id = r.release_id) AS active
    FROM releases r
    JOIN artifacts a ON a.artifact_id = r.artifact_id
    WHERE r.org_id = $1 AND r.artifact_id = $2 AND r.release_id < $3
    ORDER BY r.release_id DESC LIMIT $4";
pub(crate) const RELEASE: &str =
    "SELECT r.release_id, r.version, r.digest, r.terms, r.about, r.widens, r.created_at AS released_at,
        (a.active_release_id = r.release_id) AS active
    FROM releases r
    JOIN artifacts a ON a.artifact_id = r.artifact_id
    WHERE r.org_id = $1 AND r.artifact_id = $2 AND r.release_id = $3";
pub(crate) const RELEASE_OF_ARTIFACT: &str =
    "SELECT r.release_id, r.version, r.digest, r.terms, r.created_at AS released_at
    FROM artifacts a
    JOIN releases r ON r.org_id = a.org_id AND r.artifact_id = a.artifact_id AND r.release_id = $2
    WHERE a.artifact_id = $1";
pub(crate) const RELEASES_BEFORE: &str =
    "SELECT r.release_id, r.version, r.digest, r.terms, r.created_at AS released_at
    FROM artifacts a
    JOIN releases r ON r.org_id = a.org_id AND r.artifact_id = a.artifact_id AND r.release_id < $2
    WHERE a.artifact_id = $1
    ORDER BY r.release_id DESC LIMIT $3";
/// What is active beside a draft that is to be published.
pub(crate) const ACTIVE_TERMS: &str = "SELECT r.terms FROM artifacts a
    JOIN releases r ON r.org_id = a.org_id AND r.artifact_id = a.artifact_id AND r.release_id = a.active_release_id
    WHERE a.org_id = $1 AND a.artifact_id = $2";
macro_rules! is_active {
    () => {
        "EXISTS (
            SELECT 1 FROM releases r
            JOIN artifacts a ON a.artifact_id = r.artifact_id AND a.active_release_id = r.release_id
            WHERE r.digest = found.digest
        )"
    };
}
pub(crate) const DIGESTS_OF_LATEST_RUNS: &str = concat!(
    "SELECT digest FROM (
        SELECT digest, COUNT(*) AS runs FROM (SELECT digest FROM runs ORDER BY created_at DESC LIMIT $1)
        GROUP BY digest
    ) AS found WHERE ",
    is_active!(),
    " ORDER BY runs DESC, digest"
);
/// Always one row. The digest is null after the last one.
pub(crate) const RELEASED_DIGEST_AFTER: &str = concat!(
    "SELECT digest, ",
    is_active!(),
    " AS is_active FROM (SELECT MIN(digest) AS digest FROM releases WHERE digest > $1) AS found"
);
pub(crate) const RELEASE_BEFORE: &str = "SELECT r.release_id FROM releases r
    JOIN artifacts a ON a.artifact_id = r.artifact_id
    WHERE r.org_id = $1 AND r.artifact_id = $2 AND r.release_id < a.active_release_id
    ORDER BY r.release_id DESC LIMIT 1";
pub(crate) const RELEASE_LOG: &str =
    "SELECT log FROM releases WHERE org_id = $1 AND artifact_id = $2 AND release_id = $3";

// Covers.
pub(crate) const COVER: &str = "SELECT svg FROM covers WHERE org_id = $1 AND artifact_id = $2";
pub(crate) const HAS_COVER: &str =
    "SELECT EXISTS (SELECT 1 FROM covers WHERE org_id = $1 AND artifact_id = $2)";
pub(crate) const KEEP_COVER: &str =
    "INSERT INTO covers (org_id, artifact_id, svg, made_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (org_id, artifact_id) DO NOTHING";
pub(crate) const SET_COVER: &str =
    "INSERT INTO covers (org_id, artifact_id, svg, made_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (org_id, artifact_id) DO UPDATE SET svg = excluded.svg, made_at = excluded.made_at";

// Environment.
pub(crate) const SET_ENTRY: &str = "INSERT INTO environment
        (org_id, project_id, artifact_id, name, sealed, hosts, allow_expose, last4, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
    ON CONFLICT (org_id, project_id, name, artifact_id) DO UPDATE SET sealed = excluded.sealed,
        hosts = excluded.hosts, allow_expose = excluded.allow_expose, last4 = excluded.last4,
        updated_at = excluded.updated_at
    RETURNING created_at";
pub(crate) const DELETE_ENTRY: &str = "DELETE FROM environment WHERE org_id = $1 AND project_id = $2 AND artifact_id = $3 AND name = $4";
pub(crate) const ENTRIES: &str =
    "SELECT name, artifact_id, hosts, allow_expose, last4, created_at, updated_at
    FROM environment
    WHERE org_id = $1 AND project_id = $2 AND (name > $3 OR (name = $3 AND artifact_id > $4))
    ORDER BY name, artifact_id LIMIT $5";
pub(crate) const ENTRIES_COUNT: &str =
    "SELECT COUNT(*) FROM environment WHERE org_id = $1 AND project_id = $2";
/// The artifact's own entries come first.
/// The secrets with those names, for the artifact or for all artifacts. `$5` is a JSON array of names.
pub(crate) const SECRETS: &str =
    "SELECT name, artifact_id, sealed, hosts, allow_expose FROM environment
    WHERE org_id = $1 AND project_id = $2 AND artifact_id IN ($3, $4) AND name IN (SELECT value FROM json_each($5))
    ORDER BY artifact_id DESC";
pub(crate) const SEALED: &str = "SELECT project_id, artifact_id, name, sealed, hosts, allow_expose FROM environment WHERE org_id = $1";
pub(crate) const REPLACE_SEALED: &str = "UPDATE environment SET sealed = $5
    WHERE org_id = $1 AND project_id = $2 AND artifact_id = $3 AND name = $4";

// Runs.
/// Of a run that has no row. A statement that changes a row where there is one copies each page that it may have to give
/// back.
pub(crate) const RECORD_RUN: &str = "INSERT INTO runs
        (org_id, project_id, run_id, key_id, artifact_id, release_id, digest, function, external_id, traceparent,
        timeout_ms, is_own, share_diagnostics, input_sha256, input_bytes, created_at, price, seller_id, session_id,
        attempt, status, failure, usage, charged, output_sha256, output_bytes, started_at, finished_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23,
        $24, $25, $26, $27, $28)
    ON CONFLICT (org_id, project_id, run_id) DO NOTHING";
/// Of a run that has a row, unless it was ended or started again meanwhile.
pub(crate) const END_RUN: &str = "UPDATE runs SET status = $1, failure = $2, usage = $3, charged = $4,
        output_sha256 = $5, output_bytes = $6, started_at = $7, finished_at = $8
    WHERE org_id = $9 AND project_id = $10 AND run_id = $11 AND attempt = $12 AND status = 'RUNNING'";
pub(crate) const BEGIN_RUN: &str = "INSERT INTO runs
        (org_id, project_id, run_id, key_id, artifact_id, release_id, digest, function, external_id, traceparent,
        timeout_ms, is_own, share_diagnostics, input_sha256, input_bytes, created_at, price, seller_id, session_id,
        attempt, status, started_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)";
pub(crate) const FORGET_RUN: &str =
    "DELETE FROM runs WHERE org_id = $1 AND project_id = $2 AND run_id = $3";
pub(crate) const FORGET_SLOT_OF_RUN: &str =
    "DELETE FROM idempotency WHERE org_id = $1 AND project_id = $2 AND run_id = $3
    RETURNING COALESCE(octet_length(body), 0) + 256";
/// An answer that is too old to be sent again.
pub(crate) const FORGET_ANSWER: &str =
    "DELETE FROM idempotency WHERE org_id = $1 AND project_id = $2 AND request_sha256 = $3
    RETURNING COALESCE(octet_length(body), 0) + 256";
pub(crate) const KEEP_INPUT: &str =
    "INSERT INTO run_inputs (org_id, run_id, input) VALUES ($1, $2, $3)";
pub(crate) const DROP_INPUT: &str = "DELETE FROM run_inputs WHERE org_id = $1 AND run_id = $2";
pub(crate) const KEEP_OUTPUT: &str =
    "INSERT INTO run_outputs (org_id, run_id, output, kept_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (org_id, run_id) DO NOTHING";
pub(crate) const KEEP_LOGS: &str =
    "INSERT INTO run_logs (org_id, run_id, lines, kept_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (org_id, run_id) DO NOTHING";
pub(crate) const KEEP_SPANS: &str =
    "INSERT INTO run_spans (org_id, run_id, spans, kept_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (org_id, run_id) DO NOTHING";
/// The oldest queued run of an org that is not in `$1`, a JSON array of hexadecimal ids.
pub(crate) const NEXT_QUEUED_SQLITE: &str = "SELECT * FROM runs
    WHERE status = 'QUEUED' AND LOWER(HEX(org_id)) NOT IN (SELECT value FROM json_each($1))
    ORDER BY run_id LIMIT 1";
/// All that are queued, and those of an org.
pub(crate) const QUEUED_COUNTS: &str = "SELECT COUNT(*) AS queued,
        COALESCE(SUM(CASE WHEN org_id = $1 THEN 1 ELSE 0 END), 0) AS of_org
    FROM runs WHERE status = 'QUEUED'";
pub(crate) const CLAIM_RUN: &str =
    "UPDATE runs SET status = 'RUNNING', attempt = attempt + 1, started_at = $4
    WHERE org_id = $1 AND project_id = $2 AND run_id = $3 AND status = 'QUEUED'";
pub(crate) const RUN_INPUT: &str = "SELECT input FROM run_inputs WHERE org_id = $1 AND run_id = $2";
pub(crate) const REQUEUE_RUN: &str = "UPDATE runs SET status = 'QUEUED', started_at = NULL
    WHERE org_id = $1 AND project_id = $2 AND run_id = $3 AND status = 'RUNNING' AND attempt = $4";
pub(crate) const CANCEL_QUEUED: &str = "UPDATE runs SET status = 'CANCELLED', finished_at = $4
    WHERE org_id = $1 AND project_id = $2 AND run_id = $3 AND status = 'QUEUED'
    RETURNING org_id, project_id, key_id, session_id, price, created_at";
/// A run's columns but for its failure and output, which may be long.
macro_rules! run_columns {
    () => {
        "r.org_id, r.project_id, r.run_id, r.key_id, r.session_id, r.artifact_id, r.release_id, r.digest, r.function,
        r.external_id, r.traceparent, r.timeout_ms, r.is_own, r.share_diagnostics, r.input_sha256, r.input_bytes,
        r.created_at, r.price, r.seller_id, r.status, r.usage, r.charged, r.cut, r.started_at, r.finished_at"
    };
}
macro_rules! one_run {
    ($long:literal) => {
        concat!(
            "SELECT ",
            run_columns!(),
            ", ",
            $long,
            " FROM runs r LEFT JOIN run_outputs o ON o.org_id = r.org_id AND o.run_id = r.run_id
    WHERE r.org_id = $1 AND r.project_id = $2 AND r.run_id = $3"
        )
    };
}
/// Without a failure or output of more than `$4` bytes.
pub(crate) const RUN: &str = one_run!(
    "CASE WHEN OCTET_LENGTH(r.failure) <= $4 THEN r.failure END AS failure,
        CASE WHEN OCTET_LENGTH(o.output) <= $4 THEN o.output END AS output,
        CASE WHEN OCTET_LENGTH(r.failure) > $4 OR OCTET_LENGTH(o.output) > $4 THEN 1 ELSE 0 END AS is_long"
);
pub(crate) const WHOLE_RUN: &str = one_run!("r.failure, o.output");
/// A page of a project's runs: before `$3`, from `$4` on, and filtered further.
macro_rules! runs {
    ($which:literal) => {
        concat!(
            "SELECT ",
            run_columns!(),
            ", r.failure, NULL AS output FROM runs r
    WHERE r.org_id = $1 AND r.project_id = $2 AND r.run_id < $3 AND r.run_id >= $4
        AND ($5 IS NULL OR r.artifact_id = $5)
        AND ($6 IS NULL OR r.status = $6)",
            $which,
            " ORDER BY r.run_id DESC LIMIT $7"
        )
    };
}
/// The last run that such a page looks at: `$4` runs after the first.
macro_rules! reach_of_runs {
    ($which:literal) => {
        concat!(
            "SELECT r.run_id FROM runs r
    WHERE r.org_id = $1 AND r.project_id = $2 AND r.run_id < $3",
            $which,
            " ORDER BY r.run_id DESC LIMIT 1 OFFSET $4"
        )
    };
}
pub(crate) const RUNS: &str = runs!("");
pub(crate) const REACH_OF_RUNS: &str = reach_of_runs!("");
/// Those of a caller's own name for them.
pub(crate) const RUNS_NAMED: &str = runs!(" AND r.external_id = $8");
pub(crate) const REACH_OF_RUNS_NAMED: &str = reach_of_runs!(" AND r.external_id = $5");
pub(crate) const RUNS_OF_SESSION: &str =
    runs!(" AND r.session_id = $9 AND ($8 IS NULL OR r.external_id = $8)");
pub(crate) const REACH_OF_RUNS_OF_SESSION: &str = reach_of_runs!(" AND r.session_id = $6");
pub(crate) const RUN_LOGS: &str = "SELECT lines FROM run_logs WHERE org_id = $1 AND run_id = $2";
pub(crate) const RUN_SPANS: &str = "SELECT spans FROM run_spans WHERE org_id = $1 AND run_id = $2";
pub(crate) const KEEP_FIRST_UPLOADED_SPANS: &str = "INSERT INTO uploaded_spans (org_id, run_id, position, spans, kept_at) VALUES ($1, $2, 0, $3, $4)";
pub(crate) const NOTE_CUT: &str =
    "UPDATE runs SET cut = $1 WHERE org_id = $2 AND project_id = $3 AND run_id = $4";
/// Replaces a failure by a shorter one.
pub(crate) const CUT_FAILURE: &str =
    "UPDATE runs SET failure = $1 WHERE org_id = $2 AND project_id = $3 AND run_id = $4";
pub(crate) const KEPT_BYTES: &str = "SELECT bytes FROM kept WHERE org_id = $1";
pub(crate) const COUNT_KEPT_BYTES: &str = "INSERT INTO kept (org_id, bytes) VALUES ($1, $2)
    ON CONFLICT (org_id) DO UPDATE SET bytes = kept.bytes + excluded.bytes";
pub(crate) const KEEP_UPLOADED_SPANS: &str = "INSERT INTO uploaded_spans (org_id, run_id, position, spans, kept_at) VALUES ($1, $2, $3, $4, $5)";
pub(crate) const UPLOADED_SPANS: &str =
    "SELECT spans FROM uploaded_spans WHERE org_id = $1 AND run_id = $2 ORDER BY position";
pub(crate) const FAILURES: &str = concat!(
    "SELECT ",
    run_columns!(),
    ", r.failure, NULL AS output FROM runs r
    WHERE r.artifact_id = $1 AND r.run_id < $2 AND r.status IN ('FAILED', 'TIMED_OUT')
    ORDER BY r.run_id DESC LIMIT $3"
);

// Usage.
pub(crate) const ADD_USAGE: &str = "INSERT INTO usage_days
        (org_id, project_id, day, artifact_id, key_id, runs, succeeded, charged, cpu_us, wall_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (org_id, project_id, day, artifact_id, key_id) DO UPDATE SET
        runs = usage_days.runs + excluded.runs, succeeded = usage_days.succeeded + excluded.succeeded,
        charged = usage_days.charged + excluded.charged, cpu_us = usage_days.cpu_us + excluded.cpu_us,
        wall_us = usage_days.wall_us + excluded.wall_us";
/// The sum saturates, like the sums in memory.
pub(crate) const ADD_SPENT: &str =
    "INSERT INTO spent_days (org_id, project_id, day, key_id, charged)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (org_id, project_id, day, key_id) DO UPDATE SET
        charged = MIN(9223372036854775807, spent_days.charged + excluded.charged)";
pub(crate) const USAGE_BY_DAY: &str =
    "SELECT day, SUM(runs) AS runs, SUM(succeeded) AS succeeded, SUM(charged) AS charged,
        SUM(cpu_us) AS cpu_us, SUM(wall_us) AS wall_us
    FROM usage_days WHERE org_id = $1 AND project_id = $2 AND day < $3
    GROUP BY day ORDER BY day DESC LIMIT $4";
pub(crate) const USAGE_BY_ARTIFACT: &str =
    "SELECT artifact_id, SUM(runs) AS runs, SUM(succeeded) AS succeeded, SUM(charged) AS charged,
        SUM(cpu_us) AS cpu_us, SUM(wall_us) AS wall_us
    FROM usage_days WHERE org_id = $1 AND project_id = $2 AND artifact_id < $3
    GROUP BY artifact_id ORDER BY artifact_id DESC LIMIT $4";
pub(crate) const USAGE_BY_KEY: &str =
    "SELECT key_id, SUM(runs) AS runs, SUM(succeeded) AS succeeded, SUM(charged) AS charged,
        SUM(cpu_us) AS cpu_us, SUM(wall_us) AS wall_us
    FROM usage_days WHERE org_id = $1 AND project_id = $2 AND key_id < $3
    GROUP BY key_id ORDER BY key_id DESC LIMIT $4";

// Money.
pub(crate) const POSTED: &str = "SELECT org_id, posted FROM wallets";
pub(crate) const HELD: &str = "SELECT org_id, SUM(price) AS held FROM runs INDEXED BY runs_queued WHERE status = 'QUEUED' GROUP BY org_id";
pub(crate) const ORG_POSTED: &str = "SELECT COALESCE(w.posted, 0) FROM orgs o
    LEFT JOIN wallets w ON w.org_id = o.org_id WHERE o.org_id = $1";
pub(crate) const GIVE_TOKENS: &str = "INSERT INTO wallets (posted, org_id) VALUES ($1, $2)
    ON CONFLICT (org_id) DO UPDATE SET posted = wallets.posted + excluded.posted";
/// A row that is made anew is checked before it is found to be there: what takes is no such row.
pub(crate) const TAKE_TOKENS: &str = "UPDATE wallets SET posted = posted + $1 WHERE org_id = $2";
pub(crate) const ENTRY_BY_REQUEST: &str =
    "SELECT org_id, entry_id, at, kind, tokens, run_id, subscription_id, reason FROM entries
    WHERE request_sha256 = $1";
pub(crate) const LEDGER: &str =
    "SELECT entry_id, at, kind, tokens, run_id, subscription_id FROM entries
    WHERE org_id = $1 AND entry_id < $2
    ORDER BY entry_id DESC LIMIT $3";
/// Ten-thousandths of a token that fees of an org's earnings were rounded down by.
pub(crate) const FEE_REST: &str = "SELECT fee_rest FROM wallets WHERE org_id = $1";
pub(crate) const SET_FEE_REST: &str =
    "INSERT INTO wallets (posted, org_id, fee_rest) VALUES (0, $1, $2)
    ON CONFLICT (org_id) DO UPDATE SET fee_rest = excluded.fee_rest";
pub(crate) const LAST_PAYMENT: &str = "SELECT MAX(place) FROM payments";
pub(crate) const INSERT_PAYMENT: &str = "INSERT INTO payments
        (place, at, run_id, subscription_id, reason, request_sha256, buyer_id, seller_id, tokens, platform_id, fee)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
pub(crate) const PAYMENT_BY_REQUEST: &str =
    "SELECT *, seller_id AS org_id FROM payments WHERE request_sha256 = $1";
pub(crate) const PAYMENTS_OF_BUYER: &str =
    "SELECT * FROM payments WHERE buyer_id = $1 AND place <= $2 ORDER BY place DESC LIMIT $3";
pub(crate) const PAYMENTS_OF_SELLER: &str =
    "SELECT * FROM payments WHERE seller_id = $1 AND place <= $2 ORDER BY place DESC LIMIT $3";
pub(crate) const PAYMENTS_OF_PLATFORM: &str =
    "SELECT * FROM payments WHERE platform_id = $1 AND place <= $2 ORDER BY place DESC LIMIT $3";
pub(crate) const HAS_PAYMENTS_SQLITE: &str =
    "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'payments')";
pub(crate) const NO_PAYMENTS_SQLITE: &str =
    "CREATE TEMP TABLE payments (place INTEGER, run_id BLOB, buyer_id BLOB, seller_id BLOB,
    tokens INTEGER, platform_id BLOB, fee INTEGER)";
/// Lines of payments are counted as if they had rows of their own.
pub(crate) const AUDIT_COUNTS: &str = "SELECT (SELECT COUNT(*) FROM wallets) AS wallets,
    (SELECT COUNT(*) FROM entries)
        + (SELECT 2 * COUNT(*) + 2 * COUNT(platform_id) FROM payments) AS entries";
pub(crate) const AUDIT_POSTINGS: &str = "SELECT posting_id, SUM(tokens) AS sum FROM entries GROUP BY posting_id HAVING SUM(tokens) <> 0";
/// Nobody's side of credits is no wallet. In halves: what went through a wallet may be more than one number can be.
pub(crate) const AUDIT_WALLETS_SQLITE: &str =
    "SELECT o.org_id, COALESCE(w.posted, 0) AS posted, COALESCE((SUM(e.high) << 32) + SUM(e.low), 0) AS sum
    FROM orgs o
    LEFT JOIN wallets w ON w.org_id = o.org_id
    LEFT JOIN (
        SELECT org_id, SUM(tokens >> 32) AS high, SUM(tokens & 4294967295) AS low FROM entries GROUP BY org_id
        UNION ALL SELECT buyer_id, SUM(-tokens >> 32), SUM(-tokens & 4294967295) FROM payments GROUP BY buyer_id
        UNION ALL SELECT seller_id, SUM((tokens - fee) >> 32), SUM((tokens - fee) & 4294967295) FROM payments
            GROUP BY seller_id
        UNION ALL SELECT platform_id, SUM(fee >> 32), SUM(fee & 4294967295) FROM payments
            WHERE platform_id IS NOT NULL GROUP BY platform_id
    ) AS e ON e.org_id = o.org_id
    GROUP BY o.org_id, w.posted HAVING COALESCE(w.posted, 0) <> COALESCE((SUM(e.high) << 32) + SUM(e.low), 0)";
/// What was paid outlives the records of runs.
pub(crate) const AUDIT_CHARGES: &str =
    "SELECT r.run_id, r.charged, COALESCE(p.tokens, 0) - COALESCE(SUM(e.tokens), 0) AS tokens
    FROM runs r
    LEFT JOIN payments p ON p.run_id = r.run_id AND p.buyer_id = r.org_id
    LEFT JOIN entries e ON e.posting_id = r.run_id AND e.org_id = r.org_id AND e.kind = 'charge'
    GROUP BY r.org_id, r.project_id, r.run_id, r.charged, p.tokens
    HAVING r.charged <> COALESCE(p.tokens, 0) - COALESCE(SUM(e.tokens), 0)";
pub(crate) const AUDIT_PAID_RUNS: &str = "SELECT r.run_id, r.status FROM runs r
    LEFT JOIN payments p ON p.run_id = r.run_id AND p.buyer_id = r.org_id
    LEFT JOIN entries e ON e.posting_id = r.run_id AND e.org_id = r.org_id AND e.kind = 'charge'
    WHERE r.status <> 'SUCCEEDED' AND (p.place IS NOT NULL OR e.entry_id IS NOT NULL)";

// Budgets.
pub(crate) const BUDGETS_OF_PROJECT: &str =
    "SELECT org_id, project_id, key_id, period, budget_id, cap, created_at FROM budgets
    WHERE org_id = $1 AND project_id = $2";
pub(crate) const SET_BUDGET: &str =
    "INSERT INTO budgets (org_id, project_id, key_id, period, budget_id, cap, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (org_id, project_id, key_id, period) DO UPDATE SET cap = excluded.cap
    RETURNING org_id, project_id, key_id, period, budget_id, cap, created_at";
pub(crate) const REMOVE_BUDGET: &str = "DELETE FROM budgets
    WHERE org_id = $1 AND project_id = $2 AND key_id = $3 AND period = $4
    RETURNING org_id, project_id, key_id, period, budget_id, cap, created_at";
/// By runs and by subscriptions, of what outlives their records.
pub(crate) const SPENT: &str = "SELECT
        (SELECT COALESCE(SUM(charged), 0) FROM spent_days
        WHERE org_id = $1 AND project_id = $2 AND ($3 IS NULL OR key_id = $3) AND day >= $4)
        + (SELECT COALESCE(SUM(price), 0) FROM subscriptions
        WHERE org_id = $1 AND project_id = $2 AND ($3 IS NULL OR key_id = $3) AND created_at >= $4)";
/// Tokens that a project spent since `$3`, by key and time.
pub(crate) const SPENT_OF_PROJECT: &str =
    "SELECT key_id, day AS at, charged AS tokens FROM spent_days
    WHERE org_id = $1 AND project_id = $2 AND day >= $3
    UNION ALL SELECT key_id, created_at, price FROM subscriptions
    WHERE org_id = $1 AND project_id = $2 AND created_at >= $3 AND price > 0";
/// Tokens held for a project's runs, by key and time. It uses the partial indexes, because ended runs are many.
pub(crate) const HELD_OF_PROJECT: &str =
    "SELECT key_id, created_at AS at, price AS tokens FROM runs INDEXED BY runs_queued
    WHERE status = 'QUEUED' AND org_id = $1 AND project_id = $2 AND price > 0
    UNION ALL SELECT key_id, created_at, price FROM runs INDEXED BY runs_running
    WHERE status = 'RUNNING' AND org_id = $1 AND project_id = $2 AND price > 0";

// Sessions.
pub(crate) const INSERT_SESSION: &str = "INSERT INTO sessions
        (org_id, project_id, session_id, key_id, artifacts, cap, runs_max, created_at, expires_at, key_hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
pub(crate) const KNOWN_SESSION: &str = "SELECT s.org_id, s.project_id, s.key_id, s.artifacts, s.expires_at,
        s.key_hash, t.expires_at AS key_expires_at,
        EXISTS (SELECT 1 FROM suspensions p WHERE p.target_id IN (s.org_id, s.key_id)) AS is_suspended
    FROM sessions s
    JOIN keys k ON k.org_id = s.org_id AND k.project_id = s.project_id AND k.key_id = s.key_id
    JOIN key_texts t ON t.hash = s.key_hash
    WHERE s.session_id = $1 AND s.revoked_at IS NULL AND k.revoked_at IS NULL
        AND (t.expires_at IS NULL OR t.expires_at > $2)";
pub(crate) const SESSION: &str =
    "SELECT org_id, project_id, session_id, artifacts, cap, runs_max, expires_at, revoked_at
    FROM sessions WHERE org_id = $1 AND project_id = $2 AND session_id = $3";
/// Ends a key's sessions. An ended session counts against its org's cap for a day.
pub(crate) const END_SESSIONS_OF_KEY: &str = "UPDATE sessions SET expires_at = $4
    WHERE org_id = $1 AND project_id = $2 AND key_id = $3 AND expires_at > $4";
pub(crate) const REVOKE_SESSION: &str = "UPDATE sessions
    SET revoked_at = COALESCE(revoked_at, $4), expires_at = MIN(expires_at, $4)
    WHERE org_id = $1 AND project_id = $2 AND session_id = $3";
/// What is queued or runs is held; what has started and ended is spent. A run that never started has no time of a start
/// at its end.
pub(crate) const USED_OF_SESSION: &str = "SELECT
        COALESCE(SUM(charged), 0) AS charged,
        COALESCE(SUM(CASE WHEN status NOT IN ('QUEUED', 'RUNNING') AND started_at IS NOT NULL THEN 1 ELSE 0 END), 0)
            AS started,
        COALESCE(SUM(CASE WHEN status IN ('QUEUED', 'RUNNING') THEN 1 ELSE 0 END), 0) AS queued,
        COALESCE(SUM(CASE WHEN status IN ('QUEUED', 'RUNNING') THEN price ELSE 0 END), 0) AS held
    FROM runs WHERE org_id = $1 AND project_id = $2 AND session_id = $3";

// Subscriptions.
pub(crate) const INSERT_SUBSCRIPTION: &str = "INSERT INTO subscriptions
        (org_id, project_id, subscription_id, artifact_id, release_id, price, key_id, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT (artifact_id, org_id, project_id) WHERE ended_at IS NULL DO NOTHING";
pub(crate) const SUBSCRIPTION_TO: &str =
    "SELECT subscription_id, artifact_id, release_id, created_at, ended_at FROM subscriptions
    WHERE artifact_id = $1 AND org_id = $2 AND project_id = $3 AND ended_at IS NULL";
pub(crate) const SUBSCRIPTION: &str =
    "SELECT subscription_id, artifact_id, release_id, created_at, ended_at FROM subscriptions
    WHERE org_id = $1 AND project_id = $2 AND subscription_id = $3";
pub(crate) const SUBSCRIPTIONS: &str =
    "SELECT subscription_id, artifact_id, release_id, created_at, ended_at FROM subscriptions
    WHERE org_id = $1 AND project_id = $2 AND subscription_id < $3
    ORDER BY subscription_id DESC LIMIT $4";
pub(crate) const END_SUBSCRIPTION: &str = "UPDATE subscriptions SET ended_at = $4
    WHERE org_id = $1 AND project_id = $2 AND subscription_id = $3 AND ended_at IS NULL
    RETURNING artifact_id";
pub(crate) const ACCEPT_TERMS: &str = "UPDATE subscriptions SET release_id = $4
    WHERE org_id = $1 AND project_id = $2 AND subscription_id = $3 AND ended_at IS NULL
    RETURNING artifact_id";

// Actions.
pub(crate) const NOTE_ACTION: &str =
    "INSERT INTO actions (action_id, org_id, key_id, action, target, detail, at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(crate) const ACTIONS: &str =
    "SELECT action_id, org_id, key_id, action, target, detail, at FROM actions
    WHERE action_id < $1 ORDER BY action_id DESC LIMIT $2";

// Suspensions.
pub(crate) const HAS_ARTIFACT: &str =
    "SELECT EXISTS (SELECT 1 FROM artifacts WHERE artifact_id = $1)";
pub(crate) const HAS_ORG: &str = "SELECT EXISTS (SELECT 1 FROM orgs WHERE org_id = $1)";
pub(crate) const HAS_KEY: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE key_id = $1)";
pub(crate) const SUSPEND: &str = "INSERT INTO suspensions (target_id, at) VALUES ($1, $2)
    ON CONFLICT (target_id) DO NOTHING";
pub(crate) const RESUME: &str = "DELETE FROM suspensions WHERE target_id = $1";
pub(crate) const IS_RUN_SUSPENDED: &str = "SELECT EXISTS (SELECT 1 FROM suspensions
    WHERE target_id IN ($1, $2, $3, (SELECT org_id FROM artifacts WHERE artifact_id = $1)))";

// Idempotency.
/// Without a body of more than `$5` bytes.
pub(crate) const KEPT_ANSWER: &str =
    "SELECT body_sha256, run_id, status, location, content_type, scope,
        CASE WHEN OCTET_LENGTH(body) <= $5 THEN body END AS body,
        CASE WHEN OCTET_LENGTH(body) > $5 THEN 1 ELSE 0 END AS is_long
    FROM idempotency
    WHERE org_id = $1 AND project_id = $2 AND request_sha256 = $3 AND kept_at > $4";
pub(crate) const KEPT_BODY: &str = "SELECT body FROM idempotency
    WHERE org_id = $1 AND project_id = $2 AND request_sha256 = $3";
pub(crate) const KEEP_ANSWER: &str = "INSERT INTO idempotency
        (org_id, project_id, request_sha256, body_sha256, run_id, status, location, content_type, body, kept_at, scope)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

// What time and crashes end.
pub(crate) const LOSE_RUNNING: &str =
    "UPDATE runs SET status = 'FAILED', finished_at = $1, failure = $2
    WHERE status = 'RUNNING'
    RETURNING org_id, project_id, artifact_id, key_id, created_at";
/// The sign keeps a planner off the index by age, which holds every run there was.
pub(crate) const EXPIRE_QUEUED: &str =
    "UPDATE runs SET status = 'FAILED', finished_at = $1, failure = $2
    WHERE status = 'QUEUED' AND +created_at < $3
    RETURNING org_id, project_id, artifact_id, key_id, session_id, price, created_at";
/// By the partial indexes of queued and running runs: the others are many.
pub(crate) const DROP_ENDED_INPUTS: &str = "DELETE FROM run_inputs
    WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = run_inputs.run_id AND r.status = 'QUEUED')
        AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = run_inputs.run_id AND r.status = 'RUNNING')";
/// Subtracts the rows that are purged next from the kept bytes of their orgs. The `+` keeps the planner from grouping by the
/// primary key, which would read every row.
macro_rules! uncount {
    ($table:literal, $bytes:literal) => {
        concat!(
            "UPDATE kept SET bytes = kept.bytes - old.bytes FROM (SELECT org_id, SUM(",
            $bytes,
            ") AS bytes FROM ",
            $table,
            " WHERE kept_at < $1 GROUP BY +org_id) AS old WHERE kept.org_id = old.org_id"
        )
    };
}
pub(crate) const UNCOUNT_OUTPUTS: &str = uncount!("run_outputs", "octet_length(output)");
pub(crate) const PURGE_OUTPUTS: &str = "DELETE FROM run_outputs WHERE kept_at < $1";
pub(crate) const UNCOUNT_LOGS: &str = uncount!("run_logs", "octet_length(lines)");
pub(crate) const PURGE_LOGS: &str = "DELETE FROM run_logs WHERE kept_at < $1";
pub(crate) const UNCOUNT_SPANS: &str = uncount!("run_spans", "octet_length(spans)");
pub(crate) const PURGE_SPANS: &str = "DELETE FROM run_spans WHERE kept_at < $1";
pub(crate) const UNCOUNT_UPLOADED_SPANS: &str = uncount!("uploaded_spans", "octet_length(spans)");
pub(crate) const PURGE_UPLOADED_SPANS: &str = "DELETE FROM uploaded_spans WHERE kept_at < $1";
/// With what a row takes beside its body, as `kept.rs` has it.
pub(crate) const UNCOUNT_ANSWERS: &str =
    uncount!("idempotency", "COALESCE(octet_length(body), 0) + 256");
pub(crate) const PURGE_ANSWERS: &str = "DELETE FROM idempotency WHERE kept_at < $1";
pub(crate) const PURGE_SUBSCRIPTIONS: &str =
    "DELETE FROM subscriptions WHERE ended_at < $1 AND (price = 0 OR created_at < $2)";
/// A text that is no longer good is known for a day, so that rotations can be counted.
pub(crate) const PURGE_KEY_TEXTS: &str = "DELETE FROM key_texts WHERE expires_at < $1";
pub(crate) const PURGE_SESSIONS: &str = "DELETE FROM sessions WHERE expires_at < $1";
/// What a session did is counted from its runs as long as there is the session.
macro_rules! old_runs {
    () => {
        "FROM runs WHERE created_at < $1 AND status NOT IN ('QUEUED', 'RUNNING')
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = runs.session_id AND s.expires_at >= $1)"
    };
}
/// Subtracts large failures of the runs that are purged next. The threshold is `FAILURE_BYTES` of `kept.rs`.
pub(crate) const UNCOUNT_FAILURES: &str = concat!(
    "UPDATE kept SET bytes = kept.bytes - old.bytes FROM (SELECT org_id, SUM(octet_length(failure)) AS bytes ",
    old_runs!(),
    " AND octet_length(failure) > 16384 GROUP BY +org_id) AS old WHERE kept.org_id = old.org_id"
);
pub(crate) const PURGE_RUNS: &str = concat!("DELETE ", old_runs!());
