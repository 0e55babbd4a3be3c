//! The state that all runs of a process share.

use crate::run::admission::Admission;
use crate::scheduler::Scheduler;
use crate::tool::loading::Loading;
use crate::tool::setup::Setup;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tollgate_host_api::budget::Budget;
use tollgate_host_api::egress::network::Network;
use tollgate_host_api::scratch::ScratchRoot;

/// How long tokio's blocking threads, which guests' file calls run on, are kept for the next call.
const BLOCKING_THREAD_KEPT: Duration = Duration::from_secs(2);

/// One process's engine, threads and budgets.
pub(crate) struct Shared {
    pub(crate) setup: Arc<Setup>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) loading: Arc<Loading>,
    pub(crate) host_buffers: Budget,
    /// The budget for inputs of runs that have not started.
    pub(crate) waiting_inputs: Budget,
    pub(crate) scratch: Budget,
    pub(crate) network: Arc<Network>,
    pub(crate) scratch_root: Arc<ScratchRoot>,
    pub(crate) scheduler: Scheduler,
    pub(crate) tokio: Tokio,
    pub(crate) admission_wait: Duration,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("rules", &self.setup.rules)
            .finish_non_exhaustive()
    }
}

/// Somebody's tokio, or our own.
pub(crate) struct Tokio {
    pub(crate) handle: tokio::runtime::Handle,
    own: Option<tokio::runtime::Runtime>,
}

impl Tokio {
    pub(crate) fn new(handle: Option<tokio::runtime::Handle>) -> std::io::Result<Self> {
        if let Some(handle) = handle {
            return Ok(Self { handle, own: None });
        }
        let own = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("tollgate-io")
            .thread_keep_alive(BLOCKING_THREAD_KEPT)
            .enable_all()
            .build()?;
        Ok(Self {
            handle: own.handle().clone(),
            own: Some(own),
        })
    }
}

impl Tokio {
    /// Sleeps by this tokio, whoever polls.
    pub(crate) fn sleep(&self, duration: Duration) -> tokio::time::Sleep {
        let _context = self.handle.enter();
        tokio::time::sleep(duration)
    }

    /// Ends by this tokio's clock, whoever polls.
    pub(crate) fn timeout<F: Future>(
        &self,
        duration: Duration,
        work: F,
    ) -> tokio::time::Timeout<F> {
        let _context = self.handle.enter();
        tokio::time::timeout(duration, work)
    }
}

impl Drop for Tokio {
    fn drop(&mut self) {
        // The last run may end on a thread of tokio's, which must not wait for itself.
        if let Some(own) = self.own.take() {
            own.shutdown_background();
        }
    }
}
