//! The one writer: what is queued goes into one transaction, and everybody is answered once that is on the disk.
//!
//! A flush costs the same for one command as for hundreds, so nothing is waited for: while one transaction is being
//! flushed the next one's commands gather.

use crate::breaker::Breaker;
use crate::directly::Direct;
use crate::error::StoreError;
use crate::log::{All, Log, Shares};
use crate::settlement::{NotSettled, Settled, Settling, record_all};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection as _, Executor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::{mem, slice};
use tokio::runtime::Handle;
use tokio::sync::mpsc::WeakSender;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

/// Commands of one transaction.
const BATCH_COMMANDS_MAX: usize = 512;
/// Commands that may wait. More wait outside.
const QUEUED_COMMANDS_MAX: usize = 4096;

/// The connection inside the writer's transaction.
pub(crate) type Transaction = SqliteConnection;

enum Command {
    /// Some work, undone alone where it fails.
    Work(Work),
    /// A run's end. Those of a transaction are written together: they are what there is most of.
    Settle(Settling, oneshot::Sender<Result<Settled, NotSettled>>),
    /// Restarts the log while no list reads.
    StartOver(All),
}

type Work = Box<dyn for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Option<Answer>> + Send>;
/// Tells whoever asked how the transaction ended.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Hands commands to the writer.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Command>,
    breaker: Arc<Breaker>,
    working: JoinHandle<()>,
}

impl Writer {
    pub(crate) async fn start(
        options: sqlx::sqlite::SqliteConnectOptions,
        breaker: Arc<Breaker>,
        shares: Arc<Shares>,
    ) -> Result<Self, sqlx::Error> {
        let mut connection = options.connect().await?;
        let direct = Direct::of(&mut connection).await?;
        let (queue, commands) = mpsc::channel(QUEUED_COMMANDS_MAX);
        let (tokio, noted) = (Handle::current(), Arc::clone(&breaker));
        let log = Log::of(options.get_filename(), shares);
        let again = queue.downgrade();
        // SQLite waits for the disk on the thread that calls it.
        let working = thread::Builder::new()
            .name("tollgate-writer".to_owned())
            .spawn(move || tokio.block_on(work(connection, direct, commands, (log, again), &noted)))
            .map_err(sqlx::Error::Io)?;
        Ok(Self {
            queue,
            breaker,
            working,
        })
    }

    /// Does `work` in a transaction. It is done, and on the disk, where this is `Ok`; work that is `Err` leaves
    /// nothing. Dropping the future does not undo work that was queued.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, StoreError>>
            + Send
            + 'static,
    {
        self.write_then(work, |_| ()).await
    }

    /// [`write`](Self::write) that also runs while the breaker is open: the probe.
    pub(crate) async fn write_past_breaker<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, StoreError>>
            + Send
            + 'static,
    {
        self.send(work, |_| ()).await
    }

    /// [`write`](Self::write), and then calls `follow` with the committed value, also if the caller has left. Calls follow in
    /// the order of the transactions and before any caller is answered.
    pub(crate) async fn write_then<T, F, A>(&self, work: F, follow: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, StoreError>>
            + Send
            + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        self.breaker.check()?;
        self.send(work, follow).await
    }

