//! Runs a guest's future until its deadline and measures it.

use super::meter::{Meter, Spent};
use super::{Alarm, Scheduler};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

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
        self.meter.spent(self.host, self.started, now)
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
pub(super) fn thread_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.cast_unsigned(),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    )
}
