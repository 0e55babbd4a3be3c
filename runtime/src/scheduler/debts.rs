//! Owners whose runs held a thread of the fresh tier for too long.
//!
//! A run yields once a tick, but not inside one instruction: filling 120 MB of memory takes 100 ms, and so can lifting and
//! encoding a large result. Runs that do this in their first turn, one after the other, would hold every thread of the
//! fresh tier. So their owner's next runs begin in the long tier, for a while.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// CPU of one turn that is nobody's loss. It is many ticks.
const TURN_CPU_MAX: Duration = Duration::from_millis(20);
/// A turn that took longer is paid for with so many times its length: such turns hold at most a hundredth of a thread.
const FACTOR: u32 = 100;
/// The longest debt.
const DEBT_MAX: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Debts {
    /// True if any owner may have a debt, to be read without the lock.
    are_any: AtomicBool,
    /// The end of each owner's debt.
    until: Mutex<HashMap<Arc<str>, Instant>>,
}

impl Debts {
    /// Counts a turn that took so much CPU in the fresh tier. Runs without an owner have no debts.
    pub(super) fn count(&self, owner: &Arc<str>, cpu: Duration, now: Instant) {
        if cpu < TURN_CPU_MAX || owner.is_empty() {
            return;
        }
        let mut until = self.lock();
        until.retain(|_, end| *end > now);
        let end = until.entry(Arc::clone(owner)).or_insert(now);
        *end = (*end + cpu * FACTOR).min(now + DEBT_MAX);
        self.are_any.store(true, Ordering::Relaxed);
    }

    /// True if the owner's runs begin in the long tier.
    pub(super) fn has(&self, owner: &str, now: impl FnOnce() -> Instant) -> bool {
        if !self.are_any.load(Ordering::Relaxed) {
            return false;
        }
        let mut until = self.lock();
        let Some(end) = until.get(owner) else {
            return false;
        };
        if *end > now() {
            return true;
        }
        until.remove(owner);
        self.are_any.store(!until.is_empty(), Ordering::Relaxed);
        false
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_turn_is_paid_for_by_its_owner_alone_and_not_for_ever() {
        let (debts, now) = (Debts::default(), Instant::now());
        let [noisy, quiet, nobody]: [Arc<str>; 3] = ["noisy", "quiet", ""].map(Arc::from);
        let ms = Duration::from_millis;
        debts.count(&quiet, ms(19), now);
        debts.count(&nobody, ms(500), now);
        assert!(!debts.has(&quiet, || now) && !debts.has(&nobody, || now));
        debts.count(&noisy, ms(20), now);
        assert!(debts.has(&noisy, || now + ms(1999)) && !debts.has(&quiet, || now));
        assert!(!debts.has(&noisy, || now + ms(2000)), "it is paid");
        for _ in 0..100 {
            debts.count(&noisy, ms(500), now);
        }
        assert!(debts.has(&noisy, || now + ms(29_999)));
        assert!(!debts.has(&noisy, || now + ms(30_000)));
        assert!(!debts.are_any.load(Ordering::Relaxed));
    }
}