    async fn send<T, F, A>(&self, work: F, follow: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, StoreError>>
            + Send
            + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let breaker = Arc::clone(&self.breaker);
        let work: Work = Box::new(move |transaction| {
            Box::pin(async move {
                match work(transaction).await {
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
                }
            })
        });
        let command = Command::Work(work);
        self.queue.send(command).await.map_err(|_| closed())?;
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Settles a run, and then what was held for it, whoever still waits.
    pub(crate) async fn settle(&self, settling: Settling) -> Result<Settled, NotSettled> {
        let (answer, receiver) = oneshot::channel();
        let command = Command::Settle(settling, answer);
        let lost = || NotSettled {
            error: closed(),
            settlement: None,
        };
        self.queue.send(command).await.map_err(|_| lost())?;
        receiver.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Does what is queued, and closes the database.
    pub(crate) async fn close(self) {
        drop(self.queue);
        // A panic was logged; whatever it was, nothing is written any more.
        let _ = spawn_blocking(|| self.working.join()).await;
    }
}

fn closed() -> StoreError {
    StoreError::Refusing("it is closed, or the command failed".to_owned())
}

async fn work(
    mut connection: SqliteConnection,
    direct: Direct,
    mut commands: mpsc::Receiver<Command>,
    (mut log, again): (Log, WeakSender<Command>),
    breaker: &Breaker,
) {
    let tokio = Handle::current();
    let look = |log: &mut Log| {
        let again = again.clone();
        log.look(&tokio, |all| async move {
            // The writer has ended and needs no shares.
            if let Some(queue) = again.upgrade() {
                let _ = queue.send(Command::StartOver(all)).await;
            }
        });
    };
    let mut next = Batch::next(&mut commands).await;
    while let Some(mut batch) = next {
        if let Some(all) = batch.all.take()
            && let Ok(locked) = connection.lock_handle().await
        {
            log.start_over(all, direct.on(&locked));
        }
        look(&mut log);
        next = if batch.work.is_empty() {
            let mut look = || look(&mut log);
            settle_on(
                &mut connection,
                &direct,
                &mut commands,
                &mut look,
                batch,
                breaker,
            )
            .await
        } else {
            do_all(&mut connection, &direct, batch, breaker).await;
            Batch::next(&mut commands).await
        };
    }
    // Where nothing is locked, there is no thread any more that could be at it, too.
    let locked = connection.lock_handle().await;
    drop(direct);
    drop(locked);
    if let Err(error) = connection.close().await {
        tracing::error!(%error, "the database was not closed well");
    }
}

/// The commands of a transaction.
#[derive(Default)]
struct Batch {
    work: Vec<Work>,
    settling: Vec<Settling>,
    /// Who waits for each of those.
    waiting: Vec<oneshot::Sender<Result<Settled, NotSettled>>>,
    /// All shares in the log. The writer restarts the log before it does anything else.
    all: Option<All>,
}

/// Of each settlement, whether it was recorded.
type Recorded = Vec<Result<bool, StoreError>>;

impl Batch {
    /// What was queued meanwhile, or comes next; `None` once nothing does.
    async fn next(commands: &mut mpsc::Receiver<Command>) -> Option<Self> {
        let mut queued = Vec::with_capacity(BATCH_COMMANDS_MAX);
        if commands.recv_many(&mut queued, BATCH_COMMANDS_MAX).await == 0 {
            return None;
        }
        let mut batch = Self::default();
        for command in queued {
            match command {
                Command::Work(one) => batch.work.push(one),
                Command::Settle(one, answer) => {
                    batch.settling.push(one);
                    batch.waiting.push(answer);
                }
                Command::StartOver(all) => batch.all = Some(all),
            }
        }
        Some(batch)
    }

    /// Tells those whose runs were to be settled how the transaction ended.
    fn tell(self, ended: Result<Recorded, StoreError>, breaker: &Breaker) {
        let recorded: Recorded = match ended {
            Ok(recorded) => {
                let errors = recorded.iter().filter_map(|it| it.as_ref().err());
                errors.for_each(|error| breaker.note(error));
                recorded
            }
            Err(error) => {
                tracing::error!(%error, "a transaction could not be committed");
                breaker.note(&error);
                let refused = |_| Err(refused(&error));
                self.settling.iter().map(refused).collect()
            }
        };
        for ((one, recorded), waiting) in self.settling.into_iter().zip(recorded).zip(self.waiting)
        {
            // The hold is settled here, whoever still waits.
            let _ = waiting.send(one.ended(recorded));
        }
    }
}

/// The same error for each of many.
fn refused(error: &StoreError) -> StoreError {
    match error {
        StoreError::Refusing(why) => StoreError::Refusing(why.clone()),
        other => StoreError::Refusing(other.to_string()),
    }
}

/// Settles runs, transaction after transaction, until other work comes, which is the next batch. `sqlx`'s thread is asked
/// for the connection once for all of them.
async fn settle_on(
    connection: &mut SqliteConnection,
    direct: &Direct,
    commands: &mut mpsc::Receiver<Command>,
    look: &mut impl FnMut(),
    mut batch: Batch,
    breaker: &Breaker,
) -> Option<Batch> {
    let locked = match connection.lock_handle().await {
        Ok(locked) => locked,
        Err(error) => {
            batch.tell(Err(error.into()), breaker);
            return Batch::next(commands).await;
        }
    };
    while batch.work.is_empty() && batch.all.is_none() {
        let ended = settle_alone(direct.on(&locked), &mut batch.settling);
        batch.tell(ended, breaker);
        look();
        batch = Batch::next(commands).await?;
    }
    Some(batch)
}

fn settle_alone(
    connection: &Connection,
    settling: &mut [Settling],
) -> Result<Recorded, StoreError> {
    let ended = try_settle_alone(connection, settling);
    if ended.is_err() {
        // What is open is undone; where nothing is open this is refused, which is as well.
        let _ = connection.execute_batch("ROLLBACK");
    }
    ended
}

/// In a transaction of their own, which is undone itself where not all can be recorded together: SQLite copies each page
/// that it changes after a savepoint.
fn try_settle_alone(
    connection: &Connection,
    settling: &mut [Settling],
) -> Result<Recorded, StoreError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let recorded = match record(connection, settling) {
        Ok(true) => settling.iter().map(|_| Ok(true)).collect(),
        _ => {
            // Some errors have undone it already.
            let _ = connection.execute_batch("ROLLBACK");
            connection.execute_batch("BEGIN IMMEDIATE")?;
            one_by_one(connection, settling)?
        }
    };
    connection.execute_batch("COMMIT")?;
    Ok(recorded)
}

/// Does work, and settles runs, in one transaction.
async fn do_all(
    connection: &mut SqliteConnection,
    direct: &Direct,
    mut batch: Batch,
    breaker: &Breaker,
) {
    let (work, mut answers) = (mem::take(&mut batch.work), Vec::new());
    let ended = transaction(connection, direct, work, &mut answers, &mut batch.settling).await;
    if ended.is_err() {
        let _ = connection.execute("ROLLBACK").await;
    }
    if let Err(error) = &ended {
        breaker.note(error);
    }
    for answer in answers {
        answer(ended.as_ref().map(|_| ()).map_err(refused));
    }
    batch.tell(ended, breaker);
}

/// What is told to those who asked for some work, once it is committed, goes to `answers`.
async fn transaction(
    connection: &mut SqliteConnection,
    direct: &Direct,
    work: Vec<Work>,
    answers: &mut Vec<Answer>,
    settling: &mut [Settling],
) -> Result<Recorded, StoreError> {
    connection.execute("BEGIN IMMEDIATE").await?;
    for one in work {
        connection.execute("SAVEPOINT command").await?;
        // A panic is that command's own: whoever asked learns that it failed, the others go on.
        let done = AssertUnwindSafe(one(connection)).catch_unwind().await;
        match done.ok().flatten() {
            Some(answer) => answers.push(answer),
            None => {
                connection.execute("ROLLBACK TO command").await?;
            }
        }
        connection.execute("RELEASE command").await?;
    }
    let locked = connection.lock_handle().await?;
    let connection = direct.on(&locked);
    let recorded = settle(connection, settling)?;
    connection.execute_batch("COMMIT")?;
    Ok(recorded)
}

/// Records them together, or else one by one.
fn settle(connection: &Connection, settling: &mut [Settling]) -> Result<Recorded, StoreError> {
    if settling.is_empty() {
        return Ok(Vec::new());
    }
    if matches!(try_settle(connection, settling)?, Ok(true)) {
        return Ok(settling.iter().map(|_| Ok(true)).collect());
    }
    one_by_one(connection, settling)
}

/// What is wrong with one is no other's fault.
fn one_by_one(connection: &Connection, settling: &mut [Settling]) -> Result<Recorded, StoreError> {
    let mut recorded = Vec::with_capacity(settling.len());
    for one in settling {
        recorded.push(try_settle(connection, slice::from_mut(one))?);
    }
    Ok(recorded)
}

/// Records all of them, or nothing.
fn try_settle(
    connection: &Connection,
    settling: &mut [Settling],
) -> Result<Result<bool, StoreError>, StoreError> {
    connection.execute_batch("SAVEPOINT command")?;
    let recorded = record(connection, settling);
    if !matches!(recorded, Ok(true)) {
        connection.execute_batch("ROLLBACK TO command")?;
    }
    connection.execute_batch("RELEASE command")?;
    Ok(recorded)
}

/// A panic is an error.
fn record(connection: &Connection, settling: &mut [Settling]) -> Result<bool, StoreError> {
    let recorded = catch_unwind(AssertUnwindSafe(|| record_all(connection, settling)));
    recorded.unwrap_or_else(|_| Err(StoreError::Failed("recording a run panicked".into())))
}
