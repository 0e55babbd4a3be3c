//! What a run's time goes to. The scheduler knows when a run can go on, the guest's future what its polls take: one
//! meter is shared by both.

use crate::scheduler::{Alarm, Scheduler};
use crate::usage::{Usage, micros};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
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
        })
    }

    /// The run can go on from now.
    pub(crate) fn mark_ready(&self) {
        let nanos = nanos(self.made_at.elapsed());
        self.ready_nanos.store(nanos, Ordering::Release);
    }

    fn ready_at(&self) -> Instant {
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

    /// Whether nothing of the guest is left to run, so that its turn must not be waited for: it was cancelled, its
    /// time is up, or it has come to its end.
    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
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

/// A guest's future under its deadline, measured: its output, unless the deadline came first, and what its polls
/// took.
///
/// A guest that spins is stopped by the epoch; one that is suspended or waits for its turn is woken by the clock
/// when its deadline has come, and not polled again.
pub(crate) struct Metered<'s, F> {
    guest: Pin<Box<F>>,
    meter: Arc<Meter>,
    scheduler: &'s Scheduler,
    started: Instant,
    deadline: Instant,
    alarm: Option<Alarm>,
    suspended_at: Option<Instant>,
    host: Duration,
}

impl<'s, F> Metered<'s, F> {
    pub(crate) fn new(
        guest: F,
        meter: Arc<Meter>,
        scheduler: &'s Scheduler,
        started: Instant,
        deadline: Instant,
    ) -> Self {
        Self {
            guest: Box::pin(guest),
            meter,
            scheduler,
            started,
            deadline,
            alarm: None,
            suspended_at: None,
            host: Duration::ZERO,
        }
    }

    fn spent(&self, now: Instant) -> Spent {
        let instantiated_at = self.meter.instantiated_at().unwrap_or(now);
        Spent {
            cpu: self.meter.cpu(),
            host: self.host,
            wall: now.duration_since(self.started),
            instantiate: instantiated_at.saturating_duration_since(self.started),
        }
    }
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = (Option<F::Output>, Spent);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(suspended_at) = this.suspended_at.take() {
            let ready_at = this.meter.ready_at();
            this.host += ready_at.saturating_duration_since(suspended_at);
            let now = Instant::now();
            if now >= this.deadline {
                return Poll::Ready((None, this.spent(now)));
            }
        }
        let cpu_before = thread_cpu();
        let polled = this.guest.as_mut().poll(cx);
        this.meter.add_cpu(thread_cpu().saturating_sub(cpu_before));
        let now = Instant::now();
        match polled {
            Poll::Ready(output) => Poll::Ready((Some(output), this.spent(now))),
            Poll::Pending => {
                this.suspended_at = Some(now);
                if this.alarm.is_none() {
                    let alarm = this.scheduler.alarm(this.deadline, &this.meter, cx.waker());
                    this.alarm = Some(alarm);
                }
                Poll::Pending
            }
        }
    }
}

/// CPU this thread has used.
fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.cast_unsigned(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
