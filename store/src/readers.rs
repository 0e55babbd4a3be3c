//! The connections for lists and sums. They are few, and admission has its own.

use crate::error::StoreError;
use crate::id::OrgId;
use crate::log::Shares;
use moka::sync::Cache;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Sqlite};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit};

/// The most orgs whose turns are kept.
const ORGS: u64 = 65_536;
/// The longest time that a list reads. After it, the statement fails.
const TIME_MAX: Duration = Duration::from_secs(5);
/// The longest time that a list reads while the writer asks for all shares. After it, the statement fails.
const WAY_MADE_AFTER: Duration = Duration::from_secs(1);
/// Instructions of SQLite's machine between two looks at the time. A row can have megabytes, so they are few.
const LOOK_AFTER: i32 = 200;

/// Turns: each org has one at a time.
#[derive(Debug)]
pub(crate) struct OrgTurns(Cache<OrgId, Arc<Mutex<()>>>);

impl Default for OrgTurns {
    fn default() -> Self {
        Self(Cache::new(ORGS))
    }
}

impl OrgTurns {
    /// The org's turn, until the guard is dropped.
    pub(crate) async fn of(&self, org: OrgId) -> OwnedMutexGuard<()> {
        self.0.get_with(org, Arc::default).lock_owned().await
    }
}

/// The pool. Each org has one connection at a time, because a list over a million rows takes long.
#[derive(Debug)]
pub(crate) struct ListReaders {
    pool: SqlitePool,
    turns: OrgTurns,
    shares: Arc<Shares>,
}

/// A connection in its org's turn. The turn ends when the reader is dropped and its statement has ended.
pub(crate) struct ListReader(Option<InTurn>);

struct InTurn {
    connection: PoolConnection<Sqlite>,
    turn: OwnedMutexGuard<()>,
    share: Option<OwnedSemaphorePermit>,
}

impl ListReaders {
    pub(crate) fn new(pool: SqlitePool, shares: Arc<Shares>) -> Self {
        Self {
            pool,
            turns: OrgTurns::default(),
            shares,
        }
    }

    /// Waits for the org's turn, then for a connection. It can be used for [`TIME_MAX`].
    pub(crate) async fn acquire(&self, org: OrgId) -> Result<ListReader, StoreError> {
        let turn = self.turns.of(org).await;
        let share = self.shares.one().await;
        let mut connection = self.pool.acquire().await?;
        let (began_at, shares) = (Instant::now(), Arc::clone(&self.shares));
        let in_time = move || {
            let read_for = began_at.elapsed();
            read_for < TIME_MAX && !(read_for > WAY_MADE_AFTER && shares.is_asked())
        };
        let mut handle = connection.lock_handle().await?;
        handle.set_progress_handler(LOOK_AFTER, in_time);
        drop(handle);
        Ok(ListReader(Some(InTurn {
            connection,
            turn,
            share,
        })))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl ListReader {
    /// The connection.
    pub(crate) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let in_turn = self.0.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok(&mut in_turn.connection)
    }
}

impl Drop for ListReader {
    fn drop(&mut self) {
        let (Some(in_turn), Ok(tokio)) = (self.0.take(), Handle::try_current()) else {
            return;
        };
        let InTurn {
            mut connection,
            turn,
            share,
        } = in_turn;
        // A caller that leaves does not end its statement. The turn lasts until the connection answers again.
        tokio.spawn(async move {
            let _ = connection.ping().await;
            drop((connection, share, turn));
        });
    }
}
