//! Artifacts, drafts, releases, covers and uploads.

use crate::sql::statement::{Statement, both, differ, statements};

/// Artifacts, each with its draft and its active release: further columns, and a condition.
macro_rules! artifacts {
    ($more:literal, $($which:literal),+) => {
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
            $($which),+
        )
    };
}

/// Those with `?4` in their name or words. The engines name the function that finds it differently.
macro_rules! with_words {
    ($which:literal, $position:literal) => {
        artifacts!(
            ", COALESCE(r.about, d.about) AS about, r.widens",
            $which,
            " AND a.artifact_id < ?3 AND a.artifact_id >= ?6
        AND (?4 = '' OR ",
            $position,
            "(a.name, ?4) > 0 OR ",
            $position,
            "(a.words, ?4) > 0)
    ORDER BY a.artifact_id DESC LIMIT ?5"
        )
    };
}

macro_rules! listed {
    ($position:literal) => {
        with_words!(
            "((a.org_id = ?1 AND a.project_id = ?2) OR a.listed = 1)",
            $position
        )
    };
}

macro_rules! my {
    ($position:literal) => {
        with_words!("a.org_id = ?1 AND a.project_id = ?2", $position)
    };
}

/// True if the tool is in an active release.
macro_rules! is_active {
    () => {
        "EXISTS (
            SELECT 1 FROM releases r
            JOIN artifacts a ON a.artifact_id = r.artifact_id AND a.active_release_id = r.release_id
            WHERE r.digest = found.digest
        )"
    };
}

