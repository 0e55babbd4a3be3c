//! The lines of orgs' statements.

use crate::id::{EntryId, RunId, SubscriptionId};
use crate::time::Time;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// A line of an org's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its identifier.
    pub id: EntryId,
    /// When it was made.
    pub at: Time,
    /// `credit`, `charge`, `subscription`, `earning` or `fee`.
    pub kind: String,
    /// What the org has more.
    pub tokens: i64,
    /// The run it is for.
    pub run: Option<RunId>,
    /// The subscription it is for.
    pub subscription: Option<SubscriptionId>,
}

/// One that has a row of its own.
pub(crate) fn entry_in(row: &SqliteRow) -> Result<LedgerEntry, sqlx::Error> {
    Ok(LedgerEntry {
        id: row.try_get("entry_id")?,
        at: row.try_get("at")?,
        kind: row.try_get("kind")?,
        tokens: row.try_get("tokens")?,
        run: row.try_get("run_id")?,
        subscription: row.try_get("subscription_id")?,
    })
}
