//! A queue for long CPU work on tools. A few threads serve the owners in turn, and each owner has one piece of work in
//! progress at a time.

use crate::digest::ToolDigest;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use tollgate_fair::Turns;

/// A queue with its threads. Dropping it ends the threads; jobs that still wait are discarded.
pub(crate) struct TurnQueue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    turns: Turns<Arc<str>, Job>,
    /// The work that has not begun, by its key.
    by_key: HashMap<ToolDigest, Arc<Work>>,
    busy: HashSet<Arc<str>>,
    is_closed: bool,
}

/// Work in one owner's turn. The same work may wait in several owners' turns; the first turn does it.
struct Job {
    owner: Arc<str>,
    work: Arc<Work>,
}

type Todo = Box<dyn FnOnce() + Send>;

struct Work {
    key: ToolDigest,
    /// `None` once it has begun.
    todo: Mutex<Option<Todo>>,
}

impl TurnQueue {
    /// Starts `threads` threads with that name.
    pub(crate) fn new(name: &str, threads: usize) -> std::io::Result<Self> {
        let queue = Self {
            shared: Arc::default(),
        };
        for _ in 0..threads {
            let shared = Arc::clone(&queue.shared);
            // The threads live as long as the queue: a compile child ends with the thread that started it.
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || shared.work())?;
        }
        Ok(queue)
    }

    /// Does work in the turn of the first of its owners. A key has one piece of work at a time. Work without an owner (`""`)
    /// may use every thread. Work whose caller has left is skipped. `None` if the work panicked or the queue was dropped.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        key: ToolDigest,
        owners: impl FnOnce() -> Vec<Arc<str>>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, ended) = oneshot::channel();
        let todo: Todo = Box::new(move || {
            if !done.is_closed() {
                let _ = done.send(work());
            }
        });
        let work = Arc::new(Work {
            key,
            todo: Mutex::new(Some(todo)),
        });
        self.shared.push(key, owners, work);
        ended.await.ok()
    }

    /// Lets work with that key, if it has not begun, also wait in this owner's turn.
    pub(crate) fn also(&self, key: ToolDigest, owner: &Arc<str>) {
        let mut waiting = self.shared.lock();
        let Some(work) = waiting.by_key.get(&key).cloned() else {
            return;
        };
        let job = Job {
            owner: Arc::clone(owner),
            work,
        };
        waiting.turns.push(owner, job);
        drop(waiting);
        self.shared.changed.notify_one();
    }
}

