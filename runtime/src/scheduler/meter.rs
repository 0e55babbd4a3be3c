//! What a run's time goes to. The scheduler knows when a run can go on, the guest's future what its polls take: one
//! meter is shared by both.

use crate::usage::{Usage, micros};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One run's clock and place among the others.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Whom its turns are shared by.
    pub(crate) owner: Arc<str>,
    made_at: Instant,
    /// When it was last made ready, in nanoseconds after `made_at`.
    ready_nanos: AtomicU64,
    cpu_nanos: AtomicU64,
    /// When there was an instance, in nanoseconds after `made_at`; 0 before.
    instantiated_nanos: AtomicU64,
    is_ending: AtomicBool,
    is_long: AtomicBool,
}

impl Meter {
    pub(crate) fn new(owner: Arc<str>) -> Arc<Self> {
        Arc::new(Self {
            owner,
            made_at: Instant::now(),
            ready_nanos: AtomicU64::new(0),
            cpu_nanos: AtomicU64::new(0),
            instantiated_nanos: AtomicU64::new(0),
            is_ending: AtomicBool::new(false),
            is_long: AtomicBool::new(false),
        })
    }

    /// The run can go on from now.
    pub(crate) fn mark_ready(&self) {
        let nanos = nanos(self.made_at.elapsed());
        self.ready_nanos.store(nanos, Ordering::Release);
    }

    pub(super) fn ready_at(&self) -> Instant {
        self.made_at + Duration::from_nanos(self.ready_nanos.load(Ordering::Acquire))
    }

    /// Thread CPU inside the guest's polls so far.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_nanos.load(Ordering::Acquire))
    }

    pub(crate) fn add_cpu(&self, cpu: Duration) {
        self.cpu_nanos.fetch_add(nanos(cpu), Ordering::AcqRel);
    }

    /// There is an instance of the program from now.
    pub(crate) fn mark_instantiated(&self) {
        let nanos = nanos(self.made_at.elapsed()).max(1);
        self.instantiated_nanos.store(nanos, Ordering::Release);
    }

    fn instantiated_at(&self) -> Option<Instant> {
        let nanos = self.instantiated_nanos.load(Ordering::Acquire);
        (nanos > 0).then(|| self.made_at + Duration::from_nanos(nanos))
    }

    /// The parts of a guest's time from `started` to `now`, `host` of it suspended in host calls.
    pub(super) fn spent(&self, host: Duration, started: Instant, now: Instant) -> Spent {
        let instantiated_at = self.instantiated_at().unwrap_or(now);
        Spent {
            cpu: self.cpu(),
            host,
            wall: now.duration_since(started),
            instantiate: instantiated_at.saturating_duration_since(started),
        }
    }

    /// Whether nothing of the guest is left to run, so that its turn must not be waited for: it was cancelled, its
    /// time is up, or it has come to its end.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// True once the run was in the long tier.
    pub(super) fn is_long(&self) -> bool {
        self.is_long.load(Ordering::Acquire)
    }

    pub(super) fn mark_long(&self) {
        self.is_long.store(true, Ordering::Release);
    }

    /// See [`Meter::is_ending`].
    pub(crate) fn mark_ending(&self) {
        self.is_ending.store(true, Ordering::Release);
    }
}

/// The parts of a guest's time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    pub(crate) host: Duration,
    pub(crate) wall: Duration,
    instantiate: Duration,
}

impl Spent {
    pub(crate) fn write(&self, usage: &mut Usage) {
        usage.wall_us = micros(self.wall);
        usage.instantiate_us = micros(self.instantiate).min(usage.wall_us);
        usage.cpu_us = micros(self.cpu).min(usage.wall_us);
        usage.host_us = micros(self.host).min(usage.wall_us - usage.cpu_us);
        usage.ready_us = usage.wall_us - usage.cpu_us - usage.host_us;
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
