//! Keeps the database's write-ahead log short.

use crate::database::{BUSY_TIMEOUT, LIST_READERS};
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The length past which the log is restarted.
pub(crate) const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The interval between checks of its length.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time that writes wait for other readers to leave the log.
const PATIENCE: Duration = Duration::from_millis(200);
/// The longest time that lists wait for a writer that has nothing to write.
const LEND: Duration = Duration::from_millis(200);

/// The right to read lists. SQLite restarts its log only when no reader uses it. A list holds a share while it reads. The
/// writer asks for all shares before it restarts the log: lists that read finish, and later ones wait.
#[derive(Debug)]
pub(crate) struct Shares {
    free: Arc<Semaphore>,
    lent: Mutex<Lent>,
}

/// The writer's request for all shares.
#[derive(Debug)]
enum Lent {
    NotAsked,
    Asked,
    All(OwnedSemaphorePermit),
}

impl Default for Shares {
    fn default() -> Self {
        Self {
            free: Arc::new(Semaphore::new(LIST_READERS as usize)),
            lent: Mutex::new(Lent::NotAsked),
        }
    }
}

impl Shares {
    /// A list's share. Always `Some`, because the shares are never closed.
    pub(crate) async fn one(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// Asks for all shares, unless they were asked for already.
    fn ask_for_all(self: &Arc<Self>, tokio: &Handle) {
        {
            let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(*lent, Lent::NotAsked) {
                return;
            }
            *lent = Lent::Asked;
        }
        let shares = Arc::clone(self);
        tokio.spawn(async move {
            let all = Arc::clone(&shares.free).acquire_many_owned(LIST_READERS);
            if let Ok(all) = all.await {
                shares.put(Lent::All(all));
                tokio::time::sleep(LEND).await;
            }
            shares.put(Lent::NotAsked);
        });
    }

    /// Takes all shares, if they are there.
    fn all(&self) -> Option<OwnedSemaphorePermit> {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *lent, Lent::Asked) {
            Lent::All(all) => Some(all),
            other => {
                *lent = other;
                None
            }
        }
    }

    fn put(&self, lent: Lent) {
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = lent;
    }
}

/// The log of the writer's database. With overlapping lists it would grow until the disk is full.
pub(crate) struct Log {
    path: PathBuf,
    looked_at: Instant,
    shares: Arc<Shares>,
    tokio: Handle,
}

impl Log {
    /// The log of a database whose lists have these shares.
    pub(crate) fn of(database: &Path, shares: Arc<Shares>, tokio: Handle) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self {
            path: path.into(),
            looked_at: Instant::now(),
            shares,
            tokio,
        }
    }

    /// All shares, once the log is long and no list reads: the time to [restart](Self::start_over) it. Checks the length once
    /// per [`LOOK`].
    pub(crate) fn due(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Some(all) = self.shares.all() {
            return Some(all);
        }
        if self.looked_at.elapsed() < LOOK {
            return None;
        }
        self.looked_at = Instant::now();
        if fs::metadata(&self.path).is_ok_and(|log| log.len() > BYTES_MAX) {
            self.shares.ask_for_all(&self.tokio);
        }
        None
    }

    /// Restarts the log. Call it between transactions. Readers that begin meanwhile use the database file only.
    pub(crate) fn start_over(&self, writer: &Connection) {
        let begun_at = Instant::now();
        let patience = |timeout| writer.busy_timeout(timeout);
        let started_over = patience(PATIENCE).and_then(|()| {
            // The first column is 1 if a reader blocked the checkpoint.
            writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
        });
        let restored = patience(BUSY_TIMEOUT);
        let took = begun_at.elapsed();
        match started_over.and_then(|is_busy: bool| restored.map(|()| is_busy)) {
            Ok(false) => tracing::info!(?took, "the database's log was long and is started over"),
            Ok(true) => tracing::info!(?took, "the database's log is long; readers are in the way"),
            Err(error) => tracing::warn!(%error, "the database's log cannot be started over"),
        }
    }
}
