//! Runs, their outputs, and answers to repeated requests.

use crate::sql::statement::{Statement, both, differ, statements};

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
    WHERE r.org_id = ?1 AND r.project_id = ?2 AND r.run_id = ?3"
        )
    };
}

/// A page of a project's runs: before `?3`, from `?4` on, and filtered further.
macro_rules! runs {
    ($which:literal) => {
        concat!(
            "SELECT ",
            run_columns!(),
            ", r.failure, NULL AS output FROM runs r
    WHERE r.org_id = ?1 AND r.project_id = ?2 AND r.run_id < ?3 AND r.run_id >= ?4
        AND (r.artifact_id = ?5 OR ?5 IS NULL)
        AND (r.status = ?6 OR ?6 IS NULL)",
            $which,
            " ORDER BY r.run_id DESC LIMIT ?7"
        )
    };
}

/// The last run that such a page looks at: `?4` runs after the first.
macro_rules! reach_of_runs {
    ($which:literal) => {
        concat!(
            "SELECT r.run_id FROM runs r
    WHERE r.org_id = ?1 AND r.project_id = ?2 AND r.run_id < ?3",
            $which,
            " ORDER BY r.run_id DESC LIMIT 1 OFFSET ?4"
        )
    };
}

statements! { RUNS_AND_ANSWERS:
    // Runs.
    /// Records a run that has no row. An upsert would be slower: it copies each page that it may have to give
    /// back.
    RECORD_RUN = both("INSERT INTO runs
        (org_id, project_id, run_id, key_id, artifact_id, release_id, digest, function, external_id, traceparent,
        timeout_ms, is_own, share_diagnostics, input_sha256, input_bytes, created_at, price, seller_id, session_id,
        attempt, status, failure, usage, charged, output_sha256, output_bytes, started_at, finished_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
        ?24, ?25, ?26, ?27, ?28)
    ON CONFLICT (org_id, project_id, run_id) DO NOTHING");
    /// Ends a run that has a row, unless it has ended or was started again meanwhile.
    END_RUN = both("UPDATE runs SET status = ?1, failure = ?2, usage = ?3, charged = ?4,
        output_sha256 = ?5, output_bytes = ?6, started_at = ?7, finished_at = ?8
    WHERE org_id = ?9 AND project_id = ?10 AND run_id = ?11 AND attempt = ?12 AND status = 'RUNNING'");
    BEGIN_RUN = both("INSERT INTO runs
        (org_id, project_id, run_id, key_id, artifact_id, release_id, digest, function, external_id, traceparent,
        timeout_ms, is_own, share_diagnostics, input_sha256, input_bytes, created_at, price, seller_id, session_id,
        attempt, status, started_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)");
    FORGET_RUN = both("DELETE FROM runs WHERE org_id = ?1 AND project_id = ?2 AND run_id = ?3 RETURNING status");
    FORGET_SLOT_OF_RUN = both("DELETE FROM idempotency WHERE org_id = ?1 AND project_id = ?2 AND run_id = ?3
    RETURNING COALESCE(octet_length(body), 0) + 256");
    /// An answer that is too old to be sent again.
    FORGET_ANSWER = both("DELETE FROM idempotency WHERE org_id = ?1 AND project_id = ?2 AND request_sha256 = ?3
    RETURNING COALESCE(octet_length(body), 0) + 256");
    KEEP_INPUT = both("INSERT INTO run_inputs (org_id, run_id, input) VALUES (?1, ?2, ?3)");
    DROP_INPUT = both("DELETE FROM run_inputs WHERE org_id = ?1 AND run_id = ?2");
    KEEP_OUTPUT = both("INSERT INTO run_outputs (org_id, run_id, output, kept_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (org_id, run_id) DO NOTHING");
    KEEP_LOGS = both("INSERT INTO run_logs (org_id, run_id, lines, kept_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (org_id, run_id) DO NOTHING");
    KEEP_SPANS = both("INSERT INTO run_spans (org_id, run_id, spans, kept_at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (org_id, run_id) DO NOTHING");
    /// The oldest queued run of an org that is not in `?1`, a JSON array of hexadecimal ids.
    NEXT_QUEUED = differ(
        "SELECT * FROM runs
    WHERE status = 'QUEUED' AND LOWER(HEX(org_id)) NOT IN (SELECT value FROM json_each(?1))
    ORDER BY run_id LIMIT 1",
        "SELECT * FROM runs
    WHERE status = 'QUEUED' AND encode(org_id, 'hex') NOT IN (SELECT json_array_elements_text(?1::json))
    ORDER BY run_id LIMIT 1",
    );
    QUEUED_BY_ORG = differ(
        "SELECT org_id, COUNT(*) FROM runs INDEXED BY runs_queued WHERE status = 'QUEUED' GROUP BY org_id",
        "SELECT org_id, COUNT(*) FROM runs WHERE status = 'QUEUED' GROUP BY org_id",
    );
    CLAIM_RUN = both("UPDATE runs SET status = 'RUNNING', attempt = attempt + 1, started_at = ?4
    WHERE org_id = ?1 AND project_id = ?2 AND run_id = ?3 AND status = 'QUEUED'");
    RUN_INPUT = both("SELECT input FROM run_inputs WHERE org_id = ?1 AND run_id = ?2");
    REQUEUE_RUN = both("UPDATE runs SET status = 'QUEUED', started_at = NULL
    WHERE org_id = ?1 AND project_id = ?2 AND run_id = ?3 AND status = 'RUNNING' AND attempt = ?4");
    CANCEL_QUEUED = both("UPDATE runs SET status = 'CANCELLED', finished_at = ?4
    WHERE org_id = ?1 AND project_id = ?2 AND run_id = ?3 AND status = 'QUEUED'
    RETURNING org_id, project_id, key_id, session_id, price, created_at");
    /// Without a failure or output of more than `?4` bytes.
    RUN = both(one_run!("CASE WHEN OCTET_LENGTH(r.failure) <= ?4 THEN r.failure END AS failure,
        CASE WHEN OCTET_LENGTH(o.output) <= ?4 THEN o.output END AS output,
        CASE WHEN OCTET_LENGTH(r.failure) > ?4 OR OCTET_LENGTH(o.output) > ?4 THEN 1 ELSE 0 END AS is_long"));
    WHOLE_RUN = both(one_run!("r.failure, o.output"));
    RUNS = both(runs!(""));
    REACH_OF_RUNS = both(reach_of_runs!(""));
    /// Those of a caller's own name for them.
    RUNS_NAMED = both(runs!(" AND r.external_id = ?8"));
    REACH_OF_RUNS_NAMED = both(reach_of_runs!(" AND r.external_id = ?5"));
    RUNS_OF_SESSION = both(runs!(" AND r.session_id = ?9 AND (r.external_id = ?8 OR ?8 IS NULL)"));
    REACH_OF_RUNS_OF_SESSION = both(reach_of_runs!(" AND r.session_id = ?5"));
    RUN_LOGS = both("SELECT lines FROM run_logs WHERE org_id = ?1 AND run_id = ?2");
    RUN_SPANS = both("SELECT spans FROM run_spans WHERE org_id = ?1 AND run_id = ?2");
    KEEP_FIRST_UPLOADED_SPANS = both("INSERT INTO uploaded_spans (org_id, run_id, position, spans, kept_at) VALUES (?1, ?2, 0, ?3, ?4)");
    NOTE_CUT = both("UPDATE runs SET cut = ?1 WHERE org_id = ?2 AND project_id = ?3 AND run_id = ?4");
    /// Replaces a failure by a shorter one.
    CUT_FAILURE = both("UPDATE runs SET failure = ?1 WHERE org_id = ?2 AND project_id = ?3 AND run_id = ?4");
    KEPT_BYTES = both("SELECT bytes FROM kept WHERE org_id = ?1");
    COUNT_KEPT_BYTES = both("INSERT INTO kept (org_id, bytes) VALUES (?1, ?2)
    ON CONFLICT (org_id) DO UPDATE SET bytes = kept.bytes + excluded.bytes");
    KEEP_UPLOADED_SPANS = both("INSERT INTO uploaded_spans (org_id, run_id, position, spans, kept_at) VALUES (?1, ?2, ?3, ?4, ?5)");
    UPLOADED_SPANS = both("SELECT spans FROM uploaded_spans WHERE org_id = ?1 AND run_id = ?2 ORDER BY position");
    FAILURES = both(concat!(
    "SELECT ",
    run_columns!(),
    ", r.failure, NULL AS output FROM runs r
    WHERE r.artifact_id = ?1 AND r.run_id < ?2 AND r.status IN ('FAILED', 'TIMED_OUT')
    ORDER BY r.run_id DESC LIMIT ?3"));

    // Usage.
    ADD_USAGE = both("INSERT INTO usage_days
        (org_id, project_id, day, artifact_id, key_id, runs, succeeded, charged, cpu_us, wall_us)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
    ON CONFLICT (org_id, project_id, day, artifact_id, key_id) DO UPDATE SET
        runs = usage_days.runs + excluded.runs, succeeded = usage_days.succeeded + excluded.succeeded,
        charged = usage_days.charged + excluded.charged, cpu_us = usage_days.cpu_us + excluded.cpu_us,
        wall_us = usage_days.wall_us + excluded.wall_us");
    /// The sum saturates, like the sums in memory.
    ADD_SPENT = differ(
        "INSERT INTO spent_days (org_id, project_id, day, key_id, charged)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (org_id, project_id, day, key_id) DO UPDATE SET
        charged = MIN(9223372036854775807, spent_days.charged + excluded.charged)",
        "INSERT INTO spent_days (org_id, project_id, day, key_id, charged)
    VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (org_id, project_id, day, key_id) DO UPDATE SET
        charged = LEAST(9223372036854775807, spent_days.charged + excluded.charged)",
    );
    USAGE_BY_DAY = both("SELECT day, SUM(runs) AS runs, SUM(succeeded) AS succeeded, SUM(charged) AS charged,
        SUM(cpu_us) AS cpu_us, SUM(wall_us) AS wall_us
    FROM usage_days WHERE org_id = ?1 AND project_id = ?2 AND day < ?3
    GROUP BY day ORDER BY day DESC LIMIT ?4");
    USAGE_BY_ARTIFACT = both("SELECT artifact_id, SUM(runs) AS runs, SUM(succeeded) AS succeeded, SUM(charged) AS charged,
        SUM(cpu_us) AS cpu_us, SUM(wall_us) AS wall_us
    FROM usage_days WHERE org_id = ?1 AND project_id = ?2 AND artifact_id < ?3
    GROUP BY artifact_id ORDER BY artifact_id DESC LIMIT ?4");
    USAGE_BY_KEY = both("SELECT key_id, SUM(runs) AS runs, SUM(succeeded) AS succeeded, SUM(charged) AS charged,
        SUM(cpu_us) AS cpu_us, SUM(wall_us) AS wall_us
    FROM usage_days WHERE org_id = ?1 AND project_id = ?2 AND key_id < ?3
    GROUP BY key_id ORDER BY key_id DESC LIMIT ?4");

    // Idempotency.
    /// Without a body of more than `?5` bytes.
    KEPT_ANSWER = both("SELECT body_sha256, run_id, status, location, content_type, scope,
        CASE WHEN OCTET_LENGTH(body) <= ?5 THEN body END AS body,
        CASE WHEN OCTET_LENGTH(body) > ?5 THEN 1 ELSE 0 END AS is_long
    FROM idempotency
    WHERE org_id = ?1 AND project_id = ?2 AND request_sha256 = ?3 AND kept_at > ?4");
    KEPT_BODY = both("SELECT body FROM idempotency
    WHERE org_id = ?1 AND project_id = ?2 AND request_sha256 = ?3");
    KEEP_ANSWER = both("INSERT INTO idempotency
        (org_id, project_id, request_sha256, body_sha256, run_id, status, location, content_type, body, kept_at, scope)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
}
