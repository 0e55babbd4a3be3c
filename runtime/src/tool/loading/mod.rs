//! From a tool's bytes, or only their digest, to a tool: once, however many ask, and kept.

mod asking;
mod judged;
mod loaded;
mod turn_queue;

use crate::digest::ToolDigest;
use crate::limits::LOADED_MAX;
use crate::tool::Compiled;
use crate::tool::artifacts::{ArtifactCache, ArtifactRefusal, Artifacts, Kept, set_identity};
use crate::tool::checks::Admissible;
use crate::tool::compile::{CompileFailure, Compiler, Order};
use crate::tool::native::NativeCode;
use crate::tool::observer::{Observed, Observer};
use crate::tool::rejected::Rejected;
use crate::tool::setup::Setup;
use crate::violation::Violation;
use asking::{Asking, Asks};
use bytes::Bytes;
pub use judged::{FetchError, Judged, LoadError};
use loaded::LoadedByOwner;
use moka::future::Cache;
use rustix::process::Resource;
use std::collections::HashSet;
use std::fs::File;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Instant;
use tokio::runtime::Handle;
use turn_queue::TurnQueue;

/// Each holds its file open, too: they take at most one in so many that the process may open.
const FILES_SHARE: u64 = 2;
/// Concurrent compilations. Each owner has at most one.
const COMPILED_AT_ONCE: usize = 2;
/// Minimum number of threads that judge, link and read kept files. With one, a large tool would delay everyone.
const LOADERS_MIN: usize = 2;

/// What a runtime has loaded, and what it needs to load more.
pub(crate) struct Loading {
    setup: Arc<Setup>,
    tokio: Handle,
    tools: Cache<ToolDigest, Arc<Compiled>>,
    artifacts: Option<Artifacts>,
    by_owner: Arc<LoadedByOwner>,
    /// What a tool weighs at least, so that there are not too many.
    weight_least: u64,
    compiler: Compiler,
    compiling: TurnQueue,
    /// Reads, judges and links tools.
    loading: TurnQueue,
    asking: Asking,
    observer: Option<Observer>,
}

/// Where a tool comes from that is neither loaded nor kept.
pub(crate) enum Source {
    Judged(Box<Judged>),
    Bytes(Bytes),
    Fetch(Pin<Box<dyn Future<Output = Result<Bytes, FetchError>> + Send>>),
}

impl Loading {
    pub(crate) fn new(
        setup: &Arc<Setup>,
        tokio: &Handle,
        compiler: Compiler,
        artifacts: Option<ArtifactCache>,
        loaded_bytes: u64,
        observer: Option<Observer>,
    ) -> std::io::Result<Self> {
        let files = rustix::process::getrlimit(Resource::Nofile).current;
        let tools = files.map_or(LOADED_MAX, |files| LOADED_MAX.min(files / FILES_SHARE));
        let least = loaded_bytes / tools.max(1);
        let weight = move |tool: &Compiled| tool.weight.max(least);
        let by_owner = Arc::new(LoadedByOwner::new(loaded_bytes));
        let removed = Arc::clone(&by_owner);
        let cores = available_parallelism().map_or(1, NonZeroUsize::get);
        let identity = set_identity(&setup.engine, &setup.rules);
        Ok(Self {
            setup: Arc::clone(setup),
            tokio: tokio.clone(),
            tools: Cache::builder()
                .max_capacity(loaded_bytes)
                .weigher(move |_: &ToolDigest, tool: &Arc<Compiled>| {
                    u32::try_from(weight(tool)).unwrap_or(u32::MAX)
                })
                .eviction_listener(move |tool, _, _| removed.remove(&tool))
                .build(),
            by_owner,
            weight_least: least,
            artifacts: artifacts.map(|cache| Artifacts::new(cache, identity)),
            compiler,
            compiling: TurnQueue::new("tollgate-compile", COMPILED_AT_ONCE)?,
            loading: TurnQueue::new("tollgate-load", cores.max(LOADERS_MIN))?,
            asking: Asking::default(),
            observer,
        })
    }

