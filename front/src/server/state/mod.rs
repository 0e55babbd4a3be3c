//! The state that all requests of one server share.

pub(crate) mod gate;
pub(crate) mod jobs;
pub(crate) mod live;
pub(crate) mod live_spans;
pub(crate) mod offer;
pub(crate) mod readiness;
pub(crate) mod slots;

use super::edge::body::Bodies;
use super::edge::rate::Rates;
use super::edge::turns::Turns;
use super::edge::unsent::Unsent;
use super::edge::unsent::showing::Showing;
use crate::config::Config;
use crate::problem::Problem;
use crate::terms::Widening;
use gate::Gate;
use jobs::Jobs;
use live::Live;
use moka::sync::Cache;
use offer::Offer;
use readiness::Readiness;
use slots::Slots;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tollgate_runtime::Runtime;
use tollgate_store::{OrgId, ReleaseId, Store};

/// Tools whose debug sections are read at once. Each reading may take some hundred MiB, even after its caller has left.
const SOURCES_AT_ONCE: usize = 2;
/// The most cached offers, one for each pair of active and accepted release.
const OFFERS: u64 = 65_536;

/// Bytes of memory for cached widenings.
const WIDENINGS_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes that a widening takes in memory for each byte of its JSON, at most.
const BYTES_PER_BYTE: usize = 8;
/// Bytes that a cached entry takes beside its widenings.
const WIDENING_BYTES: usize = 512;

/// One server's parts.
pub(crate) struct Server {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) runtime: Runtime,
    pub(crate) gate: Gate,
    pub(crate) live: Live,
    pub(crate) jobs: Jobs,
    pub(crate) slots: Arc<Slots>,
    pub(crate) bodies: Bodies,
    pub(crate) rates: Rates,
    pub(crate) unsent: Arc<Unsent>,
    pub(crate) readiness: Readiness,
    /// For reading debug sections.
    pub(crate) sources: Arc<Semaphore>,
    /// The offer for each pair of active and accepted release.
    pub(crate) within_terms: Cache<(ReleaseId, ReleaseId), Offer>,
    /// The terms that the first release, the active one, asks beyond the second, the accepted one.
    pub(crate) widenings: Cache<(ReleaseId, ReleaseId), Arc<Vec<Widening>>>,
    /// The turns of work that takes a core for long.
    pub(crate) turns: Arc<Turns>,
    is_draining: AtomicBool,
    is_stalled: AtomicBool,
}

/// The server, as handlers and tasks hold it.
pub(crate) type Shared = Arc<Server>;

impl Server {
    pub(crate) fn new(config: Config, store: Store, runtime: Runtime) -> Shared {
        let turns = Arc::<Turns>::default();
        Arc::new(Self {
            gate: Gate::default(),
            live: Live::default(),
            jobs: Jobs::new(config.async_runs),
            slots: Arc::default(),
            bodies: Bodies::new(config.body_bytes, Arc::clone(&turns)),
            rates: Rates::new(&config),
            readiness: Readiness::default(),
            unsent: Arc::new(Unsent::new(config.process().host_buffer_bytes)),
            sources: Arc::new(Semaphore::new(SOURCES_AT_ONCE)),
            within_terms: Cache::new(OFFERS),
            widenings: Cache::builder()
                .max_capacity(WIDENINGS_BYTES)
                .weigher(|_, widens: &Arc<Vec<Widening>>| weight(widens))
                .build(),
            turns,
            is_draining: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
            config,
            store,
            runtime,
        })
    }

    /// The turn of a caller's org to be given a long answer.
    pub(crate) async fn showing(&self, whose: (OrgId, bool)) -> Result<Showing, Problem> {
        Showing::new(&self.turns, &self.unsent, whose).await
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

fn weight(widens: &Vec<Widening>) -> u32 {
    let text = serde_json::to_string(widens).unwrap_or_default();
    u32::try_from(WIDENING_BYTES + text.len() * BYTES_PER_BYTE).unwrap_or(u32::MAX)
}
