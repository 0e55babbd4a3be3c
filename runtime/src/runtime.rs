//! What all runs of a process share.

use crate::admission::Admission;
use crate::artifacts::ArtifactCache;
use crate::checks::Rules;
use crate::compile::Compiler;
use crate::engine::engine;
use crate::lifted::Lifted;
use crate::limiter::Limiter;
use crate::limits::{Limits, ProcessLimits, StaticLimits};
use crate::loading::Loading;
use crate::mappings::{self, TooFewMappings};
use crate::observer::Observer;
use crate::scheduler::Scheduler;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_host_api::budget::Budget;
use tollgate_host_api::egress::network::{Network, NetworkConfig, NetworkError};
use tollgate_host_api::scratch::ScratchRoot;
use tollgate_host_api::{Guest, add_to_component_linker, add_to_module_linker};
use wasmtime::{Engine, component};

/// How long tokio's blocking threads, which guests' file calls run on, are kept for the next call.
const BLOCKING_THREAD_KEPT: Duration = Duration::from_secs(2);

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

/// Imports of the host's own, for components.
#[derive(Clone)]
pub struct HostImports {
    interfaces: Vec<String>,
    link: Arc<Link>,
}

type Link = dyn Fn(&mut component::Linker<Guest<RunState>>) -> wasmtime::Result<()> + Send + Sync;

impl HostImports {
    /// Offers `interfaces` (`package:name/interface@version`), which `link` defines.
    pub fn new(
        interfaces: impl IntoIterator<Item = impl Into<String>>,
        link: impl Fn(&mut component::Linker<Guest<RunState>>) -> wasmtime::Result<()>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self {
            interfaces: interfaces.into_iter().map(Into::into).collect(),
            link: Arc::new(link),
        }
    }
}

impl fmt::Debug for HostImports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HostImports")
            .field(&self.interfaces)
            .finish()
    }
}

/// What the runtime keeps in a run's store. A host's own imports find whom they serve here.
#[derive(Debug)]
pub struct RunState {
    pub(crate) limiter: Limiter,
    pub(crate) owner: Arc<str>,
    /// Of a call with values.
    pub(crate) lifted: Option<Lifted>,
}

impl RunState {
    /// Whom the run's turns are shared by.
    pub fn owner(&self) -> &str {
        &self.owner
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

/// One process's engine, threads and budgets.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) component_linker: component::Linker<Guest<RunState>>,
    pub(crate) module_linker: wasmtime::Linker<Guest<RunState>>,
    pub(crate) rules: Rules,
    pub(crate) admission: Arc<Admission>,
    pub(crate) loading: Loading,
    /// Of runs that have not started.
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
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
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
        let engine = engine(&limits, &fixed, &process).map_err(StartError::Engine)?;
        let mut component_linker = component::Linker::new(&engine);
        let mut module_linker = wasmtime::Linker::new(&engine);
        add_to_component_linker(&mut component_linker).map_err(StartError::Engine)?;
        add_to_module_linker(&mut module_linker).map_err(StartError::Engine)?;
        if let Some(imports) = &imports {
            (imports.link)(&mut component_linker).map_err(StartError::Engine)?;
        }
        let host_interfaces = imports
            .map(|imports| imports.interfaces)
            .unwrap_or_default();
        let guest_memory = Budget::new("guest memory", process.guest_memory_bytes);
        let host_buffers = Budget::new("host buffers", process.host_buffer_bytes);
        let waiting_inputs = Budget::new("waiting inputs", process.host_buffer_bytes);
        let rules = Rules {
            limits,
            fixed,
            host_interfaces,
        };
        let loading = Loading::new(&engine, &rules, compiler, artifacts, loaded_bytes, observer)?;
        let shared = Shared {
            loading,
            scheduler: Scheduler::new(threads.get(), &tokio.handle, &engine)?,
            admission: Admission::new(process.slots(), process.queue, guest_memory, host_buffers),
            scratch_root: Arc::new(ScratchRoot::new(&scratch_folder)?),
            network,
            waiting_inputs,
            scratch: Budget::new("scratch", process.scratch_bytes),
            rules,
            admission_wait: process.wait,
            engine,
            component_linker,
            module_linker,
            tokio,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
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
        &self.shared.rules
    }
}

/// Somebody's tokio, or our own.
pub(crate) struct Tokio {
    pub(crate) handle: tokio::runtime::Handle,
    own: Option<tokio::runtime::Runtime>,
}

impl Tokio {
    fn new(handle: Option<tokio::runtime::Handle>) -> std::io::Result<Self> {
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
    fn sleep(&self, duration: Duration) -> tokio::time::Sleep {
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
