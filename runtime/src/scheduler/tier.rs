//! One tier's runs that are able to go on, and its threads that wait for one.

use super::Meter;
use super::Turn;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tollgate_fair::Turns;

/// CPU up to which a run is new: a crowd of runs that have had a turn or two does not stand before it.
const NEW_CPU_MAX: Duration = Duration::from_micros(500);
/// Each so many turns one is given to a run that is not new, however many new ones come.
const OTHERS_EVERY: u64 = 4;

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
    /// Runs that have hardly run yet: most end in this turn.
    new: Turns<Arc<str>, Turn>,
    /// The others.
    runs: Turns<Arc<str>, Turn>,
    /// Turns given, to share them between the two.
    given: u64,
    /// Threads that sleep and were not woken yet.
    sleeping: usize,
    /// Threads that were woken and have not noticed yet.
    woken: usize,
    /// Whether one of the threads is asked to help the other tier.
    is_asked: bool,
    is_closed: bool,
}

/// What there is for a thread to do.
#[derive(Debug)]
pub(super) enum Work {
    /// A run of its own tier.
    Turn(Turn),
    /// One of the other tier.
    Help,
}

impl Tier {
    /// Adds a run to its owner's.
    pub(super) fn push(&self, turn: Turn) {
        let owner = Arc::clone(&turn.metadata().owner);
        let is_new = turn.metadata().cpu() < NEW_CPU_MAX;
        self.add(|ready| match is_new {
            true => ready.new.push(&owner, turn),
            false => ready.runs.push(&owner, turn),
        });
    }

    /// Adds a run before all others.
    pub(super) fn push_first(&self, turn: Turn) {
        self.add(|ready| ready.ending.push_back(turn));
    }

    /// Asks a thread to help the other tier, when it has nothing to do here.
    pub(super) fn ask(&self) {
        self.change(|ready| ready.is_asked = true);
    }

    fn add(&self, add: impl FnOnce(&mut Ready)) {
        self.change(|ready| {
            add(ready);
            self.waiting.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// Makes a change that is something to do for one thread.
    fn change(&self, change: impl FnOnce(&mut Ready)) {
        let mut ready = self.lock();
        change(&mut ready);
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

    /// The run whose turn it is, if any waits.
    pub(super) fn try_next(&self) -> Option<Turn> {
        let turn = self.lock().pop()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(turn)
    }

    /// The run whose turn it is, or that help is asked for, waited for. `None` once the tier is closed and empty.
    pub(super) fn next(&self) -> Option<Work> {
        let mut ready = self.lock();
        loop {
            if let Some(turn) = ready.pop() {
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                return Some(Work::Turn(turn));
            }
            if std::mem::take(&mut ready.is_asked) {
                return Some(Work::Help);
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
        let mut is_meant = |turn: &Turn| Arc::ptr_eq(turn.metadata(), meter);
        let mut ready = self.lock();
        let taken = ready.new.take(&meter.owner, &mut is_meant);
        let taken = taken.or_else(|| ready.runs.take(&meter.owner, &mut is_meant))?;
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

    /// Whether all its threads have something to do.
    pub(super) fn is_busy(&self) -> bool {
        self.lock().sleeping == 0
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    fn lock(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ready {
    fn pop(&mut self) -> Option<Turn> {
        if let Some(turn) = self.ending.pop_front() {
            return Some(turn);
        }
        self.given += 1;
        match self.given.is_multiple_of(OTHERS_EVERY) {
            true => self.runs.pop().or_else(|| self.new.pop()),
            false => self.new.pop().or_else(|| self.runs.pop()),
        }
    }
}
