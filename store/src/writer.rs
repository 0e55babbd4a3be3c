//! The one writer: what is queued goes into one transaction, and everybody is answered once that is on the disk.
//!
//! A flush costs the same for one command as for hundreds, so nothing is waited for: while one transaction is being
//! flushed the next one's commands gather.

use crate::error::StoreError;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection, Executor};
use std::panic::AssertUnwindSafe;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Commands of one transaction.
const BATCH_COMMANDS_MAX: usize = 512;
/// Commands that may wait. More wait outside.
const QUEUED_COMMANDS_MAX: usize = 4096;

/// The connection inside the writer's transaction.
pub(crate) type Transaction = SqliteConnection;

type Command = Box<dyn for<'t> FnOnce(&'t mut Transaction) -> BoxFuture<'t, Option<Answer>> + Send>;
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
        let connection = options.connect().await?;
        let (queue, commands) = mpsc::channel(QUEUED_COMMANDS_MAX);
        let working = tokio::spawn(work(connection, commands));
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
        let command: Command = Box::new(move |transaction| {
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
        self.queue.send(command).await.map_err(|_| closed())?;
        receiver.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Does what is queued, and closes the database.
    pub(crate) async fn close(self) {
        drop(self.queue);
        let _ = self.working.await;
    }
}

fn closed() -> StoreError {
    StoreError::Refusing("it is closed, or the command failed".to_owned())
}

async fn work(mut connection: SqliteConnection, mut commands: mpsc::Receiver<Command>) {
    let mut batch = Vec::with_capacity(BATCH_COMMANDS_MAX);
    while commands.recv_many(&mut batch, BATCH_COMMANDS_MAX).await > 0 {
        let mut answers = Vec::with_capacity(batch.len());
        let ended = transaction(&mut connection, &mut batch, &mut answers).await;
        if let Err(error) = &ended {
            tracing::error!(%error, "a transaction could not be committed");
            // What is open is undone; where nothing is open this is refused, which is as well.
            let _ = connection.execute("ROLLBACK").await;
            batch.clear();
        }
        for answer in answers {
            answer(ended.as_ref().copied().map_err(refused));
        }
    }
    if let Err(error) = connection.close().await {
        tracing::error!(%error, "the database was not closed well");
    }
}

/// The same error for each of many.
fn refused(error: &sqlx::Error) -> StoreError {
    StoreError::Refusing(error.to_string())
}

async fn transaction(
    connection: &mut SqliteConnection,
    batch: &mut Vec<Command>,
    answers: &mut Vec<Answer>,
) -> Result<(), sqlx::Error> {
    connection.execute("BEGIN IMMEDIATE").await?;
    for command in batch.drain(..) {
        connection.execute("SAVEPOINT command").await?;
        // A panic is that command's own: whoever asked learns that it failed, the others go on.
        let done = AssertUnwindSafe(command(connection)).catch_unwind().await;
        match done.ok().flatten() {
            Some(answer) => answers.push(answer),
            None => {
                connection.execute("ROLLBACK TO command").await?;
            }
        }
        connection.execute("RELEASE command").await?;
    }
    connection.execute("COMMIT").await?;
    Ok(())
}
