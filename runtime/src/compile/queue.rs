//! What waits to be compiled: two at once, owners in turns, one of each owner's at a time.

use super::{CompileFailure, Compiler, host};
use crate::checks::Kind;
use crate::turns::Turns;
use bytes::Bytes;
use std::collections::HashSet;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use wasmtime::Engine;

/// Compilations at once. An owner has one of them at most, so that nobody waits for another's second; what is
/// nobody's (`""`) may have all, where there is nobody else.
const AT_ONCE: usize = 2;

/// What is to be compiled.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) kind: Kind,
    pub(crate) wasm: Bytes,
}

/// The queue with its threads, which end with it.
pub(crate) struct CompileQueue {
    shared: Arc<Shared>,
}

struct Shared {
    compiler: Compiler,
    engine: Engine,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    turns: Turns<Job>,
    busy: HashSet<Arc<str>>,
    is_closed: bool,
}

struct Job {
    owner: Arc<str>,
    order: Order,
    done: oneshot::Sender<Result<File, CompileFailure>>,
}

impl CompileQueue {
    pub(crate) fn new(compiler: Compiler, engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            compiler,
            engine,
            waiting: Mutex::default(),
            changed: Condvar::new(),
        });
        let queue = Self { shared };
        for _ in 0..AT_ONCE {
            let shared = Arc::clone(&queue.shared);
            // Threads of our own, which stay: a child ends with the thread that started it.
            std::thread::Builder::new()
                .name("tollgate-compile".to_owned())
                .spawn(move || shared.work())?;
        }
        Ok(queue)
    }

    /// Native code of a tool, in a file of its own, when its owner's turn has come.
    pub(crate) async fn compile(
        &self,
        owner: &Arc<str>,
        order: Order,
    ) -> Result<File, CompileFailure> {
        let (done, ended) = oneshot::channel();
        let job = Job {
            owner: Arc::clone(owner),
            order,
            done,
        };
        self.shared.lock().turns.push(owner, job);
        self.shared.changed.notify_one();
        let gone = |_| CompileFailure::CouldNotRun("the runtime is closing".to_owned());
        ended.await.map_err(gone).flatten()
    }
}

impl Drop for CompileQueue {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            if !job.done.is_closed() {
                let _ = job.done.send(self.compile(&job.order));
            }
            self.lock().busy.remove(&job.owner);
            self.changed.notify_all();
        }
    }

    fn compile(&self, order: &Order) -> Result<File, CompileFailure> {
        match &self.compiler {
            Compiler::InProcess => host::in_process(&self.engine, order),
            Compiler::Child(child) => host::in_child(child, &self.engine, order),
        }
    }

    /// The next job of an owner that has none under way; nothing once the queue is closed.
    fn next(&self) -> Option<Job> {
        let mut waiting = self.lock();
        loop {
            let Waiting {
                turns,
                busy,
                is_closed,
            } = &mut *waiting;
            if *is_closed {
                return None;
            }
            if let Some(job) = turns.pop_fitting(|job: &Job| !busy.contains(&job.owner)) {
                if !job.owner.is_empty() {
                    busy.insert(Arc::clone(&job.owner));
                }
                return Some(job);
            }
            let woken = self.changed.wait(waiting);
            waiting = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}
