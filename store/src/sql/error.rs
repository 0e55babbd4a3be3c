//! Errors of a database, in the words that all engines share.

use std::error::Error;

/// A statement that was not executed.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The database takes nothing now: its disk is full, it is locked, or it is being closed. It may later.
    #[error("the database refuses: {0}")]
    Refusing(String),
    /// The statement was interrupted, because it took too long.
    #[error("the statement was interrupted")]
    Interrupted,
    /// The statement does not fit the database, or a row is not what it must be: a fault of this program, or a damaged
    /// file.
    #[error("the database failed: {0}")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

impl SqlError {
    /// A row that is not what it must be.
    pub(crate) fn unreadable(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(why.into())
    }
}
