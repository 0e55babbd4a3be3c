//! One tier's runs that are able to go on, and its threads that wait for one.

use super::Turn;
use crate::meter::Meter;
use crate::turns::Turns;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tier {
    ready: Mutex<Ready>,
    changed: Condvar,
    /// Runs that wait for a turn, to be read without the lock.
    waiting: AtomicUsize,
}

#[derive(Debug, Default)]
struct Ready {
    /// Runs that only have to be ended.
    ending: VecDeque<Turn>,
    runs: Turns<Turn>,
    /// Threads that sleep and were not woken yet.
    sleeping: usize,
    /// Threads that were woken and have not noticed yet.
    woken: usize,
    is_closed: bool,
}

impl Tier {
    /// Adds a run to its owner's.
    pub(super) fn push(&self, turn: Turn) {
        let owner = Arc::clone(&turn.metadata().owner);
        self.add(|ready| ready.runs.push(&owner, turn));
    }

    /// Adds a run before all others.
    pub(super) fn push_first(&self, turn: Turn) {
        self.add(|ready| ready.ending.push_back(turn));
    }

    fn add(&self, add: impl FnOnce(&mut Ready)) {
        let mut ready = self.lock();
        add(&mut ready);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let wakes = ready.sleeping > 0;
        if wakes {
            ready.sleeping -= 1;
            ready.woken += 1;
        }
        drop(ready);
        if wakes {
            self.changed.notify_one();
        }
    }

    /// The run whose turn it is, waited for. `None` once the tier is closed and empty.
    pub(super) fn next(&self) -> Option<Turn> {
        let mut ready = self.lock();
        loop {
            if let Some(turn) = ready.pop() {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                return Some(turn);
            }
            if ready.is_closed {
                return None;
            }
            ready.sleeping += 1;
            ready = self
                .changed
                .wait_while(ready, |ready| ready.woken == 0 && !ready.is_closed)
                .unwrap_or_else(PoisonError::into_inner);
            ready.woken = ready.woken.saturating_sub(1);
        }
    }

    /// Takes a run out of turn, if it waits here.
    pub(super) fn take(&self, meter: &Arc<Meter>) -> Option<Turn> {
        let is_meant = |turn: &Turn| Arc::ptr_eq(turn.metadata(), meter);
        let taken = self.lock().runs.take(&meter.owner, is_meant)?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(taken)
    }

    /// How many runs wait for a turn.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Lets the threads go once nothing waits.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ready {
    fn pop(&mut self) -> Option<Turn> {
        self.ending.pop_front().or_else(|| self.runs.pop())
    }
}
