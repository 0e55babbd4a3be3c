//! The threads guests run on, in two tiers, and who has the next turn.
//!
//! Guests do not run on the caller's threads: one that spins would wedge its timers and sockets. Every run starts in
//! the *fresh* tier, a thread a core. One that has used [`FRESH_CPU_MAX`] goes on in the *long* tier, a thread a core
//! that the kernel lets run hardly where anything else wants to: a run that is short is then hardly later than on an
//! idle machine, however many long ones there are. Where the machine is full without it, the fresh tier's threads help,
//! so that the long one keeps its share ([`share`]).
//!
//! An owner whose runs held a thread of the fresh tier for too long begins in the long one for a while ([`debts`]).
//!
//! Turns go by owner first, then by run. What has nothing of its guest left to do (cancelled, out of time, done) does
//! not wait for its turn: it is ended by the fresh tier at once.

mod callers;
mod clock;
mod debts;
mod meter;
mod metered;
mod share;
#[cfg(test)]
mod tests;
mod tier;
mod worker;

use clock::Clock;
pub(crate) use clock::{Alarm, TICK};
use debts::Debts;
pub(crate) use meter::{Meter, Spent, nanos};
pub(crate) use metered::Metered;
use share::Share;
use tier::Tier;

use async_task::{Builder, Runnable, Task};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use wasmtime::Engine;

/// CPU a run may use in the fresh tier. Most calls are done by then; one that is not is in no hurry.
const FRESH_CPU_MAX: Duration = Duration::from_millis(3);

/// A run that is able to go on.
type Turn = Runnable<Arc<Meter>>;

/// Runs futures on threads of its own.
#[derive(Debug)]
pub(crate) struct Scheduler {
    core: Arc<Core>,
    threads: Vec<JoinHandle<()>>,
}

/// The host panicked while it worked for a run. Only that run is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panicked;

/// What the scheduler's threads share.
#[derive(Debug)]
struct Core {
    fresh: Tier,
    long: Tier,
    share: Share,
    debts: Debts,
    clock: Clock,
}

impl Scheduler {
    /// Starts `threads` threads for each tier, in which `tokio`'s timers and sockets work, and one that ticks
    /// `engine`'s epoch.
    pub(crate) fn new(
        threads: usize,
        tokio: &tokio::runtime::Handle,
        engine: &Engine,
    ) -> std::io::Result<Self> {
        let core = Arc::new(Core {
            fresh: Tier::default(),
            long: Tier::default(),
            share: Share::new(threads),
            debts: Debts::default(),
            clock: Clock::default(),
        });
        let mut scheduler = Self {
            core,
            threads: Vec::new(),
        };
        for index in 0..threads {
            let (core, handle) = (Arc::clone(&scheduler.core), tokio.clone());
            scheduler.start(format!("tollgate-run-{index}"), move || {
                worker::work_fresh(&core, &handle);
            })?;
            let (core, handle) = (Arc::clone(&scheduler.core), tokio.clone());
            scheduler.start(format!("tollgate-long-{index}"), move || {
                worker::work_long(&core, &handle);
            })?;
        }
        let (core, engine) = (Arc::clone(&scheduler.core), engine.clone());
        scheduler.start("tollgate-tick".to_owned(), move || {
            clock::keep(&core, &engine)
        })?;
        Ok(scheduler)
    }

    fn start(&mut self, name: String, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let thread = thread::Builder::new().name(name).spawn(work)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Starts a run. Dropping the future cancels it: what it holds is dropped on one of the threads.
    pub(crate) fn spawn<F>(
        &self,
        run: F,
        meter: Arc<Meter>,
    ) -> impl Future<Output = Result<F::Output, Panicked>> + Send + 'static
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let core = Arc::clone(&self.core);
        let schedule = move |turn: Turn| core.push(turn);
        let (turn, task) = Builder::new()
            .metadata(meter)
            .spawn(|_| Contained(Box::pin(run)), schedule);
        turn.schedule();
        Cancelling {
            task: Some(task),
            core: Arc::clone(&self.core),
        }
    }

    /// Ends a run when its time is up, whatever it waits for. Dropping the alarm takes it back.
    pub(crate) fn alarm(&self, at: Instant, meter: &Arc<Meter>, waker: &std::task::Waker) -> Alarm {
        clock::alarm(&self.core, at, meter, waker)
    }

    /// How long ago the clock should have ticked; zero while it keeps time or nothing runs.
    pub(crate) fn stalled_for(&self) -> Duration {
        self.core.clock.stalled_for()
    }
}

/// From here on the run only cleans up, which a thread of the fresh tier does: the kernel may stop one of the long
/// tier at any point, also where it holds a lock that others need.
pub(crate) async fn end_in_fresh_tier(meter: &Meter) {
    if !meter.is_long() || meter.is_ending() {
        return;
    }
    meter.mark_ending();
    let mut has_moved = false;
    std::future::poll_fn(|cx| {
        if has_moved {
            return Poll::Ready(());
        }
        has_moved = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.core.fresh.close();
        self.core.long.close();
        self.core.clock.close();
        let this = thread::current().id();
        for handle in self.threads.drain(..) {
            if handle.thread().id() != this {
                let _ = handle.join();
            }
        }
    }
}

impl Core {
    /// Takes in a run that is able to go on.
    fn push(&self, turn: Turn) {
        let meter = turn.metadata();
        meter.mark_ready();
        if meter.is_ending() {
            self.fresh.push_first(turn);
        } else if meter.cpu() < FRESH_CPU_MAX && !self.debts.has(&meter.owner, Instant::now) {
            self.fresh.push(turn);
        } else {
            meter.mark_long();
            self.long.push(turn);
        }
    }

    /// Lets a run that waits for its turn have it now, to be ended.
    fn hurry(&self, meter: &Arc<Meter>) {
        let waiting = self.fresh.take(meter).or_else(|| self.long.take(meter));
        if let Some(turn) = waiting {
            self.fresh.push_first(turn);
        }
    }
}

/// A run somebody waits for. Dropped before its end, it cancels the run.
struct Cancelling<T> {
    task: Option<Task<T, Arc<Meter>>>,
    core: Arc<Core>,
}

impl<T> Future for Cancelling<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Some(task) = &mut self.task else {
            return Poll::Pending;
        };
        let ended = match task.is_finished() {
            true => Pin::new(task).poll(cx),
            false => Pin::new(task).poll(&mut Context::from_waker(&callers::waker(cx))),
        };
        let ended = std::task::ready!(ended);
        self.task = None;
        Poll::Ready(ended)
    }
}

impl<T> Drop for Cancelling<T> {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            let meter = Arc::clone(task.metadata());
            meter.mark_ending();
            drop(task);
            self.core.hurry(&meter);
        }
    }
}

/// A future whose panic is a value.
struct Contained<F>(Pin<Box<F>>);

impl<F: Future> Future for Contained<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match std::panic::catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}
