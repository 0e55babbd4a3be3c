//! How runs end in the records: what a run did and what is charged for it become durable together.

use crate::Store;
use crate::directly::{Binding, each};
use crate::error::StoreError;
use crate::files::Digest;
use crate::kept::Left;
use crate::number::signed;
use crate::payment::{self, Fees, Paid, Payment};
use crate::posting::post;
use crate::run::{Finish, NewRun};
use crate::run_life::{FIRST_ATTEMPT, bind_new, drop_input};
use crate::run_usage::RunUsage;
use crate::statements;
use crate::usage;
use crate::wallet::Hold;
use rusqlite::Connection;
use serde_json::Value;

/// A run that has ended, to be recorded, and charged for where that says so.
#[derive(Debug)]
pub struct Settlement {
    /// What was asked for.
    pub run: NewRun,
    /// Which start of the run it is, where that has a row already.
    pub attempt: Option<i64>,
    /// How it ended.
    pub finish: Finish,
    /// Its price, which is given back once it is settled.
    pub hold: Hold,
}

/// A settlement that is on the disk.
#[derive(Debug)]
pub enum Settled {
    /// It is what the records say.
    Recorded(Box<(NewRun, Finish)>),
    /// The records had another end of the run: nothing is charged.
    Before,
}

/// A settlement that is not.
#[derive(Debug)]
pub struct NotSettled {
    /// Why.
    pub error: StoreError,
    /// To be tried again, unless the store is closed.
    pub settlement: Option<Box<Settlement>>,
}

impl Store {
    /// Records how a run ended, and charges for it.
    pub async fn settle(&self, settlement: Box<Settlement>) -> Result<Settled, NotSettled> {
        let settling = Settling {
            payment: settlement.payment(),
            settlement,
            fees: self.fees(),
            kept_bytes_max: self.caps.kept_bytes,
        };
        self.writer.settle(settling).await
    }
}

impl Settlement {
    /// What is charged for it, without the platform's fee.
    fn payment(&self) -> Option<Payment> {
        let sides = (self.run.owner.0, self.run.seller?);
        Payment::new(Paid::Run(self.run.id), sides, self.finish.charged)
    }
}

/// A settlement on its way to the disk, with what is paid for it.
#[derive(Debug)]
pub(crate) struct Settling {
    settlement: Box<Settlement>,
    /// Its fee is set in the transaction.
    payment: Option<Payment>,
    fees: Option<Fees>,
    kept_bytes_max: u64,
}

impl Settling {
    /// Once its transaction is committed, or undone. Whether it `is_recorded` there.
    pub(crate) fn ended(
        self,
        is_recorded: Result<bool, StoreError>,
    ) -> Result<Settled, NotSettled> {
        let Settling {
            settlement,
            payment,
            ..
        } = self;
        match is_recorded {
            Ok(true) => {
                let Settlement {
                    run, finish, hold, ..
                } = *settlement;
                let charged = finish.started_at.map(|_| finish.charged);
                let changes = payment.iter().flat_map(Payment::changes);
                hold.settle(changes, charged);
                Ok(Settled::Recorded(Box::new((run, finish))))
            }
            Ok(false) => Ok(Settled::Before),
            Err(error) => Err(NotSettled {
                error,
                settlement: Some(settlement),
            }),
        }
    }
}

/// Records them all. `false` where the records had another end of one, and all are to be undone.
pub(crate) fn record_all(
    connection: &Connection,
    settling: &mut [Settling],
) -> Result<bool, StoreError> {
    let fees = settling.first().and_then(|it| it.fees);
    let payments = settling.iter_mut().filter_map(|it| it.payment.as_mut());
    payment::set_fees(connection, payments, fees)?;
    let settling = &*settling;
    let all = || settling.iter().map(|it| &*it.settlement);
    let new = all().filter(|it| it.attempt.is_none());
    let recorded = each(connection, statements::RECORD_RUN, new, |it, one| {
        bind_end(bind_new(it, &one.run)?.bind(FIRST_ATTEMPT)?, &one.finish)
    })?;
    let begun = all().filter(|it| it.attempt.is_some());
    let ended = each(connection, statements::END_RUN, begun, |it, one| {
        bind_end(it, &one.finish)?
            .bind(one.run.owner.0)?
            .bind(one.run.owner.1)?
            .bind(one.run.id)?
            .bind(one.attempt)
    })?;
    if recorded + ended != settling.len() {
        return Ok(false);
    }
    usage::count(connection, all().map(|it| (&it.run, &it.finish)))?;
    let payments = || settling.iter().filter_map(|it| it.payment.as_ref());
    payment::record(connection, payments())?;
    post(connection, payments().flat_map(Payment::changes))?;
    for it in settling {
        keep(connection, &it.settlement, it.kept_bytes_max)?;
    }
    Ok(true)
}

/// Binds how a run ended.
fn bind_end<'s, 'c>(
    statement: Binding<'s, 'c>,
    finish: &Finish,
) -> rusqlite::Result<Binding<'s, 'c>> {
    let output = finish.output.as_deref();
    let digest = output.map(|output| Digest::of(output.as_bytes()));
    statement
        .bind(finish.status.name())?
        .bind(finish.failure.as_ref().map(Value::to_string))?
        .bind(finish.usage.as_ref().map(RunUsage::kept))?
        .bind(signed(finish.charged))?
        .bind(digest.as_ref().map(Digest::as_bytes))?
        .bind(output.map(|output| signed(output.len() as u64)))?
        .bind(finish.started_at)?
        .bind(finish.finished_at)
}

/// Keeps what a run put out, where it is kept, beside its record.
fn keep(
    connection: &Connection,
    settlement: &Settlement,
    kept_bytes_max: u64,
) -> Result<(), StoreError> {
    let (run, finish) = (&settlement.run, &settlement.finish);
    let org = run.owner.0;
    let left = Left {
        run: (org, run.owner.1, run.id),
        output: finish.output.as_deref().filter(|_| finish.keeps_output),
        failure: finish.failure.as_ref(),
        logs: finish.logs.as_deref(),
        spans: finish.spans.as_deref(),
        uploaded_spans: finish.uploaded_spans.as_deref(),
        at: finish.finished_at,
    };
    left.keep(connection, kept_bytes_max)?;
    if settlement.attempt.is_some() {
        drop_input(connection, org, run.id)?;
    }
    Ok(())
}