    /// Notes that an owner asks for a tool, until the guard is dropped. A tool that another owner asked for first also waits
    /// in this owner's turn.
    fn ask(&self, digest: ToolDigest, owner: &Arc<str>) -> Asks<'_> {
        if self.asking.add(digest, owner) {
            self.compiling.also(digest, owner);
            self.loading.also(digest, owner);
        }
        Asks {
            asking: &self.asking,
            digest,
            owner: Arc::clone(owner),
        }
    }

    /// Counts a tool with its owner's, of which the oldest go where they are too many.
    async fn count(&self, owner: &Arc<str>, digest: ToolDigest, tool: &Compiled) {
        let weight = tool.weight.max(self.weight_least);
        for over in self.by_owner.add(owner, digest, weight) {
            self.tools.invalidate(&over).await;
        }
    }

    /// Compiles a tool in the first turn of those who ask for it.
    async fn compile(
        self: &Arc<Self>,
        digest: ToolDigest,
        order: Order,
    ) -> Result<File, CompileFailure> {
        let this = Arc::clone(self);
        let work = move || this.compiler.compile(&this.setup.engine, &order);
        let code = self
            .compiling
            .work(digest, || self.asking.owners(&digest), work)
            .await;
        code.unwrap_or_else(|| {
            Err(CompileFailure::CouldNotRun(
                "its thread has ended".to_owned(),
            ))
        })
    }

    /// Does work on a tool in the first turn of those who ask for it. Work that panics rejects the tool.
    async fn work<T: Send + 'static>(
        &self,
        digest: ToolDigest,
        work: impl FnOnce() -> Result<T, Rejected> + Send + 'static,
    ) -> Result<T, Rejected> {
        let done = self
            .loading
            .work(digest, || self.asking.owners(&digest), work)
            .await;
        done.unwrap_or_else(|| Err(Rejected::could_not_judge()))
    }

    fn observe(&self, observed: Observed) {
        if let Some(observer) = &self.observer {
            observer.observe(&observed);
        }
    }

    /// What is kept of a tool. A file that is not believed is none.
    fn kept(&self, digest: &ToolDigest) -> Option<Kept> {
        let artifacts = self.artifacts.as_ref()?;
        match artifacts.open(digest) {
            Ok(kept) => kept,
            Err(reason) => {
                self.refuse(artifacts, digest, reason);
                None
            }
        }
    }

    fn refuse(&self, artifacts: &Artifacts, digest: &ToolDigest, reason: ArtifactRefusal) {
        artifacts.remove(digest);
        let path = artifacts.path(digest);
        self.observe(Observed::Refused { path, reason });
    }
}

impl Loading {
    /// The tool with that digest, where it is loaded.
    pub(crate) async fn loaded(&self, digest: &ToolDigest) -> Option<Arc<Compiled>> {
        self.tools.get(digest).await
    }

    /// Whether a tool can be loaded without being compiled, as far as can be told without looking into its file.
    pub(crate) fn is_kept(&self, digest: &ToolDigest) -> bool {
        let is_file = |artifacts: &Artifacts| artifacts.path(digest).is_file();
        self.tools.contains_key(digest) || self.artifacts.as_ref().is_some_and(is_file)
    }

    /// Judges a tool. One that is loaded or kept was judged already.
    pub(crate) async fn judge(self: &Arc<Self>, wasm: Bytes) -> Result<Judged, Rejected> {
        let digest = self.digest(wasm.clone()).await?;
        let loaded = self.loaded(&digest).await;
        let this = Arc::clone(self);
        let judging = move || {
            let found = match loaded {
                Some(compiled) => Some(compiled.admissible.clone()),
                None => this.kept(&digest).map(|kept| kept.admissible),
            };
            let admissible = match found {
                Some(admissible) => admissible,
                None => this.judged(&wasm)?,
            };
            Ok(Judged {
                digest,
                wasm,
                admissible,
            })
        };
        self.on_a_thread(judging).await
    }

