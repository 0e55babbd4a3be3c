//! What a run finds itself in: a store with everything it was granted, its input files placed.

use crate::guest::RunState;
use crate::guest::lifted::{Lifted, fuel, is_small};
use crate::guest::limiter::Limiter;
use crate::limits::size;
use crate::run::handle::Tool;
use crate::run::job::{Job, Request};
use crate::run::refused::Refused;
use crate::tool::Program;
use crate::violation::Violation;
use bytes::Bytes;
use std::collections::HashSet;
use std::mem::take;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tollgate_host_api::budget::Lease;
use tollgate_host_api::egress::EgressGrant;
use tollgate_host_api::exchange::RunSecrets;
use tollgate_host_api::logs::Logs;
use tollgate_host_api::scratch::Quota;
use tollgate_host_api::spans::Spans;
use tollgate_host_api::stdio::Output;
use tollgate_host_api::{Grants, Guest, Host};
use wasmtime::Store;

/// Handles a component's own resources may take beside the host's. Enough for honest tools.
const COMPONENT_HANDLES_MAX: usize = 16 * 1024;

/// Where what a run says goes.
pub(crate) struct Said {
    pub(crate) logs: Logs,
    pub(crate) spans: Spans,
    pub(crate) output: Option<Output>,
}

/// The store with everything the run was granted, and its input files placed.
pub(crate) async fn surroundings(
    tool: &Tool,
    job: &mut Job,
    memory: Lease,
    values: Option<Lease>,
    said: &Said,
) -> Result<Store<Guest<RunState>>, Refused> {
    let secrets = RunSecrets::new(take(&mut job.secrets));
    let (limits, shared) = (&job.limits, &tool.shared);
    let (arguments, input, files) = match &mut job.request {
        Request::Typed { .. } => (Vec::new(), Vec::new(), Vec::new()),
        Request::Command(call) => (
            take(&mut call.arguments),
            take(&mut call.stdin),
            take(&mut call.files),
        ),
    };
    let scratch = if tool.compiled.admissible.uses_files && limits.scratch_bytes > 0 {
        let quota = Quota::new(
            limits.scratch_bytes,
            limits.scratch_entries,
            shared.scratch.lease(&job.owner),
        );
        Some(shared.scratch_root.scratch(quota))
    } else {
        None
    };
    let quota = scratch.as_ref().map(|scratch| Arc::clone(scratch.quota()));
    let mut host = Host::new(Grants {
        arguments,
        environment: take(&mut job.environment),
        input: Bytes::from(input),
        output: said.output.clone(),
        logs: said.logs.clone(),
        scratch,
        egress: Some(egress(tool, job, secrets, said.spans.clone())),
        handles_max: size(limits.handles),
    });
    // A module's folders are asked for by every program at its start, a component's by few.
    let is_module = matches!(tool.compiled.program, Program::Module(_));
    if is_module || !files.is_empty() {
        let folder = host.open_scratch().map_err(|_| Refused::Internal)?;
        if let (Some(folder), Some(quota)) = (folder, quota) {
            place_files(folder.to_owned(), &quota, files).await?;
        }
    }
    let limiter = Limiter::new(
        limits.memory_bytes,
        shared.setup.rules.fixed.table_elements,
        memory,
    );
    let run = RunState {
        limiter,
        owner: Arc::clone(&job.owner),
        lifted: values.map(|lease| Lifted::new(lease, limits.call_bytes)),
    };
    let mut store = Store::new(&shared.setup.engine, Guest { host, run });
    store.limiter(|guest| &mut guest.run.limiter);
    let result = job.request.result_type(tool.interface());
    store.set_hostcall_fuel(size(fuel(result, limits.call_bytes)));
    store.set_max_component_handles(COMPONENT_HANDLES_MAX);
    if result.is_some_and(|ty| !is_small(ty)) {
        store.call_hook(|mut store, border| {
            if let Some(lifted) = &mut store.data_mut().run.lifted {
                lifted.cross(border);
            }
            Ok(())
        });
    }
    Ok(store)
}

/// Of the network a run is granted what its manifest declares. A tool without any is refused each request.
fn egress(tool: &Tool, job: &Job, secrets: RunSecrets, spans: Spans) -> EgressGrant {
    EgressGrant {
        network: Arc::clone(&tool.shared.network),
        owner: Arc::clone(&job.owner),
        recorded: job.recorded.clone(),
        allow: Arc::clone(&tool.compiled.allow),
        secrets: Arc::new(secrets),
        requests_max: job.limits.egress_requests,
        bytes_max: job.limits.egress_bytes,
        spans,
    }
}

async fn place_files(
    root: PathBuf,
    quota: &Quota,
    files: Vec<(String, Vec<u8>)>,
) -> Result<(), Refused> {
    if files.is_empty() {
        return Ok(());
    }
    let too_much = |_| {
        let message = "the input's files are more than /scratch may hold";
        Refused::InputInvalid(vec![Violation::new("input_invalid", message)])
    };
    let above = files
        .iter()
        .flat_map(|(path, _)| Path::new(path).ancestors().skip(1));
    let folders: HashSet<_> = above.filter(|it| !it.as_os_str().is_empty()).collect();
    for _ in &folders {
        quota.create().map_err(too_much)?;
    }
    for (_, bytes) in &files {
        quota.create().map_err(too_much)?;
        quota.write(0, bytes.len() as u64).map_err(too_much)?;
    }
    let placing = tokio::task::spawn_blocking(move || {
        for (path, bytes) in files {
            let path = root.join(path);
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::write(path, bytes)?;
        }
        std::io::Result::Ok(())
    });
    match placing.await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Refused::Internal),
    }
}
