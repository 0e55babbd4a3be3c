//! The database's write-ahead log, and how it stays short.

use crate::database::BUSY_TIMEOUT;
use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A longer log is started over.
pub(crate) const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// How often its length is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// The longest time that writes wait for readers to leave the log.
const PATIENCE: Duration = Duration::from_millis(200);

/// The log of the writer's database. SQLite starts it over only when no reader uses it. Lists that overlap would let it grow
/// until the disk is full.
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

    /// True if the log has not been looked at for a while and is long.
    pub(crate) fn is_long(&mut self) -> bool {
        if self.looked_at.elapsed() < LOOK {
            return false;
        }
        self.looked_at = Instant::now();
        fs::metadata(&self.path).is_ok_and(|log| log.len() > BYTES_MAX)
    }

    /// Starts the log over. Call it between transactions. Readers that begin meanwhile read the database only.
    pub(crate) fn start_over(&self, writer: &Connection) {
        let begun_at = Instant::now();
        let patience = |timeout| writer.busy_timeout(timeout);
        let started_over = patience(PATIENCE).and_then(|()| {
            // One row: whether a reader was in the way, and how many pages there were.
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
