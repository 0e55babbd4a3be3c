//! What a run used, and the clock that measures it.

use serde::Serialize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What a run used. Times in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Waiting for a place.
    pub queue_us: u64,
    /// Making the guest's surroundings.
    pub load_us: u64,
    /// From the guest's start to its end; `cpu_us`, `host_us` and `ready_us` are its parts.
    pub wall_us: u64,
    /// Thread CPU inside the guest's polls.
    pub cpu_us: u64,
    /// Suspended in host calls.
    pub host_us: u64,
    /// The rest: able to run, waiting for a turn.
    pub ready_us: u64,
    /// Most bytes of linear memory at once.
    pub memory_peak_bytes: u64,
    /// Outgoing requests.
    pub egress_requests: u64,
    /// Bytes received.
    pub egress_bytes_in: u64,
    /// Bytes sent.
    pub egress_bytes_out: u64,
    /// Bytes written to logs, cut ones included.
    pub log_bytes: u64,
    /// Bytes written to `/scratch`.
    pub scratch_bytes: u64,
}

/// When a run was last made ready, written by the scheduler and read by the meter.
#[derive(Debug)]
pub(crate) struct ReadySince {
    origin: Instant,
    nanos: AtomicU64,
}

impl ReadySince {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            nanos: AtomicU64::new(0),
        })
    }

    /// The run can go on from now.
    pub(crate) fn mark(&self) {
        let nanos = u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.nanos.store(nanos, Ordering::Release);
    }

    fn get(&self) -> Instant {
        self.origin + Duration::from_nanos(self.nanos.load(Ordering::Acquire))
    }
}

/// The parts of a guest's time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) cpu: Duration,
    pub(crate) host: Duration,
    pub(crate) wall: Duration,
}

impl Spent {
    pub(crate) fn write(&self, usage: &mut Usage) {
        usage.wall_us = micros(self.wall);
        usage.cpu_us = micros(self.cpu).min(usage.wall_us);
        usage.host_us = micros(self.host).min(usage.wall_us - usage.cpu_us);
        usage.ready_us = usage.wall_us - usage.cpu_us - usage.host_us;
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A guest's future, measured: its output and what its polls took.
pub(crate) struct Metered<F> {
    guest: Pin<Box<F>>,
    ready_since: Arc<ReadySince>,
    started: Instant,
    suspended_at: Option<Instant>,
    spent: Spent,
}

impl<F> Metered<F> {
    pub(crate) fn new(guest: F, ready_since: Arc<ReadySince>) -> Self {
        let started = Instant::now();
        Self {
            guest: Box::pin(guest),
            ready_since,
            started,
            suspended_at: None,
            spent: Spent::default(),
        }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = (F::Output, Spent);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(suspended_at) = this.suspended_at.take() {
            this.spent.host += this
                .ready_since
                .get()
                .saturating_duration_since(suspended_at);
        }
        let cpu_before = thread_cpu();
        let polled = this.guest.as_mut().poll(cx);
        this.spent.cpu += thread_cpu().saturating_sub(cpu_before);
        let now = Instant::now();
        match polled {
            Poll::Ready(output) => {
                this.spent.wall = now.duration_since(this.started);
                Poll::Ready((output, this.spent))
            }
            Poll::Pending => {
                this.suspended_at = Some(now);
                Poll::Pending
            }
        }
    }
}

fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.cast_unsigned(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}
