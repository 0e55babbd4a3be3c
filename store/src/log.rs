//! Keeps the database's write-ahead log short.

use crate::database::BUSY_TIMEOUT;
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The length past which the log is restarted.
pub(crate) const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The interval between checks of its length.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time that writes wait for readers to leave the log.
const PATIENCE: Duration = Duration::from_millis(200);

/// The log of the writer's database. SQLite restarts it only when no reader uses it. With overlapping lists it would grow until
/// the disk is full.
pub(crate) struct Log {
    path: PathBuf,
    looked_at: Instant,
}

impl Log {
    /// The log of a database.
    pub(crate) fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self {
            path: path.into(),
            looked_at: Instant::now(),
        }
    }

    /// True if the log is long. It checks once per [`LOOK`] and returns false in between.
    pub(crate) fn is_long(&mut self) -> bool {
        if self.looked_at.elapsed() < LOOK {
            return false;
        }
        self.looked_at = Instant::now();
        fs::metadata(&self.path).is_ok_and(|log| log.len() > BYTES_MAX)
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
