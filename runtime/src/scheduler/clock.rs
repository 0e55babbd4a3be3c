//! The thread that keeps time: it ticks the engine's epoch, which is how a guest that spins is made to yield, and ends
//! runs whose time is up while they wait. While nothing runs it sleeps until the next alarm.

use super::Core;
use super::meter::{Meter, nanos};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};
use wasmtime::Engine;

/// How long a guest runs before it must let another have a turn.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// The same while fresh runs wait for a turn: a crowd of spinning newcomers is through the sooner.
const SHORT_TICK: Duration = Duration::from_micros(250);
/// Ticks without a run after which the clock falls silent. Waking it costs the next run a few microseconds.
const QUIET_TICKS_MAX: u32 = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    made_at: Instant,
    /// Turns that began, and that ended.
    begun: AtomicU64,
    ended: AtomicU64,
    is_silent: AtomicBool,
    is_closed: AtomicBool,
    /// When the clock last ticked, or was last woken, in nanoseconds after `made_at`.
    seen_nanos: AtomicU64,
    alarms: Mutex<Alarms>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Alarms {
    set: BTreeMap<(Instant, u64), Ring>,
    count: u64,
}

/// Whom an alarm is for.
#[derive(Debug)]
struct Ring {
    meter: Arc<Meter>,
    waker: Waker,
}

/// A run's deadline. Dropped, it is taken back.
pub(crate) struct Alarm {
    core: Arc<Core>,
    key: (Instant, u64),
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            made_at: Instant::now(),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            is_silent: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            seen_nanos: AtomicU64::new(0),
            alarms: Mutex::default(),
            changed: Condvar::new(),
        }
    }
}

/// Keeps time until the clock is closed.
pub(super) fn keep(core: &Core, engine: &Engine) {
    let clock = &core.clock;
    let (mut quiet_ticks, mut begun, mut ticked_at) = (0, 0, Instant::now());
    while !clock.is_closed.load(Ordering::SeqCst) {
        while let Some(ring) = clock.due() {
            ring.meter.mark_ending();
            ring.waker.wake();
            core.hurry(&ring.meter);
        }
        let begun_before = std::mem::replace(&mut begun, clock.begun.load(Ordering::SeqCst));
        // While a run waits the clock goes on: the long tier's threads may stand back until it says that they need not.
        let waiting = core.fresh.waiting() + core.long.waiting();
        let is_quiet = begun == begun_before && !clock.is_busy() && waiting == 0;
        quiet_ticks = if is_quiet { quiet_ticks + 1 } else { 0 };
        if quiet_ticks > QUIET_TICKS_MAX {
            quiet_ticks = 0;
            clock.be_silent(begun);
            ticked_at = Instant::now();
            continue;
        }
        thread::sleep(match core.fresh.waiting() {
            0 => TICK,
            _ => SHORT_TICK,
        });
        engine.increment_epoch();
        clock.mark_seen();
        let now = Instant::now();
        core.share
            .settle(now - ticked_at, core.long.waiting(), core.fresh.is_busy());
        if core.share.is_owed() && core.long.waiting() > 0 {
            core.fresh.ask();
        }
        ticked_at = now;
    }
}

/// Sets an alarm for a run.
pub(super) fn alarm(core: &Arc<Core>, at: Instant, meter: &Arc<Meter>, waker: &Waker) -> Alarm {
    let mut alarms = core.clock.lock();
    alarms.count += 1;
    let key = (at, alarms.count);
    let (meter, waker) = (Arc::clone(meter), waker.clone());
    alarms.set.insert(key, Ring { meter, waker });
    Alarm {
        core: Arc::clone(core),
        key,
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let ring = self.core.clock.lock().set.remove(&self.key);
        // Outside of the lock: the waker may hold the last of the run.
        drop(ring);
    }
}

impl Clock {
    /// A run begins a turn.
    pub(super) fn begin(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
        if self.is_silent.load(Ordering::SeqCst) {
            self.mark_seen();
            let _alarms = self.lock();
            self.changed.notify_one();
        }
    }

    /// Its turn is over.
    pub(super) fn end(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn is_busy(&self) -> bool {
        self.ended.load(Ordering::SeqCst) != self.begun.load(Ordering::SeqCst)
    }

    /// See [`super::Scheduler::stalled_for`].
    pub(super) fn stalled_for(&self) -> Duration {
        let seen = Duration::from_nanos(self.seen_nanos.load(Ordering::Acquire));
        match self.is_busy() {
            true => self.made_at.elapsed().saturating_sub(seen),
            false => Duration::ZERO,
        }
    }

    #[cfg(test)]
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::SeqCst)
    }

    fn mark_seen(&self) {
        let nanos = nanos(self.made_at.elapsed());
        self.seen_nanos.store(nanos, Ordering::Release);
    }

    /// The next alarm whose time has come.
    fn due(&self) -> Option<Ring> {
        let mut alarms = self.lock();
        let next = alarms.set.first_entry()?;
        (next.key().0 <= Instant::now()).then(|| next.remove())
    }

    /// Sleeps until a run begins a turn, beyond the `begun` that did, or an alarm is due.
    fn be_silent(&self, begun: u64) {
        self.is_silent.store(true, Ordering::SeqCst);
        let mut alarms = self.lock();
        while self.begun.load(Ordering::SeqCst) == begun && !self.is_closed.load(Ordering::SeqCst) {
            let next = alarms.set.first_key_value().map(|((at, _), _)| *at);
            let left = next.map_or(Duration::MAX, |at| {
                at.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                break;
            }
            let slept = self.changed.wait_timeout(alarms, left);
            alarms = slept.unwrap_or_else(PoisonError::into_inner).0;
        }
        self.is_silent.store(false, Ordering::SeqCst);
        self.mark_seen();
    }

    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        let _alarms = self.lock();
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Alarms> {
        self.alarms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
