//! The connections for lists and sums. They are few, and admission has its own.

use crate::error::StoreError;
use crate::id::OrgId;
use moka::sync::Cache;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection, Sqlite};
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The most orgs whose turns are kept.
const ORGS: u64 = 65_536;

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
}

/// A connection in its org's turn. The turn ends when the reader is dropped and its statement has ended.
pub(crate) struct ListReader(Option<InTurn>);

struct InTurn {
    connection: PoolConnection<Sqlite>,
    turn: OwnedMutexGuard<()>,
}

impl ListReaders {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self {
            pool,
            turns: OrgTurns::default(),
        }
    }

    /// Waits for the org's turn, then for a connection.
    pub(crate) async fn acquire(&self, org: OrgId) -> Result<ListReader, StoreError> {
        let turn = self.turns.of(org).await;
        let connection = self.pool.acquire().await?;
        Ok(ListReader(Some(InTurn { connection, turn })))
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
        } = in_turn;
        // A caller that leaves does not end its statement. The turn lasts until the connection answers again.
        tokio.spawn(async move {
            let _ = connection.ping().await;
            drop((connection, turn));
        });
    }
}
