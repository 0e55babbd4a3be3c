//! Requests with an idempotency key that are in progress. Equal requests wait for the first one.

use crate::problem::{Kind, Problem};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tollgate_store::Slot;

/// Requests with an idempotency key that are under way.
#[derive(Default)]
pub(crate) struct Slots {
    flights: Mutex<HashMap<Slot, Flight>>,
}

struct Flight {
    body_sha256: [u8; 32],
    /// Dropped when the first request is over.
    over: watch::Sender<()>,
}

/// Held by the first of equal requests until its answer is kept, or there is none; the others wait for that.
pub(crate) struct First {
    slots: Arc<Slots>,
    pub(crate) slot: Slot,
    pub(crate) body_sha256: [u8; 32],
}

impl First {
    pub(crate) fn new(slots: &Arc<Slots>, slot: Slot, body_sha256: [u8; 32]) -> Self {
        Self {
            slots: Arc::clone(slots),
            slot,
            body_sha256,
        }
    }
}

impl Drop for First {
    fn drop(&mut self) {
        self.slots.lock().remove(&self.slot);
    }
}

impl Slots {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Slot, Flight>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request is the first of its slot now. Where it is not, the first is waited for.
    pub(crate) async fn is_first(
        &self,
        slot: Slot,
        body_sha256: [u8; 32],
    ) -> Result<bool, Problem> {
        let mut over = {
            let mut flights = self.lock();
            match flights.get(&slot) {
                Some(flight) if flight.body_sha256 != body_sha256 => {
                    return Err(Problem::of(Kind::IdempotencyConflict));
                }
                Some(flight) => flight.over.subscribe(),
                None => {
                    let over = watch::Sender::new(());
                    flights.insert(slot, Flight { body_sha256, over });
                    return Ok(true);
                }
            }
        };
        // An error is what is waited for: the first is over.
        let _ = over.changed().await;
        Ok(false)
    }
}
