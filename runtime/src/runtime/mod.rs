//! The state that all runs of a process share.

mod load;

use crate::limits::mappings::{self, TooFewMappings};
use crate::limits::{Limits, ProcessLimits, StaticLimits};
use crate::run::admission::Admission;
use crate::run::refused::Refused;
use crate::run::request::{Run, hold};
use crate::run::shared::{Shared, Tokio};
use crate::scheduler::Scheduler;
use crate::tool::artifacts::ArtifactCache;
use crate::tool::checks::Rules;
use crate::tool::compile::Compiler;
use crate::tool::loading::Loading;
use crate::tool::observer::Observer;
use crate::tool::setup::{HostImports, Setup};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_host_api::budget::Budget;
use tollgate_host_api::egress::network::{Network, NetworkConfig, NetworkError};
use tollgate_host_api::scratch::ScratchRoot;

/// How a runtime is set up. The defaults serve.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// The limits of every run; tools and callers only lower them.
    pub limits: Limits,
    /// What a tool may declare.
    pub fixed: StaticLimits,
    /// What all runs together may hold.
    pub process: ProcessLimits,
    /// Threads that guests run on. One a core.
    pub threads: NonZeroUsize,
    /// Where `/scratch` folders are made.
    pub scratch_folder: PathBuf,
    /// The caller's tokio, whose timers and sockets runs use; without one the runtime starts its own.
    pub tokio: Option<tokio::runtime::Handle>,
    /// How tools reach other machines, where their manifests allow it.
    pub network: NetworkConfig,
    /// Imports the host offers beside WASI.
    pub imports: Option<HostImports>,
    /// Where tools are compiled. In this process, unless a child is named.
    pub compiler: Compiler,
    /// Where compiled tools are kept for the next process. Nowhere, unless it is named.
    pub artifacts: Option<ArtifactCache>,
    /// Bytes of native code that stay loaded. 1 GiB.
    pub loaded_bytes: u64,
    /// Who hears of compiling and loading.
    pub observer: Option<Observer>,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            fixed: StaticLimits::default(),
            process: ProcessLimits::default(),
            threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            scratch_folder: PathBuf::from("/tmp"),
            tokio: None,
            network: NetworkConfig::default(),
            imports: None,
            compiler: Compiler::default(),
            artifacts: None,
            loaded_bytes: 1 << 30,
            observer: None,
        }
    }
}

/// The runtime could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine refused its configuration, or address space is short.
    #[error("the WebAssembly engine could not be started: {0}")]
    Engine(wasmtime::Error),
    /// The kernel allows too few memory mappings.
    #[error(transparent)]
    Mappings(#[from] TooFewMappings),
    /// Certificates that are none.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Threads or the scratch folder.
    #[error("the runtime could not be started: {0}")]
    System(#[from] std::io::Error),
}

/// Loads and runs tools. Clones share everything.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

impl Runtime {
    /// Starts the runtime's threads.
    pub fn new(config: RuntimeConfig) -> Result<Self, StartError> {
        let RuntimeConfig {
            limits,
            fixed,
            process,
            threads,
            scratch_folder,
            tokio,
            network,
            imports,
            compiler,
            artifacts,
            loaded_bytes,
            observer,
        } = config;
        mappings::check(&process)?;
        let network = Network::new(&network)?;
        let tokio = Tokio::new(tokio)?;
        let setup = Setup::new(limits, fixed, &process, imports).map_err(StartError::Engine)?;
        let setup = Arc::new(setup);
        let guest_memory = Budget::new("guest memory", process.guest_memory_bytes);
        let host_buffers = Budget::new("host buffers", process.host_buffer_bytes);
        let waiting_inputs = Budget::new("waiting inputs", process.host_buffer_bytes);
        let loading = Loading::new(
            &setup,
            &tokio.handle,
            compiler,
            artifacts,
            loaded_bytes,
            observer,
        )?;
        let shared = Shared {
            loading: Arc::new(loading),
            scheduler: Scheduler::new(threads.get(), &tokio.handle, &setup.engine)?,
            admission: Admission::new(
                process.slots(),
                process.queue,
                guest_memory,
                host_buffers.clone(),
            ),
            host_buffers,
            scratch_root: Arc::new(ScratchRoot::new(&scratch_folder)?),
            network,
            waiting_inputs,
            scratch: Budget::new("scratch", process.scratch_bytes),
            admission_wait: process.wait,
            setup,
            tokio,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Counts the run's input among those whose runs have not started: values take many times the bytes of
    /// their JSON. [`Tool::prepare`](crate::Tool::prepare) does so for a run that was not held; a caller that has to wait for something
    /// between reading an input and that does it first.
    ///
    /// An owner's may take half of [`ProcessLimits::host_buffer_bytes`](crate::ProcessLimits) and all of them together
    /// as much as that; beyond it the run is refused as [`Refused::AtCapacity`].
    pub fn hold(&self, run: Run) -> Result<Run, Refused> {
        hold(&self.shared.waiting_inputs, run)
    }

    /// From now on no run is admitted, and those that wait for a place are refused. The future waits, for as long as
    /// `patience`, until the runs under way have ended and what they held is gone; it says how many have not.
    pub fn drain(&self, patience: Duration) -> impl Future<Output = u32> + Send + use<> {
        self.shared.admission.close();
        let (shared, given_up_at) = (Arc::clone(&self.shared), Instant::now() + patience);
        async move {
            while shared.admission.runs() > 0 && Instant::now() < given_up_at {
                shared.tokio.sleep(Duration::from_millis(1)).await;
            }
            shared.admission.runs()
        }
    }

    /// Runs under way.
    pub fn runs(&self) -> u32 {
        self.shared.admission.runs()
    }

    /// How long the clock that deadlines are kept by has stood still; zero while it keeps time or nothing runs. A host
    /// that sees seconds here should end itself: guests may spin for ever.
    pub fn stalled_for(&self) -> Duration {
        self.shared.scheduler.stalled_for()
    }

    /// What tools are judged by.
    pub fn rules(&self) -> &Rules {
        &self.shared.setup.rules
    }
}
