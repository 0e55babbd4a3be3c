//! Starts, backups and retention.

use crate::sql::statement::{Statement, both, differ, sqlite_only, statements};

/// Subtracts the rows that are purged next from the kept bytes of their orgs. The `+` keeps the planner from grouping by the
/// primary key, which would read every row.
macro_rules! uncount {
    ($bytes:literal, $($old:expr),+) => {
        differ(uncount!(@ "+org_id", $bytes, $($old),+), uncount!(@ "org_id", $bytes, $($old),+))
    };
    (@ $group:literal, $bytes:literal, $($old:expr),+) => {
        concat!(
            "UPDATE kept SET bytes = kept.bytes - old.bytes FROM (SELECT org_id, SUM(",
            $bytes,
            ") AS bytes FROM ",
            $($old),+,
            " GROUP BY ",
            $group,
            ") AS old WHERE kept.org_id = old.org_id"
        )
    };
}

/// A session's sums are counted from its runs, so these are kept as long as the session.
macro_rules! old_runs {
    () => {
        "runs WHERE created_at < ?1 AND status NOT IN ('QUEUED', 'RUNNING')
        AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.session_id = runs.session_id AND s.expires_at >= ?1)"
    };
}

statements! { UPKEEP:
    META = both("SELECT value FROM meta WHERE name = ?1");
    SET_META = both("INSERT INTO meta (name, value) VALUES (?1, ?2)");
    REPLACE_META = both("INSERT INTO meta (name, value) VALUES (?1, ?2)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value");

    // Backup.
    VACUUM_INTO = sqlite_only("VACUUM INTO ?1");
    QUICK_CHECK = sqlite_only("PRAGMA quick_check(1)");
    /// Every tool that anything names.
    DIGESTS = both("SELECT digest FROM releases UNION SELECT digest FROM drafts
    UNION SELECT digest FROM runs WHERE status = 'QUEUED' UNION SELECT digest FROM runs WHERE status = 'RUNNING'");

    // Retention, and runs that a crash has ended.
    LOSE_RUNNING = both("UPDATE runs SET status = 'FAILED', finished_at = ?1, failure = ?2
    WHERE status = 'RUNNING'
    RETURNING org_id, project_id, artifact_id, key_id, created_at");
    /// The sign keeps a planner off the index by age, which holds every run there was.
    EXPIRE_QUEUED = both("UPDATE runs SET status = 'FAILED', finished_at = ?1, failure = ?2
    WHERE status = 'QUEUED' AND +created_at < ?3
    RETURNING org_id, project_id, artifact_id, key_id, session_id, price, created_at");
    /// By the partial indexes of queued and running runs: the others are many.
    DROP_ENDED_INPUTS = both("DELETE FROM run_inputs
    WHERE NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = run_inputs.run_id AND r.status = 'QUEUED')
        AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.run_id = run_inputs.run_id AND r.status = 'RUNNING')");
    UNCOUNT_OUTPUTS = uncount!("octet_length(output)", "run_outputs WHERE kept_at < ?1");
    PURGE_OUTPUTS = both("DELETE FROM run_outputs WHERE kept_at < ?1");
    UNCOUNT_LOGS = uncount!("octet_length(lines)", "run_logs WHERE kept_at < ?1");
    PURGE_LOGS = both("DELETE FROM run_logs WHERE kept_at < ?1");
    UNCOUNT_SPANS = uncount!("octet_length(spans)", "run_spans WHERE kept_at < ?1");
    PURGE_SPANS = both("DELETE FROM run_spans WHERE kept_at < ?1");
    UNCOUNT_UPLOADED_SPANS = uncount!("octet_length(spans)", "uploaded_spans WHERE kept_at < ?1");
    PURGE_UPLOADED_SPANS = both("DELETE FROM uploaded_spans WHERE kept_at < ?1");
    /// With what a row takes beside its body, as `kept.rs` has it.
    UNCOUNT_ANSWERS = uncount!("COALESCE(octet_length(body), 0) + 256", "idempotency WHERE kept_at < ?1");
    PURGE_ANSWERS = both("DELETE FROM idempotency WHERE kept_at < ?1");
    PURGE_SUBSCRIPTIONS = both("DELETE FROM subscriptions WHERE ended_at < ?1 AND (price = 0 OR created_at < ?2)");
    /// A text that is no longer good is known for a day, so that rotations can be counted.
    PURGE_KEY_TEXTS = both("DELETE FROM key_texts WHERE expires_at < ?1");
    PURGE_SESSIONS = both("DELETE FROM sessions WHERE expires_at < ?1");
    /// Subtracts large failures of the runs that are purged next. The threshold is `FAILURE_BYTES` of `kept.rs`.
    UNCOUNT_FAILURES = uncount!("octet_length(failure)", old_runs!(), " AND octet_length(failure) > 16384");
    PURGE_RUNS = both(concat!("DELETE FROM ", old_runs!()));
}
