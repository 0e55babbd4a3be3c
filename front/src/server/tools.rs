//! Loaded tools: one load at a time for the same bytes, however many ask.

use super::state::Shared;
use crate::problem::{Kind, Problem};
use moka::future::Cache;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tollgate_runtime::{Rejected, Tool};
use tollgate_store::{Digest, StoreError};

/// Loads under way at once. Each keeps a core busy for seconds where the tool is large.
const LOADS_MAX: usize = 2;

/// Tools that are kept loaded, bounded by the bytes they were loaded from.
pub(crate) struct Tools {
    loaded: Cache<Digest, (Tool, u32)>,
    loads: Semaphore,
}

#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

impl Tools {
    pub(crate) fn new(wasm_bytes_max: u64) -> Self {
        let loaded = Cache::builder()
            .max_capacity(wasm_bytes_max)
            .weigher(|_, (_, bytes): &(Tool, u32)| *bytes)
            .build();
        Self {
            loaded,
            loads: Semaphore::new(LOADS_MAX),
        }
    }

    /// Keeps a tool that was loaded to be judged.
    pub(crate) async fn keep(&self, digest: Digest, tool: Tool, wasm_bytes: usize) {
        let bytes = u32::try_from(wasm_bytes).unwrap_or(u32::MAX);
        self.loaded.insert(digest, (tool, bytes)).await;
    }

    /// The tool of these bytes.
    pub(crate) async fn get(&self, server: &Shared, digest: Digest) -> Result<Tool, Problem> {
        if let Some((tool, _)) = self.loaded.get(&digest).await {
            return Ok(tool);
        }
        // In a task: callers that leave, again and again, must not start it again and again.
        let loading = tokio::spawn(load(Arc::clone(server), digest));
        let loaded = loading.await.map_err(|_| Problem::of(Kind::Internal))?;
        loaded.map_err(|error| match &*error {
            // The rules may have changed since it was admitted.
            LoadError::Rejected(rejected) => Problem::not_validated(rejected.violations.clone()),
            LoadError::Store(error) if error.is_refusing() => Problem::of(Kind::AtCapacity),
            LoadError::Store(error) => {
                tracing::error!(%error, %digest, "a tool could not be read");
                Problem::of(Kind::Internal)
            }
        })
    }
}

async fn load(server: Shared, digest: Digest) -> Result<Tool, Arc<LoadError>> {
    let load = async {
        let _turn = server.tools.loads.acquire().await;
        let wasm = server.store.tool(&digest).await?;
        let tool = server.runtime.load(&wasm).await?;
        Ok((tool, u32::try_from(wasm.len()).unwrap_or(u32::MAX)))
    };
    let loaded = server.tools.loaded.try_get_with(digest, load).await;
    loaded.map(|(tool, _)| tool)
}
