//! The threads guests run on. They are not the caller's: a guest that spins would wedge its timers and sockets.
//!
//! A guest that used up its tick yields and goes to the end of the queue. This file is the one seam for a fairer
//! order: it sees every run that becomes ready, with its owner, and decides which goes on.

use crate::usage::ReadySince;
use async_task::{Runnable, Task};
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};

/// Runs futures on threads of its own.
#[derive(Debug)]
pub(crate) struct Scheduler {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

/// The host panicked while it worked for a run. Only that run is ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panicked;

#[derive(Debug, Default)]
struct Queue {
    ready: Mutex<Ready>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Ready {
    runs: VecDeque<Runnable>,
    is_closed: bool,
}

impl Scheduler {
    /// Starts `threads` threads, in which `tokio`'s timers and sockets work.
    pub(crate) fn new(threads: usize, tokio: &tokio::runtime::Handle) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let start = |index| {
            let (queue, tokio) = (Arc::clone(&queue), tokio.clone());
            thread::Builder::new()
                .name(format!("tollgate-run-{index}"))
                .spawn(move || queue.work(&tokio))
        };
        let threads = (0..threads).map(start).collect::<Result<_, _>>()?;
        Ok(Self { queue, threads })
    }

    /// Starts a run. Dropping the task cancels it: its future is dropped on one of the threads.
    pub(crate) fn spawn<F>(
        &self,
        run: F,
        ready_since: Arc<ReadySince>,
    ) -> Task<Result<F::Output, Panicked>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let queue = Arc::clone(&self.queue);
        let schedule = move |runnable| {
            ready_since.mark();
            queue.push(runnable);
        };
        let (runnable, task) = async_task::spawn(Contained(Box::pin(run)), schedule);
        runnable.schedule();
        task
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.changed.notify_all();
        let this = thread::current().id();
        for handle in self.threads.drain(..) {
            if handle.thread().id() != this {
                let _ = handle.join();
            }
        }
    }
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, Ready> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, run: Runnable) {
        self.lock().runs.push_back(run);
        self.changed.notify_one();
    }

    fn work(&self, tokio: &tokio::runtime::Handle) {
        let _context = tokio.enter();
        while let Some(run) = self.next() {
            // A panic while a cancelled run is dropped must not take the thread with it.
            let _ = std::panic::catch_unwind(AssertUnwindSafe(|| run.run()));
        }
    }

    fn next(&self) -> Option<Runnable> {
        let mut ready = self.lock();
        loop {
            if let Some(run) = ready.runs.pop_front() {
                return Some(run);
            }
            if ready.is_closed {
                return None;
            }
            ready = self
                .changed
                .wait(ready)
                .unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn runs_share_the_threads_and_a_panic_ends_only_its_own() {
        let scheduler = Scheduler::new(1, &tokio::runtime::Handle::current()).expect("threads");
        let endless = scheduler.spawn(
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }),
            ReadySince::new(),
        );
        let panics = scheduler.spawn(async { panic!("the host's own fault") }, ReadySince::new());
        let works = scheduler.spawn(async { 7 }, ReadySince::new());
        let panicked: Result<(), _> = panics.await;
        assert!(panicked.is_err());
        assert_eq!(works.await.ok(), Some(7));
        assert!(endless.cancel().await.is_none());
    }
}
