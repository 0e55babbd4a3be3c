//! The long tier's share of the machine. Its threads run where nothing else wants to; where the fresh tier, or another
//! program, wants all, they would hardly run at all. What the tier got is compared with what it is owed once a tick, and
//! while it is owed something the fresh tier's threads take every other turn from it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What the long tier is owed of each core: a quarter is promised, and counting is never exact.
const OWED_PERCENT: u32 = 30;
/// From so much on something is owed. Turns are counted when they end: less is noise.
const OWED_MIN: Duration = Duration::from_millis(5);
/// No more is owed: what was missed longer ago than that is lost.
const OWED_MAX: Duration = Duration::from_millis(200);

/// See the module.
#[derive(Debug)]
pub(super) struct Share {
    threads: usize,
    /// Threads that have a run of the tier.
    busy: AtomicUsize,
    /// CPU its runs got, in nanoseconds.
    got_nanos: AtomicU64,
    is_owed: AtomicBool,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    owed: Duration,
    got_nanos: u64,
}

impl Share {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads,
            busy: AtomicUsize::new(0),
            got_nanos: AtomicU64::new(0),
            is_owed: AtomicBool::new(false),
            account: Mutex::default(),
        }
    }

    /// A thread begins with a run of the tier.
    pub(super) fn begin(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
    }

    /// It lets go of the run, for which it used so much CPU.
    pub(super) fn end(&self, nanos: u64) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
        self.got_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Whether the fresh tier must help.
    pub(super) fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::Relaxed)
    }

    /// Settles what has happened in the last `elapsed`, with `waiting` runs waiting in the long tier.
    pub(super) fn settle(&self, elapsed: Duration, waiting: usize) {
        let wanted = (waiting + self.busy.load(Ordering::Relaxed)).min(self.threads);
        let got_nanos = self.got_nanos.load(Ordering::Relaxed);
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.settle(
            elapsed,
            u32::try_from(wanted).unwrap_or(u32::MAX),
            got_nanos,
        );
        let is_owed = account.owed >= OWED_MIN;
        self.is_owed.store(is_owed, Ordering::Relaxed);
    }
}

impl Account {
    fn settle(&mut self, elapsed: Duration, wanted: u32, got_nanos: u64) {
        let got = Duration::from_nanos(got_nanos - self.got_nanos);
        self.got_nanos = got_nanos;
        if wanted == 0 {
            self.owed = Duration::ZERO;
            return;
        }
        let due = elapsed * wanted * OWED_PERCENT / 100;
        // What it got beyond its share is not saved up: the share holds in every second.
        self.owed = (self.owed + due).saturating_sub(got).min(OWED_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn got(share: &Share, milliseconds: u64) {
        share.begin();
        share.end(milliseconds * 1_000_000);
    }

    #[test]
    fn a_tier_that_gets_nothing_is_owed_until_it_has_its_share() {
        let share = Share::new(2);
        share.settle(8 * MS, 5);
        assert!(!share.is_owed(), "two threads, 0.3 of 8 ms each");
        share.settle(MS, 5);
        assert!(share.is_owed(), "0.3 of 9 ms each");
        got(&share, 2);
        share.settle(MS, 5);
        assert!(!share.is_owed());
    }

    #[test]
    fn a_tier_that_wants_nothing_is_owed_nothing() {
        let share = Share::new(2);
        share.settle(100 * MS, 1);
        assert!(share.is_owed());
        share.settle(MS, 0);
        assert!(!share.is_owed());
    }

    #[test]
    fn more_than_its_share_is_not_saved_up_and_less_is_bounded() {
        let share = Share::new(1);
        got(&share, 10_000);
        share.settle(MS, 1);
        share.settle(20 * MS, 1);
        assert!(share.is_owed(), "what it got before does not count");
        share.settle(1_000_000 * MS, 1);
        got(&share, 200);
        share.settle(Duration::ZERO, 1);
        assert!(!share.is_owed(), "never more than 200 ms");
    }
}
