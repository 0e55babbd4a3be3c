//! One file a command.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod completions;
pub(crate) mod diff;
pub(crate) mod inspect;
pub(crate) mod new;
mod new_file;
pub(crate) mod pack;
pub(crate) mod publish;
pub(crate) mod rotate;
pub(crate) mod run;
pub(crate) mod validate;

use crate::certificates;
use crate::compiled;
use crate::terminal;
use anyhow::Context;
use bytes::Bytes;
use std::num::NonZeroUsize;
use std::path::Path;
use tollgate_runtime::{NetworkConfig, ProcessLimits, Runtime, RuntimeConfig, Violation};
use tollgate_validator::Verdict;
use tollgate_validator::source::{self, SourceError};

/// A tool's bytes, or the violation that keeps them from being one. A file that is not there is an error.
fn read(tool: &Path) -> anyhow::Result<Result<Vec<u8>, Violation>> {
    match source::read(tool) {
        Ok(bytes) => Ok(Ok(bytes)),
        Err(SourceError::Invalid { violation, .. }) => Ok(Err(violation)),
        Err(error @ (SourceError::Unreadable { .. } | SourceError::NoTool(_))) => Err(error.into()),
    }
}

/// A runtime for one run.
fn runtime(mut network: NetworkConfig) -> anyhow::Result<Runtime> {
    network.roots_pem.extend(certificates::of_environment()?);
    let config = RuntimeConfig {
        process: ProcessLimits {
            runs: 8,
            ..ProcessLimits::default()
        },
        threads: NonZeroUsize::MIN,
        scratch_folder: std::env::temp_dir(),
        tokio: Some(tokio::runtime::Handle::current()),
        network,
        compiler: compiled::compiler(),
        artifacts: compiled::user_cache(),
        ..RuntimeConfig::default()
    };
    Runtime::new(config).context("cannot start the runtime")
}

/// The gate's verdict without the examples, with progress while a large tool compiles.
async fn judge(runtime: &Runtime, wasm: &[u8], tool: &Path) -> Verdict {
    let judging = tollgate_validator::judge(runtime, "", Bytes::copy_from_slice(wasm));
    with_progress(judging, wasm, tool).await
}

async fn with_progress<T>(judging: impl Future<Output = T>, wasm: &[u8], tool: &Path) -> T {
    // `.` says nothing of what it is.
    let whole = tool.canonicalize().unwrap_or_else(|_| tool.to_owned());
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    let progress = crate::terminal::late_progress(format!(
        "judging {} ({} KiB)",
        terminal::plain_lines(&name.to_string_lossy()),
        wasm.len() / 1024
    ));
    let verdict = judging.await;
    progress.finish_and_clear();
    verdict
}
