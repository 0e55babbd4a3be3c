//! Loaded tools: one load at a time for the same bytes, however many ask.

use super::state::Server;
use crate::problem::{Kind, Problem};
use moka::future::Cache;
use std::sync::Arc;
use tollgate_runtime::{Rejected, Tool};
use tollgate_store::{Digest, StoreError};

/// Tools that are kept loaded, bounded by the bytes they were loaded from.
pub(crate) struct Tools {
    loaded: Cache<Digest, (Tool, u32)>,
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
        Self { loaded }
    }

    /// Keeps a tool that was loaded to be judged.
    pub(crate) async fn keep(&self, digest: Digest, tool: Tool, wasm_bytes: usize) {
        let bytes = u32::try_from(wasm_bytes).unwrap_or(u32::MAX);
        self.loaded.insert(digest, (tool, bytes)).await;
    }

    /// The tool of these bytes.
    pub(crate) async fn load(&self, server: &Server, digest: Digest) -> Result<Tool, Problem> {
        let load = async {
            let wasm = server.store.tool(&digest).await?;
            let tool = server.runtime.load(&wasm).await?;
            Ok((tool, u32::try_from(wasm.len()).unwrap_or(u32::MAX)))
        };
        let loaded = self.loaded.try_get_with(digest, load).await;
        loaded
            .map(|(tool, _)| tool)
            .map_err(|error: Arc<LoadError>| match &*error {
                // The rules may have changed since it was admitted.
                LoadError::Rejected(rejected) => {
                    Problem::not_validated(rejected.violations.clone())
                }
                LoadError::Store(error) if error.is_refusing() => Problem::of(Kind::AtCapacity),
                LoadError::Store(error) => {
                    tracing::error!(%error, %digest, "a tool could not be read");
                    Problem::of(Kind::Internal)
                }
            })
    }
}
