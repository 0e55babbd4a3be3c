//! The life of a run's record: a run that is durable has its row before it starts; others are written once, when they
//! end.

use crate::Store;
use crate::error::StoreError;
use crate::files::Digest;
use crate::id::{OrgId, ProjectId, RunId};
use crate::idempotency::{KeptAnswer, Slot, keep_answer};
use crate::ledger::{Paid, Payment, pay};
use crate::run::{Claimed, Finish, NewRun, new_in};
use crate::statements;
use crate::time::Time;
use crate::uploaded_spans;
use crate::usage;
use crate::wallet::{KeptHold, kept_hold};
use crate::writer::Transaction;
use serde_json::Value;
use sqlx::Row;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};
use std::sync::Arc;

/// The attempt of a run that was never queued.
const FIRST_ATTEMPT: i64 = 1;

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
                    bind_new(sqlx::query(statements::BEGIN_RUN), &run)
                        .bind(FIRST_ATTEMPT)
                        .bind("RUNNING")
                        .bind(Time::now())
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
                    bind_new(sqlx::query(statements::BEGIN_RUN), &run)
                        .bind(0)
                        .bind("QUEUED")
                        .bind(None::<Time>)
                        .execute(&mut *transaction)
                        .await?;
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
                    for statement in [statements::FORGET_RUN, statements::FORGET_SLOT_OF_RUN] {
                        sqlx::query(statement)
                            .bind(org)
                            .bind(project)
                            .bind(id)
                            .execute(&mut *transaction)
                            .await?;
                    }
                    Ok(())
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

    /// Puts a run that was taken up back, to be taken up again.
    pub async fn requeue_run(
        &self,
        (org, project): (OrgId, ProjectId),
        id: RunId,
        attempt: i64,
    ) -> Result<(), StoreError> {
        self.writer
            .write(move |transaction| {
                Box::pin(async move {
                    sqlx::query(statements::REQUEUE_RUN)
                        .bind(org)
                        .bind(project)
                        .bind(id)
                        .bind(attempt)
                        .execute(transaction)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Records how a run ended, and charges for it where the record says so, what was held. `attempt` is that of a claimed run, none of any other. `false` where the record says
    /// already that it ended otherwise: nothing is charged then.
    pub async fn finish_run(
        &self,
        run: NewRun,
        attempt: Option<i64>,
        finish: Finish,
    ) -> Result<bool, StoreError> {
        let attempt = attempt.unwrap_or(FIRST_ATTEMPT);
        let (fees, wallets) = (self.fees(), Arc::clone(&self.wallets));
        let (payer, charged, at) = (run.payer(), finish.charged, run.created_at);
        let recorded = self.writer.write_then(
            move |transaction| Box::pin(record(transaction, run, attempt, finish, fees)),
            move |changes: &Option<Vec<_>>| {
                if let Some(changes) = changes {
                    wallets.paid(changes, &payer, charged, at);
                }
            },
        );
        Ok(recorded.await?.is_some())
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
                        drop_input(transaction, org, id).await?;
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

async fn record(
    transaction: &mut Transaction,
    run: NewRun,
    attempt: i64,
    finish: Finish,
    fees: Option<(OrgId, u32)>,
) -> Result<Option<Vec<(OrgId, i64)>>, StoreError> {
    let output = finish.output.as_deref();
    let recorded = bind_new(sqlx::query(statements::FINISH_RUN), &run)
        .bind(attempt)
        .bind(finish.status.name())
        .bind(finish.failure.as_ref().map(Value::to_string))
        .bind(finish.usage.as_ref().map(Value::to_string))
        .bind(signed(finish.charged))
        .bind(output.map(|output| Digest::of(output.as_bytes()).as_bytes().to_vec()))
        .bind(output.map(|output| signed(output.len() as u64)))
        .bind(finish.started_at)
        .bind(finish.finished_at)
        .execute(&mut *transaction)
        .await?;
    if recorded.rows_affected() == 0 {
        return Ok(None);
    }
    usage::count(transaction, &run, &finish).await?;
    let payment = run.seller.map(|seller| Payment {
        of: Paid::Run(run.id),
        buyer: run.owner.0,
        seller,
        tokens: finish.charged,
    });
    let changes = match payment.filter(|payment| payment.tokens > 0) {
        Some(payment) => pay(transaction, payment, fees).await?,
        None => Vec::new(),
    };
    let org = run.owner.0;
    let kept = [
        (
            statements::KEEP_OUTPUT,
            finish.output.filter(|_| finish.keeps_output),
        ),
        (statements::KEEP_LOGS, finish.logs),
        (statements::KEEP_SPANS, finish.spans),
    ];
    for (statement, text) in kept {
        if let Some(text) = text {
            sqlx::query(statement)
                .bind(org)
                .bind(run.id)
                .bind(text)
                .bind(finish.finished_at)
                .execute(&mut *transaction)
                .await?;
        }
    }
    if let Some(spans) = finish.uploaded_spans {
        uploaded_spans::keep(transaction, (org, run.id), 0, spans, finish.finished_at).await?;
    }
    if attempt > FIRST_ATTEMPT || finish.keeps_output {
        drop_input(transaction, org, run.id).await?;
    }
    Ok(Some(changes))
}

async fn drop_input(
    transaction: &mut Transaction,
    org: OrgId,
    id: RunId,
) -> Result<(), StoreError> {
    sqlx::query(statements::DROP_INPUT)
        .bind(org)
        .bind(id)
        .execute(transaction)
        .await?;
    Ok(())
}

/// Binds the first eighteen of a run's columns.
fn bind_new<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    run: &NewRun,
) -> Query<'q, Sqlite, SqliteArguments> {
    query
        .bind(run.owner.0)
        .bind(run.owner.1)
        .bind(run.id)
        .bind(run.key)
        .bind(run.artifact)
        .bind(run.release)
        .bind(run.digest.as_bytes().to_vec())
        .bind(run.function.clone())
        .bind(run.external_id.clone())
        .bind(run.traceparent.clone())
        .bind(run.timeout_ms)
        .bind(i64::from(run.is_own))
        .bind(i64::from(run.share_diagnostics))
        .bind(run.input_sha256.to_vec())
        .bind(signed(run.input_bytes))
        .bind(run.created_at)
        .bind(signed(run.price))
        .bind(run.seller)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
