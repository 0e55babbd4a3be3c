//! How much an org may have of everything that it can make. An org makes one row at a time: its rows are counted beside
//! the writer, which must not wait for 10,000 of them, and the count holds until the new row is committed.

use crate::Store;
use crate::error::StoreError;
use crate::id::{ArtifactId, OrgId};
use crate::number::{signed, unsigned};
use crate::sql::statements;
use crate::sql::{self, Connection};
use crate::time::{DAY, Time};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// The most an org may have of each kind. [`u64::MAX`] is no limit. The defaults are those of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Projects. 100.
    pub projects: u64,
    /// Keys that are not revoked, or were revoked within a day. 1,000.
    pub keys: u64,
    /// Sessions that go on, or ended within a day. 10,000.
    pub sessions: u64,
    /// Subscriptions that go on, or ended within a day. 1,000.
    pub subscriptions: u64,
    /// Budgets. 2,000.
    pub budgets: u64,
    /// Secrets in the environments of its projects. 10,000.
    pub entries: u64,
    /// Releases of one artifact. 1,000.
    pub releases: u64,
    /// Bytes of outputs, logs, spans and answers to repeated requests. 1 GiB.
    pub kept_bytes: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            projects: 100,
            keys: 1000,
            sessions: 10_000,
            subscriptions: 1000,
            budgets: 2000,
            entries: 10_000,
            releases: 1000,
            kept_bytes: 1 << 30,
        }
    }
}

/// Rows that ended count for as long as this. Else a loop that makes and ends them would make any number.
const COUNTED_AFTER_END: Duration = DAY;

/// A kind of row that has a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rows {
    Projects,
    Keys,
    Sessions,
    Subscriptions,
    Budgets,
    Entries,
    /// The releases of an artifact.
    Releases(ArtifactId),
}

impl Rows {
    /// Their name in errors.
    fn named(self) -> &'static str {
        match self {
            Rows::Projects => "projects",
            Rows::Keys => "keys",
            Rows::Sessions => "sessions",
            Rows::Subscriptions => "subscriptions",
            Rows::Budgets => "budgets",
            Rows::Entries => "environment entries",
            Rows::Releases(_) => "releases",
        }
    }

    fn cap(self, caps: &Caps) -> u64 {
        match self {
            Rows::Projects => caps.projects,
            Rows::Keys => caps.keys,
            Rows::Sessions => caps.sessions,
            Rows::Subscriptions => caps.subscriptions,
            Rows::Budgets => caps.budgets,
            Rows::Entries => caps.entries,
            Rows::Releases(_) => caps.releases,
        }
    }
}

impl Store {
    /// The org's turn to make a row of each of these kinds. Fails if it has as many as it may. Keep the turn until the
    /// rows are committed.
    pub(crate) async fn room_for(
        &self,
        org: OrgId,
        kinds: impl IntoIterator<Item = Rows> + Send + 'static,
    ) -> Result<OwnedMutexGuard<()>, StoreError> {
        let (turn, caps) = (self.making.of(org).await, self.caps);
        let counting = self.readers.read(move |connection| {
            let mut kinds = kinds.into_iter();
            kinds.try_for_each(|rows| caps.check(connection, org, rows))
        });
        counting.await?;
        Ok(turn)
    }
}

impl Caps {
    /// Refuses where an org has as many rows as it may, before one more is made. It takes as long as the cap is high,
    /// and not as there are rows.
    pub(crate) fn check(
        &self,
        transaction: &mut Connection,
        org: OrgId,
        rows: Rows,
    ) -> Result<(), StoreError> {
        let limit = rows.cap(self);
        let since = Time::now().before(COUNTED_AFTER_END);
        let counting = match rows {
            Rows::Projects => sql::query(statements::COUNT_PROJECTS).bind(org),
            Rows::Budgets => sql::query(statements::COUNT_BUDGETS).bind(org),
            Rows::Entries => sql::query(statements::COUNT_ENTRIES).bind(org),
            Rows::Releases(id) => sql::query(statements::COUNT_RELEASES).bind(org).bind(id),
            Rows::Keys => sql::query(statements::COUNT_KEYS).bind(org).bind(since),
            Rows::Sessions => sql::query(statements::COUNT_SESSIONS).bind(org).bind(since),
            Rows::Subscriptions => sql::query(statements::COUNT_SUBSCRIPTIONS)
                .bind(org)
                .bind(since),
        };
        let counted: i64 = counting.bind(signed(limit)).scalar(transaction)?;
        match unsigned(counted) < limit {
            true => Ok(()),
            false => Err(StoreError::Full {
                what: rows.named(),
                limit,
            }),
        }
    }
}
