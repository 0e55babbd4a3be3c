//! Waiting for a future on a thread of its own, and what two such waits cost.

use crate::sample::Sample;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

/// Polls a future on this thread, which is parked meanwhile: the cheapest caller there is.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Seconds that waking another thread takes: half of a round trip between two that wait for each other, each on a
/// processor of its own. (On one they would never sleep, and hand a turn over ten times as fast.)
pub(crate) fn wake_up(calls: usize) -> anyhow::Result<f64> {
    let turn = Turn::default();
    let round_trips = thread::scope(|scope| {
        scope.spawn(|| {
            stay_on(0);
            while turn.pass(Whose::Theirs) {}
        });
        let ours = scope.spawn(|| {
            stay_on(1);
            let sample = Sample::take(calls, Duration::from_secs(10), || {
                turn.pass(Whose::Ours);
                Ok(())
            });
            turn.set(Whose::Nobodys);
            sample
        });
        ours.join()
            .unwrap_or_else(|_| anyhow::bail!("waking up panicked"))
    })?;
    Ok(round_trips.p50() / 2.0)
}

/// Keeps this thread on a processor, where there is such a one.
fn stay_on(processor: usize) {
    let mut processors = rustix::thread::CpuSet::new();
    processors.set(processor);
    let _ = rustix::thread::sched_setaffinity(None, &processors);
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Whose {
    #[default]
    Ours,
    Theirs,
    Nobodys,
}

#[derive(Default)]
struct Turn {
    whose: Mutex<Whose>,
    changed: Condvar,
}

impl Turn {
    fn set(&self, whose: Whose) {
        *self.whose.lock().unwrap_or_else(PoisonError::into_inner) = whose;
        self.changed.notify_all();
    }

    /// Ours: gives the turn away and waits for it to come back. Theirs: waits for the turn and gives it back.
    /// False when there will be no more turns.
    fn pass(&self, who: Whose) -> bool {
        let wait_for = |wanted| {
            let mut whose = self.whose.lock().unwrap_or_else(PoisonError::into_inner);
            while *whose != wanted && *whose != Whose::Nobodys {
                whose = self
                    .changed
                    .wait(whose)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            *whose != Whose::Nobodys
        };
        match who {
            Whose::Ours => {
                self.set(Whose::Theirs);
                wait_for(Whose::Ours)
            }
            _ => {
                let goes_on = wait_for(Whose::Theirs);
                if goes_on {
                    self.set(Whose::Ours);
                }
                goes_on
            }
        }
    }
}
