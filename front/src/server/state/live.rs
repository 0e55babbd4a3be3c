//! The runs in progress, by id. Callers find them here to wait, to cancel and to add spans.

use super::live_spans::{AddedSpans, HeldBytes};
use crate::problem::Problem;
use crate::server::edge::counters;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::SetOnce;
use tollgate_runtime::Started;
use tollgate_store::{NewRun, RunId, RunRecord, RunStatus, Time};

/// The runs in progress, by id.
#[derive(Default)]
pub(crate) struct Live {
    runs: Mutex<HashMap<RunId, Arc<LiveRun>>>,
    /// The memory of spans that wait for their run's record.
    pub(crate) span_bytes: HeldBytes,
    /// Counters of ended runs, for the metrics.
    pub(crate) counted: counters::Runs,
}

/// A run in progress.
pub(crate) struct LiveRun {
    pub(crate) run: NewRun,
    /// Set once the tool is loaded and the run has passed every check.
    prepared: SetOnce<Started>,
    /// True if the store has a row for the run.
    pub(crate) is_durable: bool,
    pub(crate) spans: AddedSpans,
    /// The number of callers that wait for the answer.
    waiting: AtomicUsize,
    stop: SetOnce<Stop>,
    end: SetOnce<RunEnd>,
}

/// The reason for stopping a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A caller of the project cancelled the run.
    Cancelled,
    /// The last waiting caller left before the guest started.
    Abandoned,
}

/// The end of a run.
#[derive(Clone)]
pub(crate) enum RunEnd {
    /// The run ended, and its record is durable.
    Recorded(Arc<RunRecord>),
    /// The run did not start or could not be recorded. It has no record and is not charged.
    Refused(Box<Problem>),
}

impl Live {
    pub(crate) fn get(&self, id: RunId) -> Option<Arc<LiveRun>> {
        self.lock().get(&id).cloned()
    }

    /// The number of runs in progress.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn insert(&self, live: Arc<LiveRun>) {
        self.lock().insert(live.run.id, live);
    }

    pub(crate) fn remove(&self, id: RunId) {
        self.lock().remove(&id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, Arc<LiveRun>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LiveRun {
    /// A run whose tool is not loaded yet.
    pub(crate) fn new(run: NewRun, is_durable: bool) -> Self {
        Self {
            run,
            prepared: SetOnce::new(),
            is_durable,
            spans: AddedSpans::default(),
            waiting: AtomicUsize::new(0),
            stop: SetOnce::new(),
            end: SetOnce::new(),
        }
    }

    /// Notes that the run can start. `started` tells when its guest does.
    pub(crate) fn prepared(&self, started: Started) {
        let _ = self.prepared.set(started);
    }

    /// The reason for stopping the run, if it was stopped.
    pub(crate) fn stop_reason(&self) -> Option<Stop> {
        self.stop.get().copied()
    }

    /// Resolves when the run is stopped. The first reason wins.
    pub(crate) async fn stopped(&self) -> Stop {
        *self.stop.wait().await
    }

    /// Tells everyone who waits for the run's end. Only the first end counts.
    pub(crate) fn end(&self, end: RunEnd) {
        let _ = self.end.set(end);
    }

    /// The time when the guest started.
    pub(crate) fn started_at(&self) -> Option<Time> {
        self.prepared.get()?.at().map(Time::from)
    }

    /// Waits until the guest has started. False if the run ends without that.
    pub(crate) async fn started(&self) -> bool {
        let starting = async { self.prepared.wait().await.wait().await };
        tokio::select! {
            biased;
            _ = starting => true,
            _ = self.end.wait() => self.has_started(),
        }
    }

    /// Counts a caller that waits for the answer, until the guard is dropped. When the last one leaves before the guest has
    /// started, the run is stopped.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        Waiting::new(self)
    }

    /// Waits for the run's end.
    pub(crate) async fn ended(&self) -> RunEnd {
        self.end.wait().await.clone()
    }

    /// Cancels the run, queued or running. The first stop reason wins.
    pub(crate) fn cancel(&self) {
        let _ = self.stop.set(Stop::Cancelled);
    }

    /// Waits for the run's end on behalf of a caller. If every such caller leaves before the guest starts, the run is
    /// stopped.
    pub(crate) async fn awaited(&self) -> RunEnd {
        let _waiting = self.wait();
        self.ended().await
    }

    /// True once the guest has started.
    pub(crate) fn has_started(&self) -> bool {
        self.started_at().is_some()
    }

    /// The record of a run that is still in progress.
    pub(crate) fn record(&self) -> RunRecord {
        let started_at = self.started_at();
        RunRecord {
            run: self.run.clone(),
            cut: Vec::new(),
            status: match started_at {
                Some(_) => RunStatus::Running,
                None => RunStatus::Queued,
            },
            failure: None,
            usage: None,
            charged: 0,
            output: None,
            started_at,
            finished_at: None,
        }
    }
}

/// A caller that waits for a run. Dropping it means that the caller has left.
pub(crate) struct Waiting<'r>(&'r LiveRun);

impl<'r> Waiting<'r> {
    fn new(live: &'r LiveRun) -> Self {
        live.waiting.fetch_add(1, Ordering::AcqRel);
        Self(live)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let was_last = self.0.waiting.fetch_sub(1, Ordering::AcqRel) == 1;
        if was_last && !self.0.has_started() {
            let _ = self.0.stop.set(Stop::Abandoned);
        }
    }
}