statements! { CATALOGUE:
    // Artifacts. Which of them a caller may see is decided by the caller of this crate, from the owner in the row.
    INSERT_ARTIFACT = both("INSERT INTO artifacts (org_id, project_id, artifact_id, name, created_at) VALUES (?1, ?2, ?3, ?4, ?5)");
    ARTIFACT_NAMED = both("SELECT artifact_id FROM artifacts WHERE org_id = ?1 AND project_id = ?2 AND name = ?3");
    ARTIFACT = both(artifacts!("", "a.artifact_id = ?1"));
    /// Includes the description of the release or draft.
    DESCRIBED_ARTIFACT = both(artifacts!(", COALESCE(r.about, d.about) AS about, r.widens",
    "a.artifact_id = ?1"));
    ARTIFACTS = differ(listed!("INSTR"), listed!("STRPOS"));
    MY_ARTIFACTS = differ(my!("INSTR"), my!("STRPOS"));
    /// The last artifact that such a page looks at: `?2` artifacts of any org after the first.
    REACH_OF_ARTIFACTS = both("SELECT artifact_id FROM artifacts WHERE artifact_id < ?1
    ORDER BY artifact_id DESC LIMIT 1 OFFSET ?2");
    ARTIFACTS_OF_ORG = both("SELECT COUNT(*) FROM artifacts WHERE org_id = ?1");
    /// Bytes of an org's tools, each once, and whether one of them is `?2`.
    STORED_BY_ORG = both("SELECT COALESCE(SUM(size_bytes), 0)
            + (SELECT COALESCE(SUM(about_bytes), 0) FROM drafts WHERE org_id = ?1)
            + (SELECT COALESCE(SUM(about_bytes), 0) FROM releases WHERE org_id = ?1) AS used,
        COALESCE(SUM(CASE WHEN digest = ?2 THEN 1 ELSE 0 END), 0) AS of_digest
    FROM (
        SELECT digest, size_bytes FROM drafts WHERE org_id = ?1
        UNION SELECT digest, size_bytes FROM releases WHERE org_id = ?1
    ) AS kept");
    SET_LISTED = both("UPDATE artifacts SET listed = ?3
    WHERE org_id = ?1 AND artifact_id = ?2 AND active_release_id IS NOT NULL");

    // Drafts.
    INSERT_DRAFT = both("INSERT INTO drafts (org_id, artifact_id, digest, size_bytes, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (org_id, artifact_id) DO NOTHING");
    DELETE_DRAFT = both("DELETE FROM drafts WHERE org_id = ?1 AND artifact_id = ?2");
    ASK_VALIDATION = both("UPDATE drafts SET verdict = 'PENDING', violations = '[]', notes = '[]', about = NULL, about_bytes = 0,
        terms = NULL, words = '', version = NULL, asked_at = ?3, judgings = 0
    WHERE org_id = ?1 AND artifact_id = ?2 AND (verdict IS NULL OR verdict <> 'PENDING')");
    PENDING_VALIDATIONS = both("SELECT org_id, artifact_id FROM drafts WHERE verdict = 'PENDING' ORDER BY asked_at");
    BEGIN_JUDGING = both("UPDATE drafts SET judgings = judgings + 1
    WHERE org_id = ?1 AND artifact_id = ?2 AND verdict = 'PENDING' RETURNING judgings");
    BREAK_OFF_JUDGING = differ(
        "UPDATE drafts SET judgings = max(0, judgings - 1)
    WHERE org_id = ?1 AND artifact_id = ?2 AND verdict = 'PENDING'",
        "UPDATE drafts SET judgings = GREATEST(0, judgings - 1)
    WHERE org_id = ?1 AND artifact_id = ?2 AND verdict = 'PENDING'",
    );
    RECORD_VERDICT = both("UPDATE drafts SET verdict = ?4, violations = ?5, notes = ?6, about = ?7, version = ?8, log = ?9,
        about_bytes = ?10, terms = ?11, words = ?12
    WHERE org_id = ?1 AND artifact_id = ?2 AND digest = ?3 AND verdict = 'PENDING'");
    DRAFT_TO_PUBLISH = both("SELECT digest, verdict, violations, notes, NULL AS no_about, version, terms, asked_at
    FROM drafts WHERE org_id = ?1 AND artifact_id = ?2");
    /// True if the draft is the one that was validated at `?4`, and the active release is `?6` or, for `?5`, none.
    PLAN_HOLDS = both("SELECT EXISTS (
        SELECT 1 FROM drafts d JOIN artifacts a ON a.org_id = d.org_id AND a.artifact_id = d.artifact_id
        WHERE d.org_id = ?1 AND d.artifact_id = ?2 AND d.digest = ?3 AND d.asked_at = ?4 AND d.verdict = 'ADMITTED'
            AND COALESCE(a.active_release_id, ?5) = ?6)");

    // Releases.
    VERSIONS = both("SELECT version FROM releases WHERE org_id = ?1 AND artifact_id = ?2");
    /// Copies the draft.
    INSERT_RELEASE = both("INSERT INTO releases (org_id, artifact_id, release_id, version, widens, created_at, digest, size_bytes,
        about, about_bytes, terms, words, log)
    SELECT org_id, artifact_id, ?3, ?4, ?5, ?6, digest, size_bytes, about, about_bytes, terms, words, log
    FROM drafts WHERE org_id = ?1 AND artifact_id = ?2");
    ACTIVATE = both("UPDATE artifacts SET active_release_id = r.release_id, words = r.words FROM releases r
    WHERE artifacts.org_id = ?1 AND artifacts.artifact_id = ?2
        AND r.org_id = ?1 AND r.artifact_id = ?2 AND r.release_id = ?3");
    LIST = both("UPDATE artifacts SET listed = 1 WHERE org_id = ?1 AND artifact_id = ?2");
    RELEASES = both("SELECT r.release_id, r.version, r.digest, r.terms, r.widens, r.created_at AS released_at,
        (a.active_release_id = r.release_id) AS active
    FROM releases r
    JOIN artifacts a ON a.artifact_id = r.artifact_id
    WHERE r.org_id = ?1 AND r.artifact_id = ?2 AND r.release_id < ?3
    ORDER BY r.release_id DESC LIMIT ?4");
    RELEASE = both("SELECT r.release_id, r.version, r.digest, r.terms, r.widens, r.created_at AS released_at,
        (a.active_release_id = r.release_id) AS active
    FROM releases r
    JOIN artifacts a ON a.artifact_id = r.artifact_id
    WHERE r.org_id = ?1 AND r.artifact_id = ?2 AND r.release_id = ?3");
    RELEASE_OF_ARTIFACT = both("SELECT r.release_id, r.version, r.digest, r.terms, r.created_at AS released_at
    FROM artifacts a
    JOIN releases r ON r.org_id = a.org_id AND r.artifact_id = a.artifact_id AND r.release_id = ?2
    WHERE a.artifact_id = ?1");
    RELEASES_BEFORE = both("SELECT r.release_id, r.version, r.digest, r.terms, r.created_at AS released_at
    FROM artifacts a
    JOIN releases r ON r.org_id = a.org_id AND r.artifact_id = a.artifact_id AND r.release_id < ?2
    WHERE a.artifact_id = ?1
    ORDER BY r.release_id DESC LIMIT ?3");
    /// The active release, with which a draft's terms are compared.
    ACTIVE_TERMS = both("SELECT r.release_id, r.terms FROM artifacts a
    JOIN releases r ON r.org_id = a.org_id AND r.artifact_id = a.artifact_id AND r.release_id = a.active_release_id
    WHERE a.org_id = ?1 AND a.artifact_id = ?2");
    DIGESTS_OF_LATEST_RUNS = both(concat!(
    "SELECT digest FROM (
        SELECT digest, COUNT(*) AS runs FROM (SELECT digest FROM runs ORDER BY created_at DESC LIMIT ?1) AS latest
        GROUP BY digest
    ) AS found WHERE ",
    is_active!(),
    " ORDER BY runs DESC, digest"));
    /// Always one row. The digest is null after the last one.
    RELEASED_DIGEST_AFTER = both(concat!(
    "SELECT digest, ",
    is_active!(),
    " AS is_active FROM (
        SELECT (SELECT digest FROM releases WHERE digest > ?1 ORDER BY digest LIMIT 1) AS digest
    ) AS found"));
    RELEASE_BEFORE = both("SELECT r.release_id FROM releases r
    JOIN artifacts a ON a.artifact_id = r.artifact_id
    WHERE r.org_id = ?1 AND r.artifact_id = ?2 AND r.release_id < a.active_release_id
    ORDER BY r.release_id DESC LIMIT 1");
    RELEASE_LOG = both("SELECT log FROM releases WHERE org_id = ?1 AND artifact_id = ?2 AND release_id = ?3");

    // Covers.
    COVER = both("SELECT svg FROM covers WHERE org_id = ?1 AND artifact_id = ?2");
    HAS_COVER = both("SELECT EXISTS (SELECT 1 FROM covers WHERE org_id = ?1 AND artifact_id = ?2)");
    KEEP_COVER = both("INSERT INTO covers (org_id, artifact_id, svg, made_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (org_id, artifact_id) DO NOTHING");
    SET_COVER = both("INSERT INTO covers (org_id, artifact_id, svg, made_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (org_id, artifact_id) DO UPDATE SET svg = excluded.svg, made_at = excluded.made_at");

    // Uploads.
    /// Bytes of an org's uploads that it has neither as a draft nor as a release, and whether `?2` is any of all these.
    UNUSED_UPLOADS = both("SELECT COUNT(*) AS tools, COALESCE(SUM(size_bytes), 0) AS used,
        EXISTS (SELECT 1 FROM uploads WHERE org_id = ?1 AND digest = ?2)
            OR EXISTS (SELECT 1 FROM drafts WHERE org_id = ?1 AND digest = ?2)
            OR EXISTS (SELECT 1 FROM releases WHERE org_id = ?1 AND digest = ?2) AS is_there
    FROM uploads u
    WHERE org_id = ?1
        AND NOT EXISTS (SELECT 1 FROM drafts d WHERE d.org_id = ?1 AND d.digest = u.digest)
        AND NOT EXISTS (SELECT 1 FROM releases r WHERE r.org_id = ?1 AND r.digest = u.digest)");
    NOTE_UPLOAD = both("INSERT INTO uploads (org_id, digest, size_bytes, kept_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (org_id, digest) DO UPDATE SET kept_at = excluded.kept_at");
    NOTE_DISCARDED = both("INSERT INTO uploads (org_id, digest, size_bytes, kept_at)
    SELECT org_id, digest, size_bytes, ?3 FROM drafts WHERE org_id = ?1 AND artifact_id = ?2
    ON CONFLICT (org_id, digest) DO UPDATE SET kept_at = excluded.kept_at");
    /// But for those that are to be run.
    TAKE_OLD_UPLOADS = both("DELETE FROM uploads WHERE (org_id, digest) IN (
        SELECT org_id, digest FROM uploads
        WHERE kept_at < ?1
            AND digest NOT IN (SELECT digest FROM runs WHERE status = 'QUEUED')
            AND digest NOT IN (SELECT digest FROM runs WHERE status = 'RUNNING')
        ORDER BY kept_at LIMIT ?2
    ) RETURNING digest");
    IS_NAMED = both("SELECT EXISTS (SELECT 1 FROM drafts WHERE digest = ?1)
    OR EXISTS (SELECT 1 FROM releases WHERE digest = ?1)
    OR EXISTS (SELECT 1 FROM uploads WHERE digest = ?1)");
}
