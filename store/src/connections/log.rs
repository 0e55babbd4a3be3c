//! Keeps the database's write-ahead log short.

use crate::connections::readers::LIST_READERS;
use crate::sql::{Connection, sqlite};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The length past which the log is restarted.
pub(crate) const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The interval between checks of its length.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time that writes wait for other readers to leave the log.
const PATIENCE: Duration = Duration::from_millis(200);
/// The right to read lists. SQLite restarts its log only when no reader uses it. A list holds a share while it reads. The
/// writer asks for all shares before it restarts the log: lists that read finish soon, and later ones wait.
#[derive(Debug)]
pub(crate) struct LogShares {
    free: Arc<Semaphore>,
    is_asked: AtomicBool,
}

/// All shares, until it is dropped.
#[derive(Debug)]
pub(crate) struct All {
    shares: Arc<LogShares>,
    _all: OwnedSemaphorePermit,
}

impl Drop for All {
    fn drop(&mut self) {
        self.shares.is_asked.store(false, Ordering::Relaxed);
    }
}

impl Default for LogShares {
    fn default() -> Self {
        Self {
            free: Arc::new(Semaphore::new(LIST_READERS)),
            is_asked: AtomicBool::new(false),
        }
    }
}

impl LogShares {
    /// A list's share. Always `Some`, because the shares are never closed.
    pub(crate) async fn one(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// True from the writer's request for all shares until it has restarted the log.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Asks for all shares, unless they were asked for already, and gives them to `give`.
    fn ask<F: Future<Output = ()> + Send>(
        self: &Arc<Self>,
        tokio: &Handle,
        give: impl FnOnce(All) -> F + Send + 'static,
    ) {
        if self.is_asked.swap(true, Ordering::Relaxed) {
            return;
        }
        let shares = Arc::clone(self);
        tokio.spawn(async move {
            let all = Arc::clone(&shares.free).acquire_many_owned(LIST_READERS as u32);
            if let Ok(_all) = all.await {
                give(All { shares, _all }).await;
            }
        });
    }
}

/// The log of the writer's database. With overlapping lists it would grow until the disk is full.
pub(crate) struct Log {
    path: PathBuf,
    looked_at: Instant,
    shares: Arc<LogShares>,
}

impl Log {
    /// The log of a database whose lists have these shares.
    pub(crate) fn of(database: &Path, shares: Arc<LogShares>) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self {
            path: path.into(),
            looked_at: Instant::now(),
            shares,
        }
    }

    /// Asks for all shares if the log is long. `give` brings them to the writer, which then [restarts](Self::start_over)
    /// it. Checks the length once per [`LOOK`].
    pub(crate) fn look<F: Future<Output = ()> + Send>(
        &mut self,
        tokio: &Handle,
        give: impl FnOnce(All) -> F + Send + 'static,
    ) {
        if self.looked_at.elapsed() < LOOK {
            return;
        }
        self.looked_at = Instant::now();
        if fs::metadata(&self.path).is_ok_and(|log| log.len() > BYTES_MAX) {
            self.shares.ask(tokio, give);
        }
    }

    /// Restarts the log, and gives the shares back. Call it between transactions. Readers that begin meanwhile use the
    /// database file only.
    pub(crate) fn start_over(&self, all: All, writer: &mut Connection) {
        let begun_at = Instant::now();
        let is_blocked = sqlite::restart_log(writer, PATIENCE);
        let took = begun_at.elapsed();
        match is_blocked {
            Ok(false) => tracing::info!(?took, "the database's log was long and is started over"),
            Ok(true) => tracing::info!(?took, "the database's log is long; readers are in the way"),
            Err(error) => tracing::warn!(%error, "the database's log cannot be started over"),
        }
        drop(all);
    }
}