    /// Does work where it may take its time. Work that does not come to its end admits nothing.
    pub(crate) async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Rejected> + Send + 'static,
    ) -> Result<T, Rejected> {
        let working = self.tokio.spawn_blocking(work);
        working
            .await
            .unwrap_or_else(|_| Err(Rejected::could_not_judge()))
    }

    pub(crate) async fn digest(&self, wasm: Bytes) -> Result<ToolDigest, Rejected> {
        self.on_a_thread(move || Ok(ToolDigest::of(&wasm))).await
    }

    /// The tool of bytes that are at hand. Somebody else's fetch of the same tool may fail at the same time, which
    /// is no answer here.
    pub(crate) async fn get_certainly(
        self: &Arc<Self>,
        digest: ToolDigest,
        owner: Arc<str>,
        source: impl Fn() -> Source,
    ) -> Result<Arc<Compiled>, Rejected> {
        loop {
            match self.get(digest, Arc::clone(&owner), source()).await {
                Ok(tool) => return Ok(tool),
                Err(LoadError::Rejected(rejected)) => return Err(rejected),
                Err(LoadError::Fetch(_)) => {}
            }
        }
    }

    /// A tool, loaded once however many ask at the same time.
    pub(crate) async fn get(
        self: &Arc<Self>,
        digest: ToolDigest,
        owner: Arc<str>,
        source: Source,
    ) -> Result<Arc<Compiled>, LoadError> {
        if let Some(tool) = self.loaded(&digest).await {
            return Ok(tool);
        }
        // In a task: callers that leave, again and again, must not start it again and again.
        let this = Arc::clone(self);
        let loading = self.tokio.spawn(async move {
            let _asking = this.ask(digest, &owner);
            let making = this.make(digest, Arc::clone(&owner), source);
            let loaded = this.tools.try_get_with(digest, making).await?;
            this.count(&owner, digest, &loaded).await;
            Ok(loaded)
        });
        let loaded = loading.await.map_err(|_| Rejected::could_not_judge())?;
        loaded.map_err(|error: Arc<LoadError>| LoadError::clone(&error))
    }

    /// Out of its kept file, else compiled.
    async fn make(
        self: &Arc<Self>,
        digest: ToolDigest,
        owner: Arc<str>,
        source: Source,
    ) -> Result<Arc<Compiled>, LoadError> {
        let this = Arc::clone(self);
        let kept = self.work(digest, move || Ok(this.load_kept(digest)));
        if let Some(kept) = kept.await? {
            return Ok(Arc::new(kept));
        }
        let (wasm, admissible) = match source {
            Source::Judged(judged) => (judged.wasm, judged.admissible),
            Source::Bytes(wasm) => self.judge_bytes(digest, wasm).await?,
            Source::Fetch(fetch) => {
                let wasm = fetch.await.map_err(LoadError::Fetch)?;
                self.judge_bytes(digest, wasm).await?
            }
        };
        let started = Instant::now();
        let order = Order {
            kind: admissible.kind,
            wasm,
        };
        let compiled = self.compile(digest, order).await;
        let compiled = compiled.map_err(|failure| failure.violation());
        self.observe(Observed::Compiled {
            digest,
            took: started.elapsed(),
            failure: compiled.as_ref().err().map(|violation| violation.code),
        });
        let code = compiled.map_err(one)?;
        let (this, whose) = (Arc::clone(self), Arc::clone(&owner));
        let linking = move || this.link_and_keep((digest, &whose), admissible, code);
        Ok(Arc::new(self.work(digest, linking).await?))
    }

    /// Bytes that are not the ones asked for would be kept under another tool's name.
    async fn judge_bytes(
        self: &Arc<Self>,
        digest: ToolDigest,
        wasm: Bytes,
    ) -> Result<(Bytes, Admissible), Rejected> {
        let this = Arc::clone(self);
        let judging = move || {
            if ToolDigest::of(&wasm) != digest {
                return Err(Rejected::could_not_judge());
            }
            let admissible = this.judged(&wasm)?;
            Ok((wasm, admissible))
        };
        self.work(digest, judging).await
    }

    fn judged(&self, wasm: &[u8]) -> Result<Admissible, Rejected> {
        let Setup { engine, rules, .. } = &*self.setup;
        let judged = self.compiler.judge(engine, rules, wasm);
        judged.map_err(|violations| Rejected { violations })
    }

    fn load_kept(&self, digest: ToolDigest) -> Option<Compiled> {
        let started = Instant::now();
        let kept = self.kept(&digest)?;
        // SAFETY: the file's keyed hash was checked when it was opened.
        let code = unsafe { NativeCode::trusted(&kept.file) };
        match Compiled::link(&self.setup, kept.admissible, code, kept.code_bytes) {
            Ok(compiled) => {
                let took = started.elapsed();
                self.observe(Observed::Loaded { digest, took });
                Some(compiled)
            }
            // Ours, and yet the engine does not take it: whatever it is, it is made again.
            Err(violation) => {
                let reason = ArtifactRefusal::Unusable(violation.message);
                if let Some(artifacts) = &self.artifacts {
                    self.refuse(artifacts, &digest, reason);
                }
                None
            }
        }
    }

    /// Links new code out of the file it is kept in, which has its name only once that has worked. A tool that cannot be
    /// kept is linked out of memory.
    fn link_and_keep(
        &self,
        (digest, owner): (ToolDigest, &str),
        admissible: Admissible,
        code: File,
    ) -> Result<Compiled, Rejected> {
        let not_kept = |error: std::io::Error| {
            let error = error.to_string();
            self.observe(Observed::NotKept { digest, error });
        };
        let code_bytes = code.metadata().map_or(0, |about| about.len());
        let written = self.artifacts.as_ref().and_then(|artifacts| {
            let written = artifacts.write(&digest, &admissible, &code);
            Some((artifacts, written.map_err(not_kept).ok()?))
        });
        let Some((artifacts, unnamed)) = written else {
            // SAFETY: the compiler has just written it.
            let code = unsafe { NativeCode::trusted(&code) };
            return Compiled::link(&self.setup, admissible, code, code_bytes).map_err(one);
        };
        // SAFETY: it is a copy of what the compiler has just written.
        let code = unsafe { NativeCode::trusted(unnamed.file()) };
        let compiled = Compiled::link(&self.setup, admissible, code, code_bytes);
        let compiled = compiled.map_err(one)?;
        let loaded: HashSet<_> = self.tools.iter().map(|it| it.0.to_string()).collect();
        if let Err(error) = artifacts.keep(&digest, owner, unnamed, |tool| loaded.contains(tool)) {
            not_kept(error);
        }
        Ok(compiled)
    }
}

fn one(violation: Violation) -> Rejected {
    Rejected {
        violations: vec![violation],
    }
}
