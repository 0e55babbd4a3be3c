//! What all requests share.

use super::body::Bodies;
use super::gate::Gate;
use super::health::Readiness;
use super::idempotency::Slots;
use super::jobs::Jobs;
use super::live::Live;
use super::offer::Offer;
use super::quota;
use super::rate::Rates;
use super::source;
use super::turns::Turns;
use super::unsent::Unsent;
use crate::config::Config;
use crate::problem::{Kind, Problem};
use moka::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tollgate_runtime::Runtime;
use tollgate_store::{ReleaseId, Store, StoreError};

/// What runs for subscribers who have not accepted the active release is looked up once, of so many.
const OFFERS: u64 = 65_536;

/// One server's parts.
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) runtime: Runtime,
    pub(crate) gate: Gate,
    pub(crate) live: Live,
    pub(crate) jobs: Jobs,
    pub(crate) slots: Slots,
    pub(crate) bodies: Bodies,
    pub(crate) rates: Rates,
    pub(crate) unsent: Arc<Unsent>,
    pub(crate) readiness: Readiness,
    /// For reading debug sections.
    pub(crate) sources: Arc<Semaphore>,
    /// By the active release, and the one whose terms were agreed to: what runs.
    pub(crate) within_terms: Cache<(ReleaseId, ReleaseId), Offer>,
    /// For what takes a core for long.
    pub(crate) turns: Turns,
    is_draining: AtomicBool,
    is_stalled: AtomicBool,
}

/// The server, as handlers and tasks hold it.
pub(crate) type Shared = Arc<Server>;

impl Server {
    pub(crate) fn new(config: Config, store: Store, runtime: Runtime) -> Shared {
        Arc::new(Self {
            gate: Gate::default(),
            live: Live::default(),
            jobs: Jobs::new(config.async_runs),
            slots: Slots::default(),
            bodies: Bodies::new(config.body_bytes),
            rates: Rates::new(&config),
            readiness: Readiness::default(),
            unsent: Arc::new(Unsent::new(config.process().host_buffer_bytes)),
            sources: Arc::new(Semaphore::new(source::AT_ONCE)),
            within_terms: Cache::new(OFFERS),
            turns: Turns::default(),
            is_draining: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
            config,
            store,
            runtime,
        })
    }

    /// From now on nothing is started. Says how many runs are left after `patience`.
    pub(crate) fn drain(&self, patience: Duration) -> impl Future<Output = u32> {
        self.is_draining.store(true, Ordering::Release);
        self.runtime.drain(patience)
    }

    /// Whether deadlines are not kept.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Acquire)
    }

    /// Says what it was before.
    pub(crate) fn set_stalled(&self, is_stalled: bool) -> bool {
        self.is_stalled.swap(is_stalled, Ordering::AcqRel)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let StoreError::Full { what, limit } = &error {
            return quota::full(what, *limit);
        }
        if error.is_refusing() {
            tracing::warn!(%error, "the store refuses");
            Problem::of(Kind::AtCapacity)
        } else {
            tracing::error!(%error, "the store failed");
            Problem::of(Kind::Internal)
        }
    }
}
