//! How runs end in the records: what a run did and what is charged for it become durable together.

use crate::Store;
use crate::connections::writer::Batched;
use crate::digest::Digest;
use crate::error::StoreError;
use crate::money::payment::{self, Fees, Paid, Payment};
use crate::money::posting::post;
use crate::money::wallet::Hold;
use crate::number::signed;
use crate::owner::Owner;
use crate::runs::failure::RecordedFailure;
use crate::runs::kept::Left;
use crate::runs::life::{FIRST_ATTEMPT, drop_input, new_values};
use crate::runs::run::{Finish, NewRun};
use crate::runs::run_usage::RunUsage;
use crate::runs::usage;
use crate::sql::statements;
use crate::sql::{Connection, Value, values};

/// A run that has ended, to be recorded, and charged for where that says so.
#[derive(Debug)]
pub struct Settlement {
    /// The run as it was asked for.
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
        let settling = Settling::new(settlement, self.fees(), self.caps.kept_bytes);
        self.writer.record(settling).await
    }
}

impl Settlement {
    /// The payment for it, without the platform's fee.
    fn payment(&self) -> Option<Payment> {
        let sides = (self.run.owner.org, self.run.seller?);
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
    pub(crate) fn new(
        settlement: Box<Settlement>,
        fees: Option<Fees>,
        kept_bytes_max: u64,
    ) -> Self {
        Self {
            payment: settlement.payment(),
            settlement,
            fees,
            kept_bytes_max,
        }
    }
}

impl Batched for Settling {
    type Ended = Result<Settled, NotSettled>;

    fn record_all(connection: &mut Connection, all: &mut [Self]) -> Result<bool, StoreError> {
        record_all(connection, all)
    }

    fn ended(self, is_recorded: Result<bool, StoreError>) -> Self::Ended {
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

    fn lost(error: StoreError) -> Self::Ended {
        Err(NotSettled {
            error,
            settlement: None,
        })
    }
}

/// Records them all. `false` where the records had another end of one, and all are to be undone.
pub(crate) fn record_all(
    connection: &mut Connection,
    settling: &mut [Settling],
) -> Result<bool, StoreError> {
    let fees = settling.first().and_then(|it| it.fees);
    let payments = settling.iter_mut().filter_map(|it| it.payment.as_mut());
    payment::set_fees(connection, payments, fees)?;
    let settling = &*settling;
    let all = || settling.iter().map(|it| &*it.settlement);
    let new = all().filter(|it| it.attempt.is_none());
    let new = new.map(|one| {
        let mut values = new_values(&one.run);
        values.push(FIRST_ATTEMPT.into());
        values.extend(end_values(&one.finish));
        values
    });
    let recorded = connection.execute_each(statements::RECORD_RUN, new)?;
    let begun = all().filter_map(|one| Some((one, one.attempt?)));
    let begun = begun.map(|(one, attempt)| {
        let Owner { org, project } = one.run.owner;
        let mut values = Vec::from(end_values(&one.finish));
        values.extend(values![org, project, one.run.id, attempt]);
        values
    });
    let ended = connection.execute_each(statements::END_RUN, begun)?;
    if recorded + ended != settling.len() as u64 {
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

/// The columns that say how a run ended.
fn end_values(finish: &Finish) -> [Value<'_>; 8] {
    let output = finish.output.as_deref();
    let digest = output.map(|output| Digest::of(output.as_bytes()));
    [
        finish.status.name().into(),
        finish.failure.as_ref().map(RecordedFailure::text).into(),
        finish.usage.as_ref().map(RunUsage::kept).into(),
        signed(finish.charged).into(),
        digest.map(|digest| digest.as_bytes().to_vec()).into(),
        output.map(|output| signed(output.len() as u64)).into(),
        finish.started_at.into(),
        finish.finished_at.into(),
    ]
}

/// Keeps what a run put out, where it is kept, beside its record.
fn keep(
    connection: &mut Connection,
    settlement: &Settlement,
    kept_bytes_max: u64,
) -> Result<(), StoreError> {
    let (run, finish) = (&settlement.run, &settlement.finish);
    let org = run.owner.org;
    let left = Left {
        run: (org, run.owner.project, run.id),
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
