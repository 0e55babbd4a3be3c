//! The life of a run's record before the run [ends](crate::runs::settlement): a run that is durable has its row before it
//! starts.

use crate::Store;
use crate::error::StoreError;
use crate::id::{OrgId, RunId};
use crate::money::wallet::{Hold, KeptHold, kept_hold};
use crate::number::signed;
use crate::owner::Owner;
use crate::runs::idempotency::{KeptAnswer, Slot, keep_answer};
use crate::runs::kept;
use crate::runs::run::{Claimed, NewRun, new_in};
use crate::runs::status::RunStatus;
use crate::sql::statements;
use crate::sql::{self, Connection, Value, values};
use crate::time::Time;
use serde_json::Value as Json;
use std::iter;
use std::sync::Arc;
use tollgate_fair::Most;

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
                let now = Time::now();
                begin(transaction, &run, FIRST_ATTEMPT, Some(now))?;
                match &slot {
                    Some((slot, answer)) => keep_answer(transaction, *slot, answer),
                    None => Ok(()),
                }
            })
            .await
    }

    /// Queues a run with its input. `false` if `queued_max` runs are queued, or half as many of its org.
    pub async fn queue_run(
        &self,
        run: NewRun,
        input: String,
        slot: Option<(Slot, KeptAnswer)>,
        queued_max: u64,
    ) -> Result<bool, StoreError> {
        let most = Most::halves(queued_max);
        let Some(mut place) = self.queue.take_within(run.owner.org, 1, most) else {
            return Ok(false);
        };
        let queueing = self.writer.write_then(
            move |transaction| {
                begin(transaction, &run, 0, None)?;
                sql::query(statements::KEEP_INPUT)
                    .bind(run.owner.org)
                    .bind(run.id)
                    .bind(&input)
                    .execute(transaction)?;
                match &slot {
                    Some((slot, answer)) => keep_answer(transaction, *slot, answer),
                    None => Ok(()),
                }
            },
            move |()| place.keep(),
        );
        queueing.await.map(|()| true)
    }

    /// Takes back a run that was not started after all.
    pub async fn forget_run(
        &self,
        Owner { org, project }: Owner,
        id: RunId,
    ) -> Result<(), StoreError> {
        let queue = self.queue.clone();
        let forgetting = self.writer.write_then(
            move |transaction| {
                let status = sql::query(statements::FORGET_RUN)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .optional_scalar::<String>(transaction)?;
                let forgotten: Option<i64> = sql::query(statements::FORGET_SLOT_OF_RUN)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .optional_scalar(transaction)?;
                let bytes = forgotten.unwrap_or(0);
                kept::count(transaction, org, -bytes)?;
                Ok(status.is_some_and(|status| status == RunStatus::Queued.name()))
            },
            move |was_queued| {
                if *was_queued {
                    queue.give_back(&org, 1);
                }
            },
        );
        forgetting.await.map(drop)
    }

    /// Takes up the oldest queued run of an org that is not among `passed_over`.
    pub async fn claim_run(&self, passed_over: &[OrgId]) -> Result<Option<Claimed>, StoreError> {
        let hex = |org: &OrgId| data_encoding::HEXLOWER.encode(org.as_bytes());
        let passed_over = Json::from_iter(passed_over.iter().map(hex)).to_string();
        let queue = self.queue.clone();
        let claiming = self.writer.write_then(
            move |transaction| claim(transaction, &passed_over),
            move |claimed: &Option<Claimed>| {
                if let Some(claimed) = claimed {
                    queue.give_back(&claimed.run.owner.org, 1);
                }
            },
        );
        claiming.await
    }

    /// Puts a claimed run back into the queue. `false` if it has ended meanwhile.
    pub async fn requeue_run(
        &self,
        Owner { org, project }: Owner,
        id: RunId,
        attempt: i64,
    ) -> Result<bool, StoreError> {
        let queue = self.queue.clone();
        let requeueing = self.writer.write_then(
            move |transaction| {
                let requeued = sql::query(statements::REQUEUE_RUN)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .bind(attempt)
                    .execute(transaction)?;
                Ok(requeued == 1)
            },
            move |is_requeued| {
                if *is_requeued {
                    queue.add(org, 1).keep();
                }
            },
        );
        requeueing.await
    }

    /// The hold that was [kept](Hold::keep) in a queued run's row, once the run is claimed.
    pub fn take_up_hold(&self, run: &NewRun) -> Hold {
        self.wallets.held_already(KeptHold {
            payer: run.payer(),
            tokens: run.price,
            at: run.created_at,
        })
    }

    /// Cancels a run that is still queued. `false` where it is not.
    pub async fn cancel_queued(
        &self,
        Owner { org, project }: Owner,
        id: RunId,
    ) -> Result<bool, StoreError> {
        let (wallets, queue) = (Arc::clone(&self.wallets), self.queue.clone());
        let cancelled = self.writer.write_then(
            move |transaction| {
                let row = sql::query(statements::CANCEL_QUEUED)
                    .bind(org)
                    .bind(project)
                    .bind(id)
                    .bind(Time::now())
                    .optional(transaction)?;
                if row.is_some() {
                    drop_input(transaction, org, id)?;
                }
                Ok(row.as_ref().map(kept_hold).transpose()?)
            },
            move |held: &Option<KeptHold>| {
                if let Some(held) = held {
                    wallets.release(held);
                    queue.give_back(&org, 1);
                }
            },
        );
        Ok(cancelled.await?.is_some())
    }
}

fn claim(transaction: &mut Connection, passed_over: &str) -> Result<Option<Claimed>, StoreError> {
    let row = sql::query(statements::NEXT_QUEUED)
        .bind(passed_over)
        .optional(transaction)?;
    let Some(row) = row else { return Ok(None) };
    let run = new_in(&row)?;
    let attempt: i64 = row.get("attempt")?;
    let Owner { org, project } = run.owner;
    sql::query(statements::CLAIM_RUN)
        .bind(org)
        .bind(project)
        .bind(run.id)
        .bind(Time::now())
        .execute(transaction)?;
    let input = sql::query(statements::RUN_INPUT)
        .bind(org)
        .bind(run.id)
        .scalar(transaction)?;
    Ok(Some(Claimed {
        run,
        input,
        attempt: attempt + 1,
    }))
}

/// Writes the row of a run that is queued, or has started.
fn begin(
    connection: &mut Connection,
    run: &NewRun,
    attempt: i64,
    started_at: Option<Time>,
) -> Result<(), StoreError> {
    let status = started_at.map_or("QUEUED", |_| "RUNNING");
    let mut values = new_values(run);
    values.extend(values![attempt, status, started_at]);
    connection.execute_each(statements::BEGIN_RUN, iter::once(values))?;
    Ok(())
}

pub(crate) fn drop_input(
    connection: &mut Connection,
    org: OrgId,
    id: RunId,
) -> Result<(), StoreError> {
    let query = sql::query(statements::DROP_INPUT).bind(org).bind(id);
    query.execute(connection)?;
    Ok(())
}

/// The columns that are known when a run is asked for.
pub(crate) fn new_values(run: &NewRun) -> Vec<Value<'_>> {
    values![
        run.owner.org,
        run.owner.project,
        run.id,
        run.key,
        run.artifact,
        run.release,
        run.digest.as_bytes(),
        run.function.as_deref(),
        run.external_id.as_deref(),
        run.traceparent.as_deref(),
        run.timeout_ms,
        run.is_own,
        run.share_diagnostics,
        &run.input_sha256,
        signed(run.input_bytes),
        run.created_at,
        signed(run.price),
        run.seller,
        run.session,
    ]
}
