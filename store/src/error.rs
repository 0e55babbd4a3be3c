//! What can go wrong with the store itself.

use crate::vault::VaultError;
use std::error::Error;

/// A read or write that was not done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database takes nothing now: its disk is full, it is locked, or it is being closed. It may later.
    #[error("the database refuses: {0}")]
    Refusing(String),
    /// A list was ended, because it took too long or the log had to be started over.
    #[error("the list took too long")]
    TooLong,
    /// The org has as many rows of a kind, or keeps as many bytes, as it may.
    #[error("the org has as many {what} as it may ({limit})")]
    Full {
        /// What there is no room for.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// The database's answer was not what it must be: a fault of ours, or a damaged file.
    #[error("the database failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
    /// A tool's file could not be written or read.
    #[error("a tool's file: {0}")]
    File(#[from] object_store::Error),
    /// A tool's file is not what it was when it was written.
    #[error("the file of tool {0} is damaged")]
    FileDamaged(crate::files::Digest),
    /// Something sealed could not be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl StoreError {
    /// Whether the same may work later.
    pub fn is_refusing(&self) -> bool {
        matches!(self, StoreError::Refusing(_))
    }

    /// Whether a tool's file is not there: of one that was discarded, whose runs are still recorded.
    pub fn is_missing(&self) -> bool {
        matches!(self, StoreError::File(object_store::Error::NotFound { .. }))
    }
}

/// SQLite's primary result codes that mean "not now": busy, locked, out of memory, read-only, I/O, full, cannot open.
const REFUSING: &[i32] = &[5, 6, 7, 8, 10, 13, 14];
/// SQLite's result code for an interrupted statement.
const INTERRUPTED: i32 = 9;

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let refuses = match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().and_then(|code| code.parse::<i32>().ok());
                if code == Some(INTERRUPTED) {
                    return StoreError::TooLong;
                }
                code.is_some_and(is_refusing)
            }
            sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
            _ => false,
        };
        told(error, refuses)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|it| it.extended_code);
        let refuses = code.is_some_and(is_refusing);
        told(error, refuses)
    }
}

fn is_refusing(extended_code: i32) -> bool {
    REFUSING.contains(&(extended_code & 0xff))
}

fn told(error: impl Error + Send + Sync + 'static, refuses: bool) -> StoreError {
    match refuses {
        true => StoreError::Refusing(error.to_string()),
        false => StoreError::Failed(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::{Connection, OpenFlags};
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Executor};

    const WRITE: &str = "INSERT INTO it VALUES (zeroblob(100000))";

    /// Both drivers report a read-only, a locked and a full database as refusing.
    #[tokio::test]
    async fn a_database_that_takes_no_writes_may_take_them_later() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it.db");
        let owner = Connection::open(&path).expect("a database");
        owner
            .execute_batch("CREATE TABLE it (value BLOB)")
            .expect("a table");

        let read_only = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let read_only = read_only.expect("opened").execute_batch(WRITE);
        let full = Connection::open(&path).expect("opened");
        full.execute_batch("PRAGMA max_page_count = 3")
            .expect("set");
        let full = full.execute_batch(WRITE);
        let options = SqliteConnectOptions::new().filename(&path);
        let reader = options.clone().read_only(true).connect().await;
        let also_read_only = reader.expect("opened").execute(WRITE).await.map(|_| ());

        owner.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        let locked = Connection::open(&path).expect("opened");
        locked.busy_timeout(std::time::Duration::ZERO).expect("set");
        let locked = locked.execute_batch(WRITE);
        let waits_not = options.busy_timeout(std::time::Duration::ZERO);
        let writer = waits_not.connect().await;
        let also_locked = writer.expect("opened").execute(WRITE).await.map(|_| ());

        for (label, refused) in [("read-only", read_only), ("full", full), ("locked", locked)] {
            let error = StoreError::from(refused.expect_err(label));
            assert!(error.is_refusing(), "{label}: {error}");
        }
        for (label, refused) in [("read-only", also_read_only), ("locked", also_locked)] {
            let error = StoreError::from(refused.expect_err(label));
            assert!(error.is_refusing(), "{label}: {error}");
        }
        let wrong = StoreError::from(owner.execute_batch("no SQL").expect_err("wrong"));
        assert!(!wrong.is_refusing(), "{wrong}");
    }
}
