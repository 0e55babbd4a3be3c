//! The connections that read lists and sums. They are few, and apart from those of admission.

use crate::error::StoreError;
use crate::id::OrgId;
use moka::sync::Cache;
use sqlx::Sqlite;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqlitePool;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Orgs whose turns are known.
const ORGS: u64 = 65_536;

/// The pool. An org has one connection at a time: lists of an org with a million rows take long.
#[derive(Debug)]
pub(crate) struct ListReaders {
    pool: SqlitePool,
    turns: Cache<OrgId, Arc<Mutex<()>>>,
}

/// A connection in its org's turn, until it is dropped.
pub(crate) struct ListReader {
    connection: PoolConnection<Sqlite>,
    _turn: OwnedMutexGuard<()>,
}

impl ListReaders {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self {
            pool,
            turns: Cache::new(ORGS),
        }
    }

    /// Waits for the org's turn, then for a connection.
    pub(crate) async fn acquire(&self, org: OrgId) -> Result<ListReader, StoreError> {
        let turn = self.turns.get_with(org, Arc::default).lock_owned().await;
        let connection = self.pool.acquire().await?;
        Ok(ListReader {
            connection,
            _turn: turn,
        })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

impl Deref for ListReader {
    type Target = PoolConnection<Sqlite>;

    fn deref(&self) -> &Self::Target {
        &self.connection
    }
}

impl DerefMut for ListReader {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.connection
    }
}
