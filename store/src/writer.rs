//! The one writer: what is queued goes into one transaction, and everybody is answered once that is on the disk.
//!
//! A flush costs the same for one command as for hundreds, so nothing is waited for: while one transaction is being
//! flushed the next one's commands gather.

use crate::directly::Direct;
use crate::error::StoreError;
use crate::settlement::{NotSettled, Settled, Settling, record_all};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection as _, Executor};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::thread::{self, JoinHandle};
use tokio::runtime::Handle;
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
}

type Work = Box<dyn for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Option<Answer>> + Send>;
/// Tells whoever asked how the transaction ended.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Hands commands to the writer.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Command>,
    working: JoinHandle<()>,
}

impl Writer {
    pub(crate) async fn start(
        options: sqlx::sqlite::SqliteConnectOptions,
    ) -> Result<Self, sqlx::Error> {
        let mut connection = options.connect().await?;
        let direct = Direct::of(&mut connection).await?;
        let (queue, commands) = mpsc::channel(QUEUED_COMMANDS_MAX);
        let tokio = Handle::current();
        // SQLite waits for the disk on the thread that calls it.
        let working = thread::Builder::new()
            .name("tollgate-writer".to_owned())
            .spawn(move || tokio.block_on(work(connection, direct, commands)))
            .map_err(sqlx::Error::Io)?;
        Ok(Self { queue, working })
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

    /// The same, and then `follow` what was committed, whoever still waits: in the order of the transactions, before
    /// anybody is answered.
    pub(crate) async fn write_then<T, F, A>(&self, work: F, follow: A) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Result<T, StoreError>>
            + Send
            + 'static,
        A: FnOnce(&T) + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
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
) {
    let mut batch = Vec::with_capacity(BATCH_COMMANDS_MAX);
    while commands.recv_many(&mut batch, BATCH_COMMANDS_MAX).await > 0 {
        let (mut work, mut settling, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for command in batch.drain(..) {
            match command {
                Command::Work(one) => work.push(one),
                Command::Settle(one, answer) => {
                    settling.push(one);
                    waiting.push(answer);
                }
            }
        }
        let mut answers = Vec::with_capacity(work.len());
        let ended = transaction(&mut connection, &direct, work, &mut answers, &settling).await;
        if let Err(error) = &ended {
            tracing::error!(%error, "a transaction could not be committed");
            // What is open is undone; where nothing is open this is refused, which is as well.
            let _ = connection.execute("ROLLBACK").await;
        }
        for answer in answers {
            answer(ended.as_ref().map(|_| ()).map_err(refused));
        }
        let recorded = ended.unwrap_or_else(|error| {
            let refused = |_| Err(refused(&error));
            (0..settling.len()).map(refused).collect()
        });
        for ((one, recorded), waiting) in settling.into_iter().zip(recorded).zip(waiting) {
            // The hold is settled here, whoever still waits.
            let _ = waiting.send(one.ended(recorded));
        }
    }
    // Where nothing is locked, there is no thread any more that could be at it, too.
    let locked = connection.lock_handle().await;
    drop(direct);
    drop(locked);
    if let Err(error) = connection.close().await {
        tracing::error!(%error, "the database was not closed well");
    }
}

/// The same error for each of many.
fn refused(error: &StoreError) -> StoreError {
    match error {
        StoreError::Refusing(why) => StoreError::Refusing(why.clone()),
        other => StoreError::Refusing(other.to_string()),
    }
}

/// What is told to those who asked for some work, once it is committed, goes to `answers`. Says of each of the
/// settlements whether it was recorded.
async fn transaction(
    connection: &mut SqliteConnection,
    direct: &Direct,
    work: Vec<Work>,
    answers: &mut Vec<Answer>,
    settling: &[Settling],
) -> Result<Vec<Result<bool, StoreError>>, StoreError> {
    let is_begun = !work.is_empty();
    if is_begun {
        connection.execute("BEGIN IMMEDIATE").await?;
    }
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
    if !is_begun {
        connection.execute_batch("BEGIN IMMEDIATE")?;
    }
    let recorded = settle(connection, settling)?;
    connection.execute_batch("COMMIT")?;
    Ok(recorded)
}

/// Records them together, or else one by one: what is wrong with one is no other's fault.
fn settle(
    connection: &Connection,
    settling: &[Settling],
) -> Result<Vec<Result<bool, StoreError>>, StoreError> {
    if settling.is_empty() {
        return Ok(Vec::new());
    }
    if matches!(try_settle(connection, settling)?, Ok(true)) {
        return Ok(settling.iter().map(|_| Ok(true)).collect());
    }
    let mut recorded = Vec::with_capacity(settling.len());
    for one in settling {
        recorded.push(try_settle(connection, slice::from_ref(one))?);
    }
    Ok(recorded)
}

/// Records all of them, or nothing.
fn try_settle(
    connection: &Connection,
    settling: &[Settling],
) -> Result<Result<bool, StoreError>, StoreError> {
    connection.execute_batch("SAVEPOINT command")?;
    let recorded = catch_unwind(AssertUnwindSafe(|| record_all(connection, settling)));
    let recorded = recorded.unwrap_or_else(|_| Err(closed()));
    if !matches!(recorded, Ok(true)) {
        connection.execute_batch("ROLLBACK TO command")?;
    }
    connection.execute_batch("RELEASE command")?;
    Ok(recorded)
}
