//! Retention, runs that a crash has ended, and runs that waited too long.

use crate::Store;
use crate::error::StoreError;
use crate::money::budget::Period;
use crate::money::wallet::{KeptHold, kept_hold};
use crate::runs::failure::RecordedFailure;
use crate::runs::usage;
use crate::sql;
use crate::sql::statements;
use crate::time::{DAY, Time};
use std::sync::Arc;
use std::time::Duration;

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Outputs of async and idempotent runs.
    pub outputs: Duration,
    /// Logs of runs.
    pub logs: Duration,
    /// Records of runs, subscriptions that have ended, and sessions past their time.
    pub runs: Duration,
    /// Answers to repeated requests.
    pub answers: Duration,
    /// Runs that wait for their turn.
    pub queued: Duration,
}

/// How long the text of a key that is no longer good is known.
const KEY_TEXTS_KEPT_FOR: Duration = DAY;

impl Store {
    /// At start: runs that a server that died was at are `lost`. Says how many.
    pub async fn lose_running(&self) -> Result<u64, StoreError> {
        let failure = RecordedFailure::new("lost", "the server died during the run");
        self.writer
            .write(move |transaction| {
                let lost = sql::query(statements::LOSE_RUNNING)
                    .bind(Time::now())
                    .bind(failure.text())
                    .all(transaction)?;
                for row in &lost {
                    usage::count_unmeasured(transaction, row)?;
                }
                sql::query(statements::DROP_ENDED_INPUTS).execute(transaction)?;
                Ok(lost.len() as u64)
            })
            .await
    }

    /// Ends runs that waited too long as `expired`. Says how many.
    pub async fn expire_queued(&self, retention: Retention) -> Result<u64, StoreError> {
        let message = format!(
            "the run waited for more than {} s",
            retention.queued.as_secs()
        );
        let failure = RecordedFailure::new("expired", message);
        let (wallets, queue) = (Arc::clone(&self.wallets), self.queue.clone());
        let expired = self.writer.write_then(
            move |transaction| {
                let now = Time::now();
                let expired = sql::query(statements::EXPIRE_QUEUED)
                    .bind(now)
                    .bind(failure.text())
                    .bind(now.before(retention.queued))
                    .all(transaction)?;
                for row in &expired {
                    usage::count_unmeasured(transaction, row)?;
                }
                if !expired.is_empty() {
                    sql::query(statements::DROP_ENDED_INPUTS).execute(transaction)?;
                }
                let held = expired.iter().map(kept_hold);
                Ok(held.collect::<Result<Vec<_>, _>>()?)
            },
            move |expired: &Vec<KeptHold>| {
                for held in expired {
                    wallets.release(held);
                    queue.give_back(&held.payer.owner.org, 1);
                }
            },
        );
        Ok(expired.await?.len() as u64)
    }

    /// Forgets what is older than it is kept.
    pub async fn purge(&self, retention: Retention) -> Result<(), StoreError> {
        let old = [
            (statements::UNCOUNT_OUTPUTS, retention.outputs),
            (statements::PURGE_OUTPUTS, retention.outputs),
            (statements::UNCOUNT_LOGS, retention.logs),
            (statements::PURGE_LOGS, retention.logs),
            (statements::UNCOUNT_SPANS, retention.logs),
            (statements::PURGE_SPANS, retention.logs),
            (statements::UNCOUNT_UPLOADED_SPANS, retention.logs),
            (statements::PURGE_UPLOADED_SPANS, retention.logs),
            (statements::UNCOUNT_ANSWERS, retention.answers),
            (statements::PURGE_ANSWERS, retention.answers),
            (statements::PURGE_KEY_TEXTS, KEY_TEXTS_KEPT_FOR),
            (statements::UNCOUNT_FAILURES, retention.runs),
            (statements::PURGE_RUNS, retention.runs),
            (statements::PURGE_SESSIONS, retention.runs),
        ];
        let now = Time::now();
        self.wallets.forget_expired_sessions();
        self.writer
            .write(move |transaction| {
                for (statement, kept_for) in old {
                    sql::query(statement)
                        .bind(now.before(kept_for))
                        .execute(transaction)?;
                }
                // A price is counted in its month's budgets.
                sql::query(statements::PURGE_SUBSCRIPTIONS)
                    .bind(now.before(retention.runs))
                    .bind(Period::Month.begins_at(now))
                    .execute(transaction)?;
                Ok(())
            })
            .await
    }
}
