//! Once the database has refused a write, no other is tried until a probe has succeeded: nothing is to be started whose
//! record cannot be written, and nobody is to wait for a disk that is full.

use crate::Store;
use crate::error::StoreError;
use crate::statements;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// What of `meta` a probe writes.
const PROBED: &str = "probed";
/// Bytes that a probe writes: far more than a run's record, so that a disk with a few bytes left is not taken for good.
const PROBE_BYTES: usize = 256 * 1024;

/// Whether writes are tried.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    is_open: AtomicBool,
    opened: Notify,
}

impl Breaker {
    /// Notes an error: one by which the database refuses writes stops them.
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
            Box::pin(async move {
                sqlx::query(statements::REPLACE_META)
                    .bind(PROBED)
                    .bind(vec![1_u8; PROBE_BYTES])
                    .execute(transaction)
                    .await?;
                Ok(())
            })
        });
        let probed = probing.await.is_ok();
        if probed {
            self.breaker.close();
        }
        probed
    }
}
