//! A server's parts are opened, its background work started, and both ended.

use crate::compiled;
use crate::config::Config;
use crate::server::catalogue::judge;
use crate::server::catalogue::tools;
use crate::server::edge::compilation;
use crate::server::runs::jobs;
use crate::server::state::{Server, Shared};
use anyhow::Context;
use rustix::fs::Mode;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tollgate_runtime::{ArtifactCache, Runtime, RuntimeConfig};
use tollgate_store::{KeyText, Settings, Store};

/// How often runs that wait too long, and callers that ask no more, are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(30);
/// How often what is old is forgotten, in such rounds.
const PURGE_EVERY_ROUNDS: u32 = 120;
/// How often a database that refuses writes is probed.
const PROBE_EVERY: Duration = Duration::from_millis(250);
/// How long a server that ends waits for the records of runs that have ended.
const RECORDS_PATIENCE: Duration = Duration::from_secs(2);
/// How often it looks whether there are any left.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

/// Opens the store and the runtime. On the first start there is a key for the operator.
pub(super) async fn start(config: Config) -> anyhow::Result<(Shared, Option<KeyText>)> {
    // What is made in the data folder is ours alone, also where the folder was there before.
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    let settings = Settings {
        folder: config.data.clone(),
        master_key: config.master_key.clone(),
        fee_basis_points: config.fee_basis_points,
        caps: config.quota.caps(),
    };
    let store = Store::open(settings).await?;
    let scratch_folder = config.data.join("scratch");
    std::fs::create_dir_all(&scratch_folder)
        .with_context(|| format!("cannot make {}", scratch_folder.display()))?;
    let runtime = Runtime::new(RuntimeConfig {
        limits: config.limits(),
        process: config.process(),
        threads: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        scratch_folder,
        tokio: Some(tokio::runtime::Handle::current()),
        network: config.egress.network()?,
        compiler: compiled::compiler(),
        artifacts: artifacts(&config),
        loaded_bytes: config.tool_cache_bytes,
        observer: Some(compilation::observer()),
        ..RuntimeConfig::default()
    })
    .context("cannot start the runtime")?;
    let operator_key = store.first_start(config.operator_key()?).await?;
    let lost = store.lose_running().await?;
    if lost > 0 {
        tracing::warn!(lost, "runs that a server before this one died at are lost");
    }
    Ok((Server::new(config, store, runtime), operator_key))
}

/// Where compiled tools are kept. A server that cannot keep any runs them all the same.
fn artifacts(config: &Config) -> Option<ArtifactCache> {
    let (folder, key_file) = (
        config.data.join("compiled"),
        config.data.join("compiled.key"),
    );
    match compiled::cache(folder, &key_file, config.compiled_bytes) {
        Ok(cache) => Some(cache),
        Err(error) => {
            let file = key_file.display();
            tracing::warn!(%error, %file, "compiled tools cannot be kept: each start compiles them again");
            None
        }
    }
}

/// Starts what works beside the requests: the gate, queued runs, compiling what is not compiled, and forgetting.
pub(super) async fn work(server: &Shared) -> anyhow::Result<()> {
    for (org, artifact) in server.store.pending_validations().await? {
        server.gate.ask(org, artifact);
    }
    for _ in 0..server.config.validations {
        tokio::spawn(judge::judge(Arc::clone(server)));
    }
    tokio::spawn(jobs::work(Arc::clone(server)));
    tokio::spawn(probe(Arc::clone(server)));
    tokio::spawn(tools::compile_missing(Arc::clone(server)));
    tokio::spawn(forget(Arc::clone(server)));
    Ok(())
}

/// While the database refuses writes, finds out whether it takes them again.
async fn probe(server: Shared) {
    while !server.is_draining() {
        server.store.until_refusing().await;
        while !server.is_draining() && !server.store.probe().await {
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }
}

/// Ends what waits too long, and forgets what is old.
async fn forget(server: Shared) {
    let retention = server.config.retention();
    let mut rounds = 0_u32;
    while !server.is_draining() {
        server.rates.forget();
        match server.store.expire_queued(retention).await {
            Ok(0) => {}
            Ok(expired) => tracing::warn!(expired, "runs waited too long and have expired"),
            Err(error) => tracing::warn!(%error, "runs that wait too long cannot be looked for"),
        }
        if rounds.is_multiple_of(PURGE_EVERY_ROUNDS)
            && let Err(error) = server.store.purge(retention).await
        {
            tracing::warn!(%error, "what is old cannot be forgotten");
        }
        match server.store.remove_unnamed_tools().await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "tools that nothing names are removed"),
            Err(error) => tracing::warn!(%error, "tools that nothing names cannot be removed"),
        }
        rounds = rounds.wrapping_add(1);
        tokio::time::sleep(EXPIRE_EVERY).await;
    }
}

/// Waits for runs under way, which may outlive their callers, and for their records. One that is not over by then is
/// `lost` at the next start.
pub(super) async fn finish(server: &Shared, drained: impl Future<Output = u32>) {
    judge::break_off(server).await;
    let left = drained.await;
    if left > 0 {
        tracing::warn!(left, "runs are still under way and will be lost");
        return;
    }
    let given_up_at = Instant::now() + RECORDS_PATIENCE;
    while server.live.count() > 0 && Instant::now() < given_up_at {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
}
