//! The lines of orgs' statements.

use crate::id::{EntryId, RunId, SubscriptionId};
use crate::time::Time;

/// A line of an org's statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its identifier.
    pub id: EntryId,
    /// When it was made.
    pub at: Time,
    /// `credit`, `charge`, `subscription`, `earning` or `fee`.
    pub kind: String,
    /// The org's gain; negative for a loss.
    pub tokens: i64,
    /// The run it is for.
    pub run: Option<RunId>,
    /// The subscription it is for.
    pub subscription: Option<SubscriptionId>,
}
