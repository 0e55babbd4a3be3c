//! Our side: the public library as a host uses it, and callers of it.

use crate::bare_wasi;
use crate::wait::block_on;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tollgate_runtime::{ArtifactCache, ArtifactKey, Run, Runtime, RuntimeConfig, Tool, ToolDigest};

/// How long runs that were cancelled may take to be gone.
const QUIET: Duration = Duration::from_secs(10);
/// How long neighbours have until they are measured beside: all have started and none is new.
const SETTLED: Duration = Duration::from_millis(500);

/// A runtime with its defaults, and one thread of tokio on which neighbours are called.
pub(crate) struct Ours {
    runtime: Runtime,
    pub(crate) callers: tokio::runtime::Runtime,
}

impl Ours {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Self::with(RuntimeConfig::default())
    }

    /// With what it compiles kept in a folder.
    pub(crate) fn keeping(folder: &Path) -> anyhow::Result<Self> {
        let artifacts = ArtifactCache {
            folder: folder.to_owned(),
            bytes_max: 4 << 30,
            key: ArtifactKey::new([7; 32]),
        };
        Self::with(RuntimeConfig {
            artifacts: Some(artifacts),
            ..RuntimeConfig::default()
        })
    }

    fn with(config: RuntimeConfig) -> anyhow::Result<Self> {
        let callers = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Runtime::new(config)?,
            callers,
        })
    }

    pub(crate) fn load(&self, wasm: &[u8]) -> anyhow::Result<Tool> {
        Ok(block_on(self.runtime.load(wasm))?)
    }

    /// A tool that is loaded already or kept in the folder.
    pub(crate) async fn load_known(&self, digest: ToolDigest) -> anyhow::Result<Tool> {
        let fetch = async { Err(std::io::Error::other("the tool was not kept")) };
        Ok(self.runtime.load_known(digest, "ours", fetch).await?)
    }

    /// Neighbours that each call again and again, once they have settled. `run` is given their number.
    pub(crate) fn neighbours(
        &self,
        count: usize,
        tool: &Tool,
        run: impl Fn(usize) -> Run + Clone + Send + 'static,
    ) -> Neighbours {
        let refused = Arc::new(AtomicU64::new(0));
        let neighbours = (0..count).map(|index| {
            let (tool, run, refused) = (tool.clone(), run.clone(), Arc::clone(&refused));
            self.callers.spawn(async move {
                loop {
                    if tool.run(run(index)).await.is_err() {
                        refused.fetch_add(1, Ordering::Relaxed);
                        tokio::task::yield_now().await;
                    }
                }
            })
        });
        let neighbours = Neighbours {
            running: neighbours.collect(),
            refused,
        };
        std::thread::sleep(SETTLED);
        neighbours
    }

    /// Ends the neighbours, and waits until nothing of them runs. How many of their runs were refused.
    pub(crate) fn quiet(&self, neighbours: Neighbours) -> anyhow::Result<u64> {
        for neighbour in &neighbours.running {
            neighbour.abort();
        }
        let given_up_at = Instant::now() + QUIET;
        while self.runtime.runs() > 0 {
            anyhow::ensure!(
                Instant::now() < given_up_at,
                "runs that were cancelled go on"
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(neighbours.refused.load(Ordering::Relaxed))
    }
}

/// Runs of others.
pub(crate) struct Neighbours {
    running: Vec<JoinHandle<()>>,
    refused: Arc<AtomicU64>,
}

/// A run of the no-op tool, for us.
pub(crate) fn no_op_run() -> Run {
    Run::new("same", json!({"value": 7})).owner("ours")
}

/// Calls the no-op tool.
pub(crate) async fn call_no_op(tool: &Tool) -> anyhow::Result<()> {
    let outcome = tool.run(no_op_run()).await?;
    match outcome.result {
        Ok(output) if output.value() == 7 => Ok(()),
        other => anyhow::bail!("the no-op tool ended with {other:?}"),
    }
}

/// Calls the tool that Rust built.
pub(crate) async fn call_units(tool: &Tool) -> anyhow::Result<()> {
    let run = Run::new(bare_wasi::FUNCTION, json!({"scale": "celsius"})).owner("ours");
    match tool.run(run).await?.result {
        Ok(output) if output.value() == -273.15 => Ok(()),
        other => anyhow::bail!("the tool of units ended with {other:?}"),
    }
}

/// A run that spins for as long as it may, each neighbour an owner of its own.
pub(crate) fn spinning_run(neighbour: usize) -> Run {
    Run::new("spin", json!({})).owner(format!("spinner-{neighbour}"))
}
