//! The commands of one transaction.

use super::{Answer, BATCH_COMMANDS_MAX, Batched, Command, Work};
use crate::connections::breaker::Breaker;
use crate::connections::log::All;
use crate::error::StoreError;
use crate::sql::{Connection, SqlError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use tokio::sync::{mpsc, oneshot};

/// The commands of one transaction.
pub(super) struct Batch<B: Batched> {
    work: Vec<Work>,
    changes: Vec<B>,
    /// The callers that wait for the changes, in the same order.
    waiting: Vec<oneshot::Sender<B::Ended>>,
    /// All shares in the log.
    all: Option<All>,
}

/// For each change, true if it was recorded.
type Recorded = Vec<Result<bool, StoreError>>;

impl<B: Batched> Batch<B> {
    /// Waits for the next commands. `None` once the queue is closed and empty.
    pub(super) fn next(commands: &mut mpsc::Receiver<Command<B>>) -> Option<Self> {
        let mut queued = Vec::with_capacity(BATCH_COMMANDS_MAX);
        if commands.blocking_recv_many(&mut queued, BATCH_COMMANDS_MAX) == 0 {
            return None;
        }
        let mut batch = Self {
            work: Vec::new(),
            changes: Vec::new(),
            waiting: Vec::new(),
            all: None,
        };
        for command in queued {
            match command {
                Command::Work(one) => batch.work.push(one),
                Command::Batched(one, answer) => {
                    batch.changes.push(one);
                    batch.waiting.push(answer);
                }
                Command::StartOver(all) => batch.all = Some(all),
            }
        }
        Some(batch)
    }

    /// All shares in the log, if one of the commands is to restart it.
    pub(super) fn take_shares(&mut self) -> Option<All> {
        self.all.take()
    }

    /// Executes the commands in one transaction, and answers every caller.
    pub(super) fn execute(mut self, connection: &mut Connection, breaker: &Breaker) {
        let (work, mut answers) = (std::mem::take(&mut self.work), Vec::new());
        let ended = match work.is_empty() {
            true if self.changes.is_empty() => return,
            true => record_alone(connection, &mut self.changes),
            false => do_all(connection, work, &mut answers, &mut self.changes),
        };
        if let Err(error) = &ended {
            // This fails if SQLite has undone the transaction already.
            let _ = connection.batch("ROLLBACK");
            tracing::error!(%error, "a transaction could not be committed");
            breaker.note(error);
        }
        for answer in answers {
            answer(ended.as_ref().map(|_| ()).map_err(refused));
        }
        self.tell(ended, breaker);
    }

    /// Tells the callers of the changes how the transaction ended.
    fn tell(self, ended: Result<Recorded, StoreError>, breaker: &Breaker) {
        let recorded: Recorded = match ended {
            Ok(recorded) => {
                let errors = recorded.iter().filter_map(|it| it.as_ref().err());
                errors.for_each(|error| breaker.note(error));
                recorded
            }
            Err(error) => {
                let refused = |_| Err(refused(&error));
                self.changes.iter().map(refused).collect()
            }
        };
        for ((one, recorded), waiting) in self.changes.into_iter().zip(recorded).zip(self.waiting) {
            // `ended` does its part even if the caller has left.
            let _ = waiting.send(one.ended(recorded));
        }
    }
}

/// The same error for each of many callers.
fn refused(error: &StoreError) -> StoreError {
    match error {
        StoreError::Refusing(why) => StoreError::Refusing(why.clone()),
        other => StoreError::Refusing(other.to_string()),
    }
}

/// Records changes in a transaction without other work. If not all can be recorded together, it is undone as a whole and
/// begun again. A savepoint would be slower: SQLite copies each page that changes after one.
fn record_alone<B: Batched>(
    connection: &mut Connection,
    changes: &mut [B],
) -> Result<Recorded, StoreError> {
    connection.batch("BEGIN IMMEDIATE")?;
    let recorded = match record(connection, changes) {
        Ok(true) => changes.iter().map(|_| Ok(true)).collect(),
        _ => {
            // This fails if SQLite has undone the transaction already.
            let _ = connection.batch("ROLLBACK");
            connection.batch("BEGIN IMMEDIATE")?;
            one_by_one(connection, changes)?
        }
    };
    connection.batch("COMMIT")?;
    Ok(recorded)
}

/// Does work and records changes in one transaction. `answers` gets the answers for the callers of the work.
fn do_all<B: Batched>(
    connection: &mut Connection,
    work: Vec<Work>,
    answers: &mut Vec<Answer>,
    changes: &mut [B],
) -> Result<Recorded, StoreError> {
    connection.batch("BEGIN IMMEDIATE")?;
    for one in work {
        connection.batch("SAVEPOINT command")?;
        // A panic ends only its own command, whose caller learns that it failed.
        let done = catch_unwind(AssertUnwindSafe(|| one(connection)));
        match done.ok().flatten() {
            Some(answer) => answers.push(answer),
            None => connection.batch("ROLLBACK TO command")?,
        }
        connection.batch("RELEASE command")?;
    }
    let recorded = record_changes(connection, changes)?;
    connection.batch("COMMIT")?;
    Ok(recorded)
}

/// Records them together, or if that fails, one by one.
fn record_changes<B: Batched>(
    connection: &mut Connection,
    changes: &mut [B],
) -> Result<Recorded, StoreError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    if matches!(try_record(connection, changes)?, Ok(true)) {
        return Ok(changes.iter().map(|_| Ok(true)).collect());
    }
    one_by_one(connection, changes)
}

/// A change that fails does not undo the others.
fn one_by_one<B: Batched>(
    connection: &mut Connection,
    changes: &mut [B],
) -> Result<Recorded, StoreError> {
    let mut recorded = Vec::with_capacity(changes.len());
    for one in changes {
        recorded.push(try_record(connection, slice::from_mut(one))?);
    }
    Ok(recorded)
}

/// Records all of them, or nothing.
fn try_record<B: Batched>(
    connection: &mut Connection,
    changes: &mut [B],
) -> Result<Result<bool, StoreError>, SqlError> {
    connection.batch("SAVEPOINT command")?;
    let recorded = record(connection, changes);
    if !matches!(recorded, Ok(true)) {
        connection.batch("ROLLBACK TO command")?;
    }
    connection.batch("RELEASE command")?;
    Ok(recorded)
}

/// A panic is an error.
fn record<B: Batched>(connection: &mut Connection, changes: &mut [B]) -> Result<bool, StoreError> {
    let recorded = catch_unwind(AssertUnwindSafe(|| B::record_all(connection, changes)));
    recorded.unwrap_or_else(|_| Err(StoreError::Failed("recording a change panicked".into())))
}
