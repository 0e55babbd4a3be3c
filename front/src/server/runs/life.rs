//! One run from its start to its settled record. A run goes on when its caller leaves.

use super::finish::{cancelled, count, ended, not_started, record_of};
use crate::problem::{Kind, Problem};
use crate::server::edge::rate::UnderWay;
use crate::server::state::Shared;
use crate::server::state::live::{LiveRun, RunEnd, Stop};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tollgate_runtime::{Prepared, Room};
use tollgate_store::{
    FIRST_ATTEMPT, Finish, Hold, NewRun, NotSettled, Settled, Settlement, StoreError,
};

/// How long a run's record is tried again while the database refuses it.
const RECORD_PATIENCE: Duration = Duration::from_secs(9);

/// A run to be started.
pub(crate) struct Start {
    pub(crate) run: NewRun,
    pub(crate) prepared: Prepared,
    /// Its price.
    pub(crate) hold: Hold,
    /// What waiting in the table took.
    pub(crate) queued: Duration,
    /// What loading the tool took.
    pub(crate) load: Duration,
    /// Whether it has a row already, and which start of it this is where it was queued.
    pub(crate) durable: Durable,
    /// Where its answer is waited for and its org may have only so many of those.
    pub(crate) under_way: Option<UnderWay>,
}

/// What the store has of a run before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    /// Nothing: it is written once, when it ends.
    No,
    /// A row, since its answer is kept for a repeated request.
    Begun,
    /// A row that was queued; the number counts its starts.
    Claimed(i64),
}

fn lost() -> RunEnd {
    RunEnd::Refused(Box::new(Problem::of(Kind::Internal)))
}

/// Registers a run under its id until this is dropped. Dropping it also ends the run for everyone who still waits.
pub(crate) struct Known {
    server: Shared,
    pub(crate) live: Arc<LiveRun>,
}

impl Known {
    pub(crate) fn new(server: &Shared, run: NewRun, durable: Durable) -> Self {
        let live = Arc::new(LiveRun::new(run, durable != Durable::No));
        server.live.insert(Arc::clone(&live));
        Self {
            server: Arc::clone(server),
            live,
        }
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        // A fault of ours must not leave callers waiting for ever.
        self.live.end(lost());
        self.server.live.remove(self.live.run.id);
    }
}

/// Starts a prepared run. It makes progress only while it is polled.
pub(crate) fn start(known: Known, start: Start) -> Running {
    let live = Arc::clone(&known.live);
    live.prepared(start.prepared.started());
    let going = Box::pin(async move {
        let Known { server, live } = &known;
        let end = AssertUnwindSafe(run(server, live, start))
            .catch_unwind()
            .await;
        let end = end.unwrap_or_else(|_| lost());
        live.end(end.clone());
        end
    });
    Running {
        live,
        going: Some(going),
        tokio: Handle::current(),
    }
}

/// A run that goes on in the task of whoever waits for it, which spares waking two. Dropped, it goes on in a task of its
/// own.
pub(crate) struct Running {
    live: Arc<LiveRun>,
    /// Until it has ended.
    going: Option<BoxFuture<'static, RunEnd>>,
    tokio: Handle,
}

impl Running {
    /// What became of it, for a caller that waits for its answer. Where that leaves before the guest has started and
    /// nobody else waits, the run is stopped.
    pub(crate) async fn awaited(self) -> RunEnd {
        let live = Arc::clone(&self.live);
        let mut running = self;
        // Gone first: one that is stopped is so before it goes on elsewhere.
        let _waiting = live.wait();
        (&mut running).await
    }
}

impl Future for Running {
    type Output = RunEnd;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<RunEnd> {
        let Some(going) = &mut self.going else {
            return Poll::Pending;
        };
        let end = ready!(going.as_mut().poll(context));
        self.going = None;
        Poll::Ready(end)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(going) = self.going.take() {
            self.tokio.spawn(going);
        }
    }
}

async fn run(server: &Shared, live: &LiveRun, start: Start) -> RunEnd {
    let Start {
        run,
        prepared,
        hold,
        queued,
        load,
        durable,
        under_way: _until_settled,
    } = start;
    let outcome = tokio::select! {
        biased;
        stop = live.stopped() => Err(stop),
        outcome = prepared.start() => Ok(outcome),
    };
    let started_at = live.started_at();
    // The output stays counted until it is recorded.
    let mut _room = Room::default();
    let mut finish = match outcome {
        Ok(Ok(mut outcome)) => {
            _room = mem::take(&mut outcome.room);
            outcome.usage.queue_us += micros(queued);
            outcome.usage.load_us += micros(load);
            ended(outcome, &run, durable != Durable::No, started_at)
        }
        Ok(Err(refused)) => {
            let taking = take_back(server, run, hold, durable, refused.into());
            return Box::pin(taking).await;
        }
        Err(Stop::Cancelled) => cancelled(started_at),
        Err(Stop::Abandoned) => {
            let problem = Problem::of(Kind::RunCancelled);
            return Box::pin(take_back(server, run, hold, durable, problem)).await;
        }
    };
    finish.uploaded_spans = live.spans.close();
    count(&server.live.counted, &finish);
    settle(server, run, hold, durable, finish).await
}

