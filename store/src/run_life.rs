//! The life of a run's record before the run [ends](crate::settlement): a run that is durable has its row before it
//! starts.

use crate::Store;
use crate::directly::{Binding, directly, each};
use crate::error::StoreError;
use crate::id::{OrgId, ProjectId, RunId};
use crate::idempotency::{KeptAnswer, Slot, keep_answer};
use crate::kept;
use crate::number::signed;
use crate::run::{Claimed, NewRun, new_in};
use crate::statements;
use crate::time::Time;
use crate::wallet::{KeptHold, kept_hold};
use crate::writer::Transaction;
use rusqlite::{Connection, params};
use serde_json::Value;
use sqlx::Row;
use std::sync::Arc;

/// The attempt of a run that was never queued.
pub const FIRST_ATTEMPT: i64 = 1;

impl Store {
    /// Makes a run that starts now durable, with the slot its answer is kept in.
    pub async fn begin_run(
        &self,
        run: NewRun,
        slot: Option<(Slot, KeptAnswer)>,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |transaction| {
                Box::pin(async move {
                    let now = Time::now();
                    directly(transaction, |it| begin(it, &run, FIRST_ATTEMPT, Some(now))).await?;
                    match slot {
                        Some((slot, answer)) => keep_answer(transaction, slot, answer).await,
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    /// Queues a run with its input.
    pub async fn queue_run(
        &self,
        run: NewRun,
        input: String,
        slot: Option<(Slot, KeptAnswer)>,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |transaction| {
                Box::pin(async move {
                    directly(transaction, |it| begin(it, &run, 0, None)).await?;
                    sqlx::query(statements::KEEP_INPUT)
                        .bind(run.owner.0)
                        .bind(run.id)
                        .bind(input)
                        .execute(&mut *transaction)
                        .await?;
                    match slot {
                        Some((slot, answer)) => keep_answer(transaction, slot, answer).await,
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    /// Takes back a run that was not started after all.
    pub async fn forget_run(
        &self,
        (org, project): (OrgId, ProjectId),
        id: RunId,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |transaction| {
                Box::pin(async move {
                    sqlx::query(statements::FORGET_RUN)
                        .bind(org)
                        .bind(project)
                        .bind(id)
                        .execute(&mut *transaction)
                        .await?;
                    let forgotten: Option<i64> = sqlx::query_scalar(statements::FORGET_SLOT_OF_RUN)
                        .bind(org)
                        .bind(project)
                        .bind(id)
                        .fetch_optional(&mut *transaction)
                        .await?;
                    let bytes = forgotten.unwrap_or(0);
                    directly(transaction, |it| kept::count(it, org, -bytes)).await
                })
            })
            .await
    }

    /// Takes up the oldest queued run of an org that is not among `passed_over`.
    pub async fn claim_run(&self, passed_over: &[OrgId]) -> Result<Option<Claimed>, StoreError> {
        let hex = |org: &OrgId| data_encoding::HEXLOWER.encode(org.as_bytes());
        let passed_over = Value::from_iter(passed_over.iter().map(hex)).to_string();
        self.writer
            .write(move |transaction| Box::pin(claim(transaction, passed_over)))
            .await
    }

    /// Puts a claimed run back into the queue. `false` if it has ended meanwhile.
    pub async fn requeue_run(
        &self,
        (org, project): (OrgId, ProjectId),
        id: RunId,
        attempt: i64,
    ) -> Result<bool, StoreError> {
        self.writer
            .write(move |transaction| {
                Box::pin(async move {
                    let requeued = sqlx::query(statements::REQUEUE_RUN)
                        .bind(org)
                        .bind(project)
                        .bind(id)
                        .bind(attempt)
                        .execute(transaction)
                        .await?;
                    Ok(requeued.rows_affected() == 1)
                })
            })
            .await
    }

    /// Cancels a run that is still queued. `false` where it is not.
    pub async fn cancel_queued(
        &self,
        (org, project): (OrgId, ProjectId),
        id: RunId,
    ) -> Result<bool, StoreError> {
        let wallets = Arc::clone(&self.wallets);
        let cancelled = self.writer.write_then(
            move |transaction| {
                Box::pin(async move {
                    let row = sqlx::query(statements::CANCEL_QUEUED)
                        .bind(org)
                        .bind(project)
                        .bind(id)
                        .bind(Time::now())
                        .fetch_optional(&mut *transaction)
                        .await?;
                    if row.is_some() {
                        directly(transaction, |it| drop_input(it, org, id)).await?;
                    }
                    Ok(row.as_ref().map(kept_hold).transpose()?)
                })
            },
            move |held: &Option<KeptHold>| held.iter().for_each(|held| wallets.release(held)),
        );
        Ok(cancelled.await?.is_some())
    }
}

async fn claim(
    transaction: &mut Transaction,
    passed_over: String,
) -> Result<Option<Claimed>, StoreError> {
    let row = sqlx::query(statements::NEXT_QUEUED_SQLITE)
        .bind(passed_over)
        .fetch_optional(&mut *transaction)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let run = new_in(&row)?;
    let attempt: i64 = row.try_get("attempt")?;
    let (org, project) = run.owner;
    sqlx::query(statements::CLAIM_RUN)
        .bind(org)
        .bind(project)
        .bind(run.id)
        .bind(Time::now())
        .execute(&mut *transaction)
        .await?;
    let input = sqlx::query_scalar(statements::RUN_INPUT)
        .bind(org)
        .bind(run.id)
        .fetch_one(transaction)
        .await?;
    Ok(Some(Claimed {
        run,
        input,
        attempt: attempt + 1,
    }))
}

/// Writes the row of a run that is queued, or has started.
fn begin(
    connection: &Connection,
    run: &NewRun,
    attempt: i64,
    started_at: Option<Time>,
) -> Result<(), StoreError> {
    let status = started_at.map_or("QUEUED", |_| "RUNNING");
    each(connection, statements::BEGIN_RUN, [run], |it, run| {
        bind_new(it, run)?
            .bind(attempt)?
            .bind(status)?
            .bind(started_at)
    })?;
    Ok(())
}

pub(crate) fn drop_input(connection: &Connection, org: OrgId, id: RunId) -> Result<(), StoreError> {
    connection
        .prepare_cached(statements::DROP_INPUT)?
        .execute(params![org, id])?;
    Ok(())
}

/// Binds the first nineteen of a run's columns.
pub(crate) fn bind_new<'s, 'c>(
    statement: Binding<'s, 'c>,
    run: &NewRun,
) -> rusqlite::Result<Binding<'s, 'c>> {
    statement
        .bind(run.owner.0)?
        .bind(run.owner.1)?
        .bind(run.id)?
        .bind(run.key)?
        .bind(run.artifact)?
        .bind(run.release)?
        .bind(run.digest.as_bytes())?
        .bind(&run.function)?
        .bind(&run.external_id)?
        .bind(&run.traceparent)?
        .bind(run.timeout_ms)?
        .bind(run.is_own)?
        .bind(run.share_diagnostics)?
        .bind(run.input_sha256.as_slice())?
        .bind(signed(run.input_bytes))?
        .bind(run.created_at)?
        .bind(signed(run.price))?
        .bind(run.seller)?
        .bind(run.session)
}