impl Drop for TurnQueue {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.is_closed = true;
        // Dropping the jobs wakes their callers.
        waiting.turns = Turns::default();
        waiting.by_key.clear();
        drop(waiting);
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, key: ToolDigest, owners: impl FnOnce() -> Vec<Arc<str>>, work: Arc<Work>) {
        let mut waiting = self.lock();
        // Under the lock: an owner that is not among them yet finds the work by its key.
        for owner in owners() {
            let job = Job {
                owner: Arc::clone(&owner),
                work: Arc::clone(&work),
            };
            waiting.turns.push(&owner, job);
        }
        waiting.by_key.insert(key, work);
        drop(waiting);
        self.changed.notify_all();
    }

    fn work(&self) {
        while let Some((owner, todo)) = self.next() {
            // The panic drops the job's channel, which wakes its caller. The thread serves others.
            let _ = catch_unwind(AssertUnwindSafe(todo));
            self.lock().busy.remove(&owner);
            self.changed.notify_all();
        }
    }

    /// Waits for the next work of an owner that has none in progress. `None` once the queue is closed.
    fn next(&self) -> Option<(Arc<str>, Todo)> {
        let mut waiting = self.lock();
        loop {
            let Waiting {
                turns,
                by_key,
                busy,
                is_closed,
            } = &mut *waiting;
            if *is_closed {
                return None;
            }
            let Some(Job { owner, work }) =
                turns.pop_fitting(|job: &Job| !busy.contains(&job.owner))
            else {
                let woken = self.changed.wait(waiting);
                waiting = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let todo = work
                .todo
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            // Another owner's turn came first.
            let Some(todo) = todo else { continue };
            by_key.remove(&work.key);
            if !owner.is_empty() {
                busy.insert(Arc::clone(&owner));
            }
            return Some((owner, todo));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;
    use tokio::task::JoinHandle;

    fn queue() -> Arc<TurnQueue> {
        Arc::new(TurnQueue::new("test", 2).expect("threads"))
    }

    fn asks<T: Send + 'static>(
        queue: &Arc<TurnQueue>,
        owner: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        static KEYS: AtomicUsize = AtomicUsize::new(0);
        let key = KEYS.fetch_add(1, Ordering::Relaxed).to_string();
        asks_for(queue, &key, owner, work)
    }

    fn key(text: &str) -> ToolDigest {
        ToolDigest::of(text.as_bytes())
    }

    fn asks_for<T: Send + 'static>(
        queue: &Arc<TurnQueue>,
        text: &str,
        owner: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<Option<T>> {
        let (queue, owner, key) = (Arc::clone(queue), Arc::from(owner), key(text));
        tokio::spawn(async move { queue.work(key, || vec![owner], work).await })
    }

    #[tokio::test]
    async fn an_owner_whose_work_does_not_end_leaves_a_thread_for_the_others() {
        let queue = queue();
        let (release, held) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        let endless = asks(&queue, "noisy", move || {
            begun.send(()).expect("the test");
            held.recv().is_err()
        });
        while begins.try_recv().is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let more: Vec<_> = (0..50).map(|_| asks(&queue, "noisy", || ())).collect();
        for number in 0..50 {
            let other = asks(&queue, "quiet", move || number).await;
            assert_eq!(other.expect("no panic"), Some(number));
        }
        assert!(!more.iter().any(JoinHandle::is_finished), "one at a time");
        drop(release);
        assert_eq!(endless.await.expect("no panic"), Some(true));
        for one in more {
            assert_eq!(one.await.expect("no panic"), Some(()));
        }
    }

    #[tokio::test]
    async fn what_is_nobodys_may_have_every_thread() {
        let queue = queue();
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let both: Vec<_> = (0..2)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                asks(&queue, "", move || barrier.wait().is_leader())
            })
            .collect();
        for one in both {
            assert!(one.await.expect("no panic").is_some());
        }
    }

    #[tokio::test]
    async fn a_panic_is_no_answer_and_costs_neither_the_thread_nor_the_turn() {
        let queue = queue();
        for _ in 0..4 {
            let panics = asks(&queue, "a", || panic!("on purpose"));
            assert_eq!(panics.await.expect("only its thread"), None);
        }
        let after = asks(&queue, "a", || 7);
        assert_eq!(after.await.expect("no panic"), Some(7));
    }

    #[tokio::test]
    async fn work_whose_caller_left_is_not_done() {
        let queue = Arc::new(TurnQueue::new("test", 1).expect("a thread"));
        let (release, held) = mpsc::channel::<()>();
        let first = asks(&queue, "a", move || held.recv().is_err());
        let done = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&done);
        let left = asks(&queue, "b", move || counted.fetch_add(1, Ordering::SeqCst));
        tokio::time::sleep(Duration::from_millis(20)).await;
        left.abort();
        assert!(left.await.is_err_and(|error| error.is_cancelled()));
        drop(release);
        assert_eq!(first.await.expect("no panic"), Some(true));
        assert_eq!(
            asks(&queue, "b", || 1).await.expect("no panic"),
            Some(1),
            "the turn goes on"
        );
        assert_eq!(done.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn work_that_another_owner_asks_for_too_is_done_in_the_first_turn() {
        let queue = queue();
        let (release, held) = mpsc::channel::<()>();
        let first = asks(&queue, "noisy", move || held.recv().is_err());
        let more: Vec<_> = (0..50).map(|_| asks(&queue, "noisy", || ())).collect();
        let shared = asks_for(&queue, "shared", "noisy", || 7);
        let is_queued = || queue.shared.lock().by_key.contains_key(&key("shared"));
        while !is_queued() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        queue.also(key("shared"), &Arc::from("quiet"));
        queue.also(key("unknown"), &Arc::from("quiet"));
        assert_eq!(shared.await.expect("no panic"), Some(7));
        assert!(!more.iter().any(JoinHandle::is_finished), "noisy waits");
        drop(release);
        assert_eq!(first.await.expect("no panic"), Some(true));
        for one in more {
            assert_eq!(one.await.expect("no panic"), Some(()));
        }
    }
}
