//! Errors of the store.

use crate::sql::SqlError;
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
        /// The kind of rows or bytes.
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
    FileDamaged(crate::digest::Digest),
    /// Something sealed could not be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Something sealed could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The master key is not the one that the data was sealed with.
    #[error("the master key is not the one this data folder was begun with: give that one")]
    WrongMasterKey,
    /// A sealed value is damaged, or not where it was written.
    #[error("a sealed value cannot be opened")]
    Unopenable,
    /// The database failed while the master key was checked.
    #[error("the master key could not be checked: the database failed")]
    Unchecked,
}

impl StoreError {
    /// True if the same may work later.
    pub fn is_refusing(&self) -> bool {
        matches!(self, StoreError::Refusing(_))
    }

    /// True if a tool's file is missing: the tool was discarded, and its runs are still recorded.
    pub fn is_missing(&self) -> bool {
        matches!(self, StoreError::File(object_store::Error::NotFound { .. }))
    }
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Refusing(why) => Self::Refusing(why),
            SqlError::Interrupted => Self::TooLong,
            SqlError::Failed(why) => Self::Failed(why),
        }
    }
}
