//! The schema of SQLite. An applied migration is never changed.

use super::writer;
use crate::sql::SqlError;
use rusqlite::Connection;
use rusqlite_migration::{M, Migrations};
use std::path::Path;

const ALL: &[M<'static>] = &[M::up(include_str!("schema/0001.sql"))];
const MIGRATIONS: Migrations<'static> = Migrations::from_slice(ALL);

/// The database does not have this program's schema.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A newer version of this program wrote it.
    #[error("a newer version of this program wrote the database. Upgrade this program")]
    Newer,
    /// A version from before the first release wrote it.
    #[error(
        "a version from before the first release wrote the database. Begin with an empty data folder"
    )]
    Unreleased,
    /// A migration failed. The database is unchanged.
    #[error("the database could not be migrated: {0}")]
    Failed(#[source] rusqlite_migration::Error),
    /// The database.
    #[error(transparent)]
    Database(#[from] SqlError),
}

/// Gives the database the newest schema. Makes the file if it is missing.
pub(crate) fn migrate(file: &Path) -> Result<(), MigrateError> {
    let mut connection = writer(file)?;
    let pending = MIGRATIONS.pending_migrations(&connection);
    match pending.map_err(MigrateError::Failed)? {
        ..0 => Err(MigrateError::Newer),
        0 => Ok(()),
        pending if usize::try_from(pending) == Ok(ALL.len()) && has_tables(&connection)? => {
            Err(MigrateError::Unreleased)
        }
        _ => {
            let migrated = MIGRATIONS.to_latest(&mut connection);
            migrated.map_err(MigrateError::Failed)
        }
    }
}

fn has_tables(connection: &Connection) -> Result<bool, SqlError> {
    let has_tables = "SELECT EXISTS (SELECT 1 FROM sqlite_master)";
    Ok(connection.query_row(has_tables, [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_gets_the_schema_once_and_others_are_refused() {
        MIGRATIONS.validate().expect("valid migrations");
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("it.db");
        migrate(&file).expect("a new database");
        migrate(&file).expect("the same database");
        let connection = Connection::open(&file).expect("opened");
        let newer = "PRAGMA user_version = 1000";
        connection.execute_batch(newer).expect("set");
        assert!(matches!(migrate(&file), Err(MigrateError::Newer)));
        let older = "PRAGMA user_version = 0";
        connection.execute_batch(older).expect("set");
        assert!(matches!(migrate(&file), Err(MigrateError::Unreleased)));
    }
}
