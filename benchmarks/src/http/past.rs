//! What a database holds after some time, made of what is there by SQL: to do it all would take hours.

use rusqlite::Connection;
use std::path::Path;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    /// Paid runs of the last thirty days, with what was paid for them.
    pub(crate) runs: usize,
    /// Listed, each with a release.
    pub(crate) artifacts: usize,
    pub(crate) keys: usize,
    /// As many sessions that have not ended, and as many budgets and subscriptions, all of one project.
    pub(crate) sessions: usize,
}

/// An id that was made so long ago.
const ID: &str = "unhex(printf('%012x', unixepoch() * 1000 - ago_ms) || hex(randomblob(10)))";
/// SQLite's page cache while the rows are written.
const CACHE_KIB: usize = 2 * 1024 * 1024;
const MONTH_MS: u64 = 30 * 24 * 60 * 60 * 1000;
/// The run that the others are copies of.
const RUN: &str = "SELECT * FROM runs WHERE charged > 0 ORDER BY run_id LIMIT 1";
const ARTIFACT: &str = "SELECT * FROM artifacts WHERE listed = 1 ORDER BY artifact_id LIMIT 1";
const KEY: &str = "SELECT key_id FROM runs WHERE charged > 0 ORDER BY run_id LIMIT 1";

const SESSION: &str = "SELECT org_id, project_id, NULL AS session_id, key_id, '[]' AS artifacts, 1000 AS cap,
    1000 AS runs_max, NULL AS created_at, (unixepoch() + 86400) * 1000000 AS expires_at, NULL AS revoked_at,
    (SELECT hash FROM key_texts WHERE key_texts.key_id = keys.key_id LIMIT 1) AS key_hash
    FROM keys WHERE key_id IN";
const BUDGET: &str =
    "SELECT org_id, project_id, NULL AS key_id, 'day' AS period, NULL AS budget_id, 1000 AS cap,
    NULL AS created_at FROM keys WHERE key_id IN";
const SUBSCRIPTION: &str = "SELECT * FROM subscriptions WHERE key_id IN";

/// What is in wallets, by what was given and paid.
const WALLETS: &str = "UPDATE wallets SET posted =
    (SELECT COALESCE(SUM(tokens - fee), 0) FROM payments WHERE seller_id = wallets.org_id)
    + (SELECT COALESCE(SUM(fee), 0) FROM payments WHERE platform_id = wallets.org_id)
    - (SELECT COALESCE(SUM(tokens), 0) FROM payments WHERE buyer_id = wallets.org_id)";

impl Past {
    /// Where there is a paid run: copies of it, of its artifact and of its key, with ids of their own.
    pub(crate) fn write(self, database: &Path) -> anyhow::Result<()> {
        // Random keys fill each index. With SQLite's default cache of 2 MiB each insert would read and write a page.
        let it = &Connection::open(database)?;
        it.pragma_update(None, "synchronous", "off")?;
        it.pragma_update(None, "cache_size", format!("-{CACHE_KIB}"))?;
        ids(it, self.runs)?;
        // Of the run that there is: once it is copied, it is the first no more.
        let payments =
            format!("SELECT * FROM payments WHERE run_id IN (SELECT run_id FROM ({RUN}))");
        let own = [("run_id", "ids.id"), ("place", "ids.at"), ("at", "ids.at")];
        copy(it, "payments", &payments, &own)?;
        let own = [("run_id", "ids.id"), ("created_at", "ids.at")];
        copy(it, "runs", RUN, &own)?;
        execute(it, WALLETS)?;
        ids(it, self.artifacts)?;
        let releases = format!(
            "SELECT * FROM releases WHERE release_id IN (SELECT active_release_id FROM ({ARTIFACT}))"
        );
        let own = [("artifact_id", "ids.id"), ("release_id", "ids.id")];
        copy(it, "releases", &releases, &own)?;
        let own = [
            ("artifact_id", "ids.id"),
            ("active_release_id", "ids.id"),
            ("name", "copied.name || '-' || ids.n"),
        ];
        copy(it, "artifacts", ARTIFACT, &own)?;
        ids(it, self.keys)?;
        let (keys, texts) = (
            format!("SELECT * FROM keys WHERE key_id IN ({KEY})"),
            format!("SELECT * FROM key_texts WHERE key_id IN ({KEY})"),
        );
        copy(it, "keys", &keys, &[("key_id", "ids.id")])?;
        let own = [("key_id", "ids.id"), ("hash", "randomblob(32)")];
        copy(it, "key_texts", &texts, &own)?;
        ids(it, self.sessions)?;
        let own = [("session_id", "ids.id"), ("created_at", "ids.at")];
        copy(it, "sessions", &format!("{SESSION} ({KEY})"), &own)?;
        let own = [
            ("key_id", "ids.id"),
            ("budget_id", "ids.id"),
            ("created_at", "ids.at"),
        ];
        copy(it, "budgets", &format!("{BUDGET} ({KEY})"), &own)?;
        let own = [
            ("subscription_id", "ids.id"),
            ("artifact_id", "ids.id"),
            ("created_at", "ids.at"),
        ];
        copy(
            it,
            "subscriptions",
            &format!("{SUBSCRIPTION} ({KEY})"),
            &own,
        )?;
        Ok(())
    }
}

/// Ids over the last month, the latest first, each with its time.
fn ids(connection: &Connection, count: usize) -> anyhow::Result<()> {
    execute(connection, "DROP TABLE IF EXISTS temp.ids")?;
    let ids = format!(
        "CREATE TEMP TABLE ids AS
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
        SELECT n, {ID} AS id, (unixepoch() * 1000 - ago_ms) * 1000 AS at
        FROM (SELECT n, n * {MONTH_MS} / {count} AS ago_ms FROM numbers)"
    );
    execute(connection, &ids)
}

/// Inserts one copy per id of the rows that `of` selects, with the columns of `own` replaced. The query runs once: running it
/// for each copy takes hours.
fn copy(
    connection: &Connection,
    table: &'static str,
    of: &str,
    own: &[(&str, &str)],
) -> anyhow::Result<()> {
    let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
    let columns = columns.query_map([table], |row| row.get(0))?;
    let columns = columns.collect::<Result<Vec<String>, _>>()?;
    let value = |column: &String| {
        let own = own.iter().find(|(name, _)| name == column);
        own.map_or(format!("copied.{column}"), |(_, value)| (*value).to_owned())
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let insert = format!(
        "WITH copied AS MATERIALIZED ({of})
        INSERT INTO {table} ({}) SELECT {} FROM copied CROSS JOIN temp.ids ORDER BY ids.n DESC",
        columns.join(", "),
        values.join(", ")
    );
    execute(connection, &insert)
}

fn execute(connection: &Connection, statement: &str) -> anyhow::Result<()> {
    Ok(connection.execute_batch(statement)?)
}
