//! The one writer. It executes the queued commands in one transaction, commits it, then answers every waiter.
//!
//! A commit waits for the disk, which takes as long for one command as for hundreds. The writer does not wait for more
//! commands: the next ones gather while it commits.

mod batch;

use self::batch::Batch;
use crate::connections::breaker::Breaker;
use crate::connections::log::{All, Log, LogShares};
use crate::error::StoreError;
use crate::sql::{Connection, SqlError, sqlite};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::runtime::Handle;
use tokio::sync::mpsc::WeakSender;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

/// The most commands of one transaction.
const BATCH_COMMANDS_MAX: usize = 512;
/// The most queued commands. Further callers wait for room.
const QUEUED_COMMANDS_MAX: usize = 4096;

/// A change that the writer records together with others of its kind, because there are many of them: a run's end.
pub(crate) trait Batched: Send + 'static {
    /// The caller's answer.
    type Ended: Send;

    /// Records all of them. After `false` or an error, everything is undone.
    fn record_all(connection: &mut Connection, all: &mut [Self]) -> Result<bool, StoreError>
    where
        Self: Sized;

    /// The answer, once the transaction is committed or undone.
    fn ended(self, is_recorded: Result<bool, StoreError>) -> Self::Ended;

    /// The answer if the writer has ended.
    fn lost(error: StoreError) -> Self::Ended;
}

enum Command<B: Batched> {
    /// Some work. If it fails, it alone is undone.
    Work(Work),
    /// A change that is recorded together with others.
    Batched(B, oneshot::Sender<B::Ended>),
    /// Restarts the log while no list reads.
    StartOver(All),
}

/// Does some work. Returns `None` if it has failed and the caller has been told.
type Work = Box<dyn FnOnce(&mut Connection) -> Option<Answer> + Send>;
/// Tells the caller how the transaction ended.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Hands commands to the writer's thread.
#[derive(Debug)]
pub(crate) struct Writer<B: Batched> {
    queue: mpsc::Sender<Command<B>>,
    breaker: Arc<Breaker>,
    working: JoinHandle<()>,
}

impl<B: Batched> Writer<B> {
    /// Starts the thread. Call it within a tokio runtime.
    pub(crate) fn start(
        file: &Path,
        breaker: Arc<Breaker>,
        shares: Arc<LogShares>,
    ) -> Result<Self, SqlError> {
        let connection = sqlite::open(file)?;
        let (queue, commands) = mpsc::channel(QUEUED_COMMANDS_MAX);
        let thread = Thread {
            connection,
            commands,
            log: Log::of(file, shares),
            tokio: Handle::current(),
            again: queue.downgrade(),
            breaker: Arc::clone(&breaker),
        };
        let working = thread::Builder::new()
            .name("tollgate-writer".to_owned())
            .spawn(move || thread.work())
            .map_err(|error| SqlError::Failed(error.into()))?;
        Ok(Self {
            queue,
            breaker,
            working,
        })
    }

    /// Does `work` in a transaction. After `Ok`, it is committed and on the disk. Work that returns `Err` changes nothing.
    /// Queued work is done even if the future is dropped. An engine may repeat work whose transaction was undone.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write_then(work, |_| ()).await
    }

    /// [`write`](Self::write) that also runs while the breaker is open: the probe.
    pub(crate) async fn write_past_breaker<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.send(work, |_| ()).await
    }

    /// [`write`](Self::write), and then calls `follow` with the committed value, also if the caller has left. Calls follow in
    /// the order of the transactions and before any caller is answered.
    pub(crate) async fn write_then<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
        follow: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, StoreError> {
        self.breaker.check()?;
        self.send(work, follow).await
    }

    async fn send<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, StoreError> + Send + 'static,
        follow: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = oneshot::channel();
        let breaker = Arc::clone(&self.breaker);
        let work: Work = Box::new(move |connection| match work(connection) {
            Ok(value) => Some(Box::new(move |committed: Result<(), StoreError>| {
                let committed = committed.map(|()| value);
                if let Ok(value) = &committed {
                    follow(value);
                }
                let _ = sender.send(committed);
            }) as Answer),
            Err(error) => {
                breaker.note(&error);
                let _ = sender.send(Err(error));
                None
            }
        });
        let command = Command::Work(work);
        self.queue.send(command).await.map_err(|_| closed())?;
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Records a change, even if the caller has left.
    pub(crate) async fn record(&self, change: B) -> B::Ended {
        let (answer, receiver) = oneshot::channel();
        let command = Command::Batched(change, answer);
        if self.queue.send(command).await.is_err() {
            return B::lost(closed());
        }
        receiver.await.unwrap_or_else(|_| B::lost(closed()))
    }

    /// Does what is queued, and closes the database.
    pub(crate) async fn close(self) {
        drop(self.queue);
        // A panic was logged, and it has closed the database.
        let _ = spawn_blocking(|| self.working.join()).await;
    }
}

fn closed() -> StoreError {
    StoreError::Refusing("it is closed, or the command failed".to_owned())
}

/// The thread that owns the writing connection.
struct Thread<B: Batched> {
    connection: Connection,
    commands: mpsc::Receiver<Command<B>>,
    log: Log,
    tokio: Handle,
    again: WeakSender<Command<B>>,
    breaker: Arc<Breaker>,
}

impl<B: Batched> Thread<B> {
    fn work(mut self) {
        while let Some(mut batch) = Batch::next(&mut self.commands) {
            if let Some(all) = batch.take_shares() {
                self.log.start_over(all, &mut self.connection);
            }
            self.look();
            batch.execute(&mut self.connection, &self.breaker);
        }
    }

    /// Asks for all shares if the log is long. The answer is a command to restart it.
    fn look(&mut self) {
        let again = self.again.clone();
        self.log.look(&self.tokio, |all| async move {
            // The writer has ended and needs no shares.
            if let Some(queue) = again.upgrade() {
                let _ = queue.send(Command::StartOver(all)).await;
            }
        });
    }
}
