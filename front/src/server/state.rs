//! What all requests share.

use super::body::Bodies;
use super::gate::Gate;
use super::idempotency::Slots;
use super::jobs::Jobs;
use super::live::Live;
use crate::config::Config;
use crate::problem::{Kind, Problem};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tollgate_runtime::Runtime;
use tollgate_store::{Store, StoreError};

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
    is_draining: AtomicBool,
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
            is_draining: AtomicBool::new(false),
            config,
            store,
            runtime,
        })
    }

    /// From now on nothing is started.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.is_refusing() {
            tracing::warn!(%error, "the store refuses");
            Problem::of(Kind::AtCapacity)
        } else {
            tracing::error!(%error, "the store failed");
            Problem::of(Kind::Internal)
        }
    }
}
