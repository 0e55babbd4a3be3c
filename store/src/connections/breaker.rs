//! After the database refuses a write, the store rejects all writes until a probe succeeds. Otherwise runs start that cannot
//! be recorded, and callers wait for a full disk.

use crate::Store;
use crate::error::StoreError;
use crate::sql;
use crate::sql::statements;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Name of the `meta` row that a probe writes.
const PROBED: &str = "probed";
/// Bytes that a probe writes: far more than a run's record, so that a disk with a few bytes left is not taken for good.
const PROBE_BYTES: usize = 256 * 1024;

/// A circuit breaker. While it is open, writes are rejected.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    is_open: AtomicBool,
    opened: Notify,
}

impl Breaker {
    /// Opens the breaker if the error means that the database refuses writes.
    pub(crate) fn note(&self, error: &StoreError) {
        if error.is_refusing() && !self.is_open.swap(true, Ordering::AcqRel) {
            tracing::error!(%error, "the database refuses writes: nothing is started until a probe succeeds");
            self.opened.notify_one();
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }

    /// Refuses at once while writes are stopped.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self.is_open() {
            true => Err(StoreError::Refusing(
                "it refused a write, and no probe has succeeded since".to_owned(),
            )),
            false => Ok(()),
        }
    }

    fn close(&self) {
        if self.is_open.swap(false, Ordering::AcqRel) {
            tracing::warn!("the database takes writes again");
        }
    }
}

impl Store {
    /// True while the database refuses writes, as far as is known.
    pub fn refuses_writes(&self) -> bool {
        self.breaker.is_open()
    }

    /// Waits until the database refuses a write.
    pub async fn until_refusing(&self) {
        while !self.breaker.is_open() {
            self.breaker.opened.notified().await;
        }
    }

    /// Tries a write. Once it has succeeded, others are tried again. True if it has.
    pub async fn probe(&self) -> bool {
        let probing = self.writer.write_past_breaker(|transaction| {
            sql::query(statements::REPLACE_META)
                .bind(PROBED)
                .bind(vec![1_u8; PROBE_BYTES])
                .execute(transaction)?;
            Ok(())
        });
        let probed = probing.await.is_ok();
        if probed {
            self.breaker.close();
        }
        probed
    }
}