/// Writes the record, and charges what was held where the run succeeded; the answer is given once that is on the disk.
async fn settle(
    server: &Shared,
    run: NewRun,
    hold: Hold,
    durable: Durable,
    finish: Finish,
) -> RunEnd {
    let attempt = match durable {
        Durable::Claimed(attempt) => Some(attempt),
        Durable::Begun => Some(FIRST_ATTEMPT),
        Durable::No => None,
    };
    let id = run.id;
    let mut settlement = Box::new(Settlement {
        run,
        attempt,
        finish,
        hold,
    });
    let ended_at = Instant::now();
    loop {
        match server.store.settle(settlement).await {
            Ok(Settled::Recorded(ended)) => {
                let (run, finish) = *ended;
                return RunEnd::Recorded(Arc::new(record_of(run, finish)));
            }
            Ok(Settled::Before) => {
                tracing::warn!(run_id = %id, "a run had ended otherwise already");
                break;
            }
            Err(NotSettled {
                error,
                settlement: Some(again),
            }) if error.is_refusing() && ended_at.elapsed() < RECORD_PATIENCE => {
                tracing::warn!(%error, run_id = %id, "a run's record is tried again");
                settlement = again;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(NotSettled { error, settlement }) => {
                tracing::error!(%error, run_id = %id, "a run's record could not be written: it is not charged");
                if let Some(settlement) = settlement.filter(|it| it.attempt.is_some()) {
                    tokio::spawn(record_later(Arc::clone(server), settlement));
                }
                let problem = Problem::of(Kind::AtCapacity).with_hint(NOT_RECORDED);
                let problem = problem.with_run(id).with_charged(0).retryable(false);
                return RunEnd::Refused(Box::new(problem));
            }
        }
    }
    lost()
}

/// Hint for the caller of a run that ended but could not be recorded.
const NOT_RECORDED: &str = "The tool ran, but its end could not be recorded: it was not charged, and its output is lost. What it did elsewhere is done; send the request again if that does no harm.";

/// Records a run that has a row, uncharged as its caller was told, once the database takes it. Else its row would say
/// `RUNNING` until the next start.
async fn record_later(server: Shared, mut settlement: Box<Settlement>) {
    settlement.finish.charged = 0;
    while !server.is_draining() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match server.store.settle(settlement).await {
            Err(NotSettled {
                error,
                settlement: Some(again),
            }) if error.is_refusing() => settlement = again,
            Err(NotSettled { error, .. }) => {
                tracing::error!(%error, "a run's record is given up");
                return;
            }
            Ok(_) => return,
        }
    }
}

/// Ends a durable run that was cancelled while its tool was loading.
pub(crate) async fn cancel(server: &Shared, run: NewRun, hold: Hold, durable: Durable) -> RunEnd {
    let finish = cancelled(None);
    count(&server.live.counted, &finish);
    settle(server, run, hold, durable, finish).await
}

/// Leaves no record of a run that was not started. A queued one is put back where it may be started later.
pub(crate) async fn take_back(
    server: &Shared,
    run: NewRun,
    hold: Hold,
    durable: Durable,
    problem: Problem,
) -> RunEnd {
    let how = match durable {
        Durable::No => return RunEnd::Refused(Box::new(problem)),
        Durable::Begun => TakenBack::Forgotten,
        Durable::Claimed(attempt) if problem.kind() == Kind::AtCapacity => {
            TakenBack::Queued(attempt)
        }
        Durable::Claimed(_) => {
            let finish = not_started(&problem);
            return settle(server, run, hold, durable, finish).await;
        }
    };
    let id = run.id;
    let taking = TakingBack { run, hold, how };
    if let Err((error, taking)) = taking.attempt(server).await {
        tracing::error!(%error, run_id = %id, "a run that was not started is still on record as running");
        if error.is_refusing() {
            tokio::spawn(take_back_later(Arc::clone(server), taking));
        }
    }
    RunEnd::Refused(Box::new(problem))
}

/// A run that was not started and has a row.
struct TakingBack {
    run: NewRun,
    hold: Hold,
    how: TakenBack,
}

enum TakenBack {
    /// Its row is removed.
    Forgotten,
    /// The run goes back to the queue, unless it has ended meanwhile. The number is its attempt.
    Queued(i64),
}

impl TakingBack {
    async fn attempt(self, server: &Shared) -> Result<(), (StoreError, Self)> {
        let (owner, id) = (self.run.owner, self.run.id);
        let waits_again = match self.how {
            TakenBack::Forgotten => server.store.forget_run(owner, id).await.map(|()| false),
            TakenBack::Queued(attempt) => server.store.requeue_run(owner, id, attempt).await,
        };
        match waits_again {
            Err(error) => return Err((error, self)),
            // The queued row has the hold now.
            Ok(true) => self.hold.keep(),
            Ok(false) => {}
        }
        Ok(())
    }
}

/// Takes a run back once the database takes it. Else its row would say `RUNNING` until the next start, which loses it.
async fn take_back_later(server: Shared, mut taking: TakingBack) {
    while !server.is_draining() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match taking.attempt(&server).await {
            Err((error, again)) if error.is_refusing() => taking = again,
            Err((error, _)) => {
                tracing::error!(%error, "a run is not taken back");
                return;
            }
            Ok(()) => return,
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
