//! Connections that only read. Work on them runs on threads that may block.

use crate::connections::log::LogShares;
use crate::error::StoreError;
use crate::id::OrgId;
use crate::sql::{Column, Connection, Query, Row, SqlError, sqlite};
use deadpool::unmanaged::{Object, Pool};
use moka::sync::Cache;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};
use tokio::task::spawn_blocking;

/// Connections for what every request needs.
const READERS: usize = 4;
/// Connections for lists, which may take long. Admission does not wait for them.
pub(crate) const LIST_READERS: usize = 2;
/// The most orgs whose turns are kept.
const ORGS: u64 = 65_536;
/// The longest time that a list reads. After it, the statement fails.
const TIME_MAX: Duration = Duration::from_secs(5);
/// The longest time that a list reads while the writer asks for all shares. After it, the statement fails.
const WAY_MADE_AFTER: Duration = Duration::from_secs(1);

/// Turns: each org has one at a time.
#[derive(Debug)]
pub(crate) struct OrgTurns(Cache<OrgId, Arc<tokio::sync::Mutex<()>>>);

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

/// The connections for everything but lists.
#[derive(Debug)]
pub(crate) struct Readers(Pool<Connection>);

impl Readers {
    pub(crate) fn open(file: &Path) -> Result<Self, SqlError> {
        let connections = (0..READERS).map(|_| sqlite::open_read_only(file));
        let connections = connections.collect::<Result<Vec<_>, _>>()?;
        Ok(Self(connections.into()))
    }

    /// Does work on a connection. The work goes on if the future is dropped.
    pub(crate) async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        E: Into<StoreError>,
    {
        let mut connection = self.0.get().await.map_err(|_| closed())?;
        blocking(move || work(&mut connection).map_err(Into::into)).await
    }

    /// The first row, if there is any.
    pub(crate) async fn optional(&self, query: Query<'static>) -> Result<Option<Row>, StoreError> {
        self.read(move |connection| query.optional(connection))
            .await
    }

    /// All rows.
    pub(crate) async fn all(&self, query: Query<'static>) -> Result<Vec<Row>, StoreError> {
        self.read(move |connection| query.all(connection)).await
    }

    /// The first row. Fails if there is none.
    pub(crate) async fn one(&self, query: Query<'static>) -> Result<Row, StoreError> {
        self.read(move |connection| query.one(connection)).await
    }

    /// The first column of the first row. Fails if there is no row.
    pub(crate) async fn scalar<T>(&self, query: Query<'static>) -> Result<T, StoreError>
    where
        T: for<'r> Column<'r> + Send + 'static,
    {
        self.read(move |connection| query.scalar(connection)).await
    }

    /// The first column of the first row, if there is any.
    pub(crate) async fn optional_scalar<T>(
        &self,
        query: Query<'static>,
    ) -> Result<Option<T>, StoreError>
    where
        T: for<'r> Column<'r> + Send + 'static,
    {
        let read = self.read(move |connection| query.optional_scalar(connection));
        read.await
    }

    pub(crate) async fn close(&self) {
        close(&self.0, READERS).await;
    }
}

/// The connections for lists and sums. Each org has one at a time, because a list over a million rows takes long.
#[derive(Debug)]
pub(crate) struct ListReaders {
    pool: Pool<ListConnection>,
    turns: OrgTurns,
    shares: Arc<LogShares>,
}

#[derive(Debug)]
struct ListConnection {
    connection: Connection,
    /// The start of the reading. [`TIME_MAX`] later, the connection interrupts its statement.
    began_at: Arc<Mutex<Instant>>,
}

/// A connection in its org's turn.
pub(crate) struct ListReader {
    lent: Object<ListConnection>,
    _turn: OwnedMutexGuard<()>,
    _share: Option<OwnedSemaphorePermit>,
}

impl ListReaders {
    pub(crate) fn open(file: &Path, shares: Arc<LogShares>) -> Result<Self, SqlError> {
        let connections = (0..LIST_READERS).map(|_| ListConnection::open(file, &shares));
        let connections = connections.collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            pool: connections.into(),
            turns: OrgTurns::default(),
            shares,
        })
    }

    /// Waits for the org's turn, then for a connection.
    pub(crate) async fn acquire(&self, org: OrgId) -> Result<ListReader, StoreError> {
        let turn = self.turns.of(org).await;
        let share = self.shares.one().await;
        Ok(ListReader {
            lent: self.pool.get().await.map_err(|_| closed())?,
            _turn: turn,
            _share: share,
        })
    }

    /// Does work in the org's turn. Its statements are interrupted after [`TIME_MAX`]. If the future is dropped, the
    /// work goes on and the turn lasts until its end.
    pub(crate) async fn read<T, E>(
        &self,
        org: OrgId,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        E: Into<StoreError>,
    {
        let mut reader = self.acquire(org).await?;
        blocking(move || work(reader.connection()).map_err(Into::into)).await
    }

    pub(crate) async fn close(&self) {
        close(&self.pool, LIST_READERS).await;
    }
}

impl ListConnection {
    fn open(file: &Path, shares: &Arc<LogShares>) -> Result<Self, SqlError> {
        let (began_at, shares) = (Arc::new(Mutex::new(Instant::now())), Arc::clone(shares));
        let began = Arc::clone(&began_at);
        let is_over = move || {
            let read_for = lock(&began).elapsed();
            read_for > TIME_MAX || (read_for > WAY_MADE_AFTER && shares.is_asked())
        };
        let connection = sqlite::open_interruptible(file, is_over)?;
        Ok(Self {
            connection,
            began_at,
        })
    }
}

impl ListReader {
    /// The connection, whose time begins now.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        *lock(&self.lent.began_at) = Instant::now();
        &mut self.lent.connection
    }
}

fn lock(instant: &Mutex<Instant>) -> std::sync::MutexGuard<'_, Instant> {
    instant.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs work on a thread that may block. A panic is an error.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Failed(error.into())))
}

/// Waits until no connection is lent, then closes all. Later borrowers are refused.
async fn close<C: Send + 'static>(pool: &Pool<C>, connections: usize) {
    let mut all = Vec::with_capacity(connections);
    for _ in 0..connections {
        all.extend(pool.remove().await);
    }
    pool.close();
    // Closing the last connection of a database writes to the disk.
    let _ = spawn_blocking(move || drop(all)).await;
}

fn closed() -> StoreError {
    StoreError::Refusing("it is closed".to_owned())
}
