//! Requests with an idempotency key that are in progress. Equal requests wait for the first one.

use crate::problem::{Kind, Problem};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tollgate_store::Slot;

/// The requests in progress, by slot.
#[derive(Default)]
pub(crate) struct Slots {
    flights: Mutex<HashMap<Slot, Flight>>,
}

struct Flight {
    body_sha256: [u8; 32],
    /// Dropped when the first request is over.
    over: watch::Sender<()>,
}

/// The first of equal requests. Dropping it wakes the others.
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

    /// True if the request is the first of its slot. Otherwise it waits until the first one is over.
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
        // The channel closes when the first one is over.
        let _ = over.changed().await;
        Ok(false)
    }
}
