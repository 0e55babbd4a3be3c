//! The database's shape, step by step.

use crate::database::OpenError;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqlSafeStr};
use std::borrow::Cow;

/// In order; one that was released is never changed.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (
        1,
        "the run path",
        include_str!("migrations/0001_run_path.sql"),
    ),
    (2, "spans", include_str!("migrations/0002_spans.sql")),
    (3, "money", include_str!("migrations/0003_money.sql")),
    (
        4,
        "covers and uploaded spans",
        include_str!("migrations/0004_covers_and_spans.sql"),
    ),
    (
        5,
        "suspensions",
        include_str!("migrations/0005_suspensions.sql"),
    ),
    (6, "sessions", include_str!("migrations/0006_sessions.sql")),
    (7, "usage", include_str!("migrations/0007_usage.sql")),
    (8, "actions", include_str!("migrations/0008_actions.sql")),
    (9, "quotas", include_str!("migrations/0009_quotas.sql")),
    (
        10,
        "kept answers' content types",
        include_str!("migrations/0010_answers.sql"),
    ),
    (
        11,
        "ended subscriptions",
        include_str!("migrations/0011_ended_subscriptions.sql"),
    ),
    (
        12,
        "names of runs",
        include_str!("migrations/0012_names_of_runs.sql"),
    ),
    (13, "words", include_str!("migrations/0013_words.sql")),
    (14, "uploads", include_str!("migrations/0014_uploads.sql")),
    (15, "payments", include_str!("migrations/0015_payments.sql")),
    (16, "judgings", include_str!("migrations/0016_judgings.sql")),
    (17, "caps", include_str!("migrations/0017_caps.sql")),
    (18, "scopes", include_str!("migrations/0018_scopes.sql")),
    (
        19,
        "bounded reads",
        include_str!("migrations/0019_bounded_reads.sql"),
    ),
    (20, "terms", include_str!("migrations/0020_terms.sql")),
];

pub(crate) async fn migrate(database: &SqliteConnectOptions) -> Result<(), OpenError> {
    let migrations = MIGRATIONS.iter().map(|(version, description, sql)| {
        Migration::new(
            *version,
            Cow::Borrowed(*description),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    let migrator = Migrator::with_migrations(migrations.collect());
    let mut connection = database.connect().await?;
    let run = migrator.run_direct(None, &mut connection, false).await;
    connection.close().await?;
    run.map_err(|error| match error {
        MigrateError::VersionMissing(version) => OpenError::FromTheFuture(version),
        other => OpenError::Migrations(other),
    })
}
