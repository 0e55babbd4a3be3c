//! The long tier's share of the machine. Its threads run where nothing else wants to; where the fresh tier, or another
//! program, wants all, they would hardly run at all. What the tier got is compared with what it is owed once a tick, and
//! while it is owed something the fresh tier's threads take every other turn from it. The tier's own threads stand back
//! meanwhile, and until the fresh tier has nothing to do: a run that one of them holds hardly goes on, and nobody else
//! can take it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// What the long tier is owed of each core, be it by one run that goes from core to core: a quarter is promised, and
/// counting is never exact.
const OWED_PERCENT: u32 = 30;
/// From so much on the tier is helped, until nothing is owed. Turns are counted when they end: less is noise.
const OWED_MIN: Duration = Duration::from_millis(5);
/// For so long the tier must want nothing before what it is owed is forgotten: between two threads a run is nowhere.
const UNWANTED_MAX: Duration = Duration::from_millis(5);
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
    stands_back: AtomicBool,
    account: Mutex<Account>,
}

#[derive(Debug, Default)]
struct Account {
    owed: Duration,
    unwanted_for: Duration,
    got_nanos: u64,
}

impl Share {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads,
            busy: AtomicUsize::new(0),
            got_nanos: AtomicU64::new(0),
            is_owed: AtomicBool::new(false),
            stands_back: AtomicBool::new(false),
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

    /// Whether the tier's own threads must leave its runs to the fresh tier.
    pub(super) fn stands_back(&self) -> bool {
        self.stands_back.load(Ordering::Relaxed)
    }

    /// Settles what has happened in the last `elapsed`, with `waiting` runs waiting in the long tier and the fresh one
    /// busy or not.
    pub(super) fn settle(&self, elapsed: Duration, waiting: usize, is_fresh_busy: bool) {
        let runs = waiting + self.busy.load(Ordering::Relaxed);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        // A run is in one place at once.
        let due_percent =
            (count(self.threads).saturating_mul(OWED_PERCENT)).min(count(runs).saturating_mul(100));
        let got_nanos = self.got_nanos.load(Ordering::Relaxed);
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.settle(elapsed, due_percent, got_nanos);
        let is_owed = match self.is_owed() {
            true => !account.owed.is_zero(),
            false => account.owed >= OWED_MIN,
        };
        self.is_owed.store(is_owed, Ordering::Relaxed);
        let stands_back = is_owed || (is_fresh_busy && self.stands_back());
        self.stands_back.store(stands_back, Ordering::Relaxed);
    }
}

impl Account {
    fn settle(&mut self, elapsed: Duration, due_percent: u32, got_nanos: u64) {
        let got = Duration::from_nanos(got_nanos - self.got_nanos);
        self.got_nanos = got_nanos;
        self.unwanted_for = match due_percent {
            0 => self.unwanted_for + elapsed,
            _ => Duration::ZERO,
        };
        if self.unwanted_for >= UNWANTED_MAX {
            self.owed = Duration::ZERO;
            return;
        }
        let due = elapsed * due_percent / 100;
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
        share.settle(8 * MS, 5, true);
        assert!(!share.is_owed(), "two threads, 0.3 of 8 ms each");
        share.settle(MS, 5, true);
        assert!(share.is_owed(), "0.3 of 9 ms each");
        got(&share, 2);
        share.settle(MS, 5, true);
        assert!(share.is_owed(), "not all of it yet");
        got(&share, 5);
        share.settle(MS, 5, true);
        assert!(!share.is_owed());
    }

    #[test]
    fn its_threads_stand_back_until_the_fresh_tier_rests() {
        let share = Share::new(1);
        share.settle(MS, 1, true);
        assert!(!share.stands_back(), "nothing is owed yet");
        share.settle(20 * MS, 1, false);
        assert!(share.is_owed() && share.stands_back());
        got(&share, 10);
        share.settle(MS, 1, true);
        assert!(!share.is_owed() && share.stands_back());
        share.settle(MS, 1, false);
        assert!(!share.stands_back());
    }

    #[test]
    fn one_run_is_owed_the_share_of_all_cores_up_to_one() {
        let due_after = |threads: usize, elapsed: u32| {
            let share = Share::new(threads);
            share.settle(elapsed * MS, 1, true);
            share.is_owed()
        };
        assert!(!due_after(2, 8) && due_after(2, 9), "0.6 of a core");
        assert!(!due_after(8, 4) && due_after(8, 5), "one core");
    }

    #[test]
    fn a_tier_that_wants_nothing_for_a_while_is_owed_nothing() {
        let share = Share::new(2);
        share.settle(100 * MS, 1, true);
        share.settle(4 * MS, 0, true);
        assert!(share.is_owed(), "a run may be between two threads");
        share.settle(MS, 0, true);
        assert!(!share.is_owed());
    }

    #[test]
    fn more_than_its_share_is_not_saved_up_and_less_is_bounded() {
        let share = Share::new(1);
        got(&share, 10_000);
        share.settle(MS, 1, true);
        share.settle(20 * MS, 1, true);
        assert!(share.is_owed(), "what it got before does not count");
        share.settle(1_000_000 * MS, 1, true);
        got(&share, 200);
        share.settle(Duration::ZERO, 1, true);
        assert!(!share.is_owed(), "never more than 200 ms");
    }
}
