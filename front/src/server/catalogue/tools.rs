//! Tools as runs need them, and those that are not compiled when the server starts.

use crate::problem::{Kind, Problem};
use crate::server::state::Shared;
use std::sync::Arc;
use tollgate_runtime::{LoadError, Rejected, Tool, ToolDigest};
use tollgate_store::{Digest, OrgId, StoreError};

/// Whose turns are taken by what nobody waits for.
const NOBODY: &str = "nobody";

/// The tool of these bytes, compiled in the org's turn where it has to be.
pub(crate) async fn load(server: &Shared, digest: Digest, org: OrgId) -> Result<Tool, Problem> {
    if let Some(tool) = server.runtime.loaded(&named(digest)).await {
        return Ok(tool);
    }
    let loaded = Box::pin(load_for(server, digest, &org.to_string())).await;
    loaded.map_err(|error| match error {
        LoadError::Rejected(rejected) if is_our_fault(&rejected) => {
            tracing::error!(%digest, %rejected, "an admitted tool could not be compiled");
            Problem::of(Kind::Internal)
        }
        // The rules may have changed since it was admitted.
        LoadError::Rejected(rejected) => Problem::not_validated(rejected.violations),
        LoadError::Fetch(error) => match error.downcast_ref::<StoreError>() {
            Some(error) if error.is_refusing() => Problem::of(Kind::AtCapacity),
            _ => {
                tracing::error!(%error, %digest, "a tool could not be read");
                Problem::of(Kind::Internal)
            }
        },
    })
}

async fn load_for(server: &Shared, digest: Digest, owner: &str) -> Result<Tool, LoadError> {
    let name = named(digest);
    let fetching = Arc::clone(server);
    let fetch = async move { fetching.store.tool(&digest).await };
    server.runtime.load_known(name, owner, fetch).await
}

fn named(digest: Digest) -> ToolDigest {
    ToolDigest::from(digest.sha256())
}

/// A check that could not be run says nothing of the tool.
fn is_our_fault(rejected: &Rejected) -> bool {
    let mut violations = rejected.violations.iter();
    violations.any(|violation| violation.code == "check_failed")
}

/// Compiles active releases that are not compiled, as after an upgrade: one at a time, the most used first, so that
/// few callers have to wait for their own.
pub(crate) async fn compile_missing(server: Shared) {
    if let Err(error) = compile_all(&server).await {
        tracing::warn!(%error, "active releases cannot be read; each is compiled when it is called");
    }
}

async fn compile_all(server: &Shared) -> Result<(), StoreError> {
    for digest in server.store.digests_of_latest_runs().await? {
        compile(server, digest).await;
    }
    let mut last = None;
    // One query per tool: a catalogue may have a million, and a list of them all would stay in memory.
    while let Some(digest) = server.store.active_digest_after(last).await? {
        if server.is_draining() {
            break;
        }
        compile(server, digest).await;
        last = Some(digest);
    }
    Ok(())
}

async fn compile(server: &Shared, digest: Digest) {
    if server.is_draining() || server.runtime.is_kept(&named(digest)) {
        return;
    }
    if let Err(error) = load_for(server, digest, NOBODY).await {
        tracing::warn!(%error, %digest, "an active release could not be compiled");
    }
}
