//! What can go wrong with the store itself.

use crate::vault::VaultError;
use std::error::Error;

/// A read or write that was not done.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database takes nothing now: its disk is full, it is locked, or it is being closed. It may later.
    #[error("the database refuses: {0}")]
    Refusing(String),
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

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let refuses = match &error {
            sqlx::Error::Database(database) => {
                let code = database.code().and_then(|code| code.parse::<i32>().ok());
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
