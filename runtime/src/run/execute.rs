//! A run on the runtime's own threads: from an admitted request to its outcome.

use crate::guest::RunState;
use crate::guest::lifted::{AtTurnsEnd, Lifted};
use crate::limits::size;
use crate::run::admission::Admitted;
use crate::run::handle::Tool;
use crate::run::invoke::{Returned, call};
use crate::run::job::{Job, Request};
use crate::run::outcome::classify::{Circumstances, DeadlinePassed, Ended, classify, timed_out};
use crate::run::outcome::output::{collect_files, command_output, missing_file, typed_output};
use crate::run::outcome::profile::Sampler;
use crate::run::outcome::{Failure, FailureKind, Outcome, Room};
use crate::run::refused::Refused;
use crate::run::surroundings::{Said, surroundings};
use crate::scheduler::{Meter, Metered, Spent, end_in_fresh_tier};
use crate::usage::{Usage, micros};
use crate::value::Json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tollgate_host_api::Guest;
use tollgate_host_api::budget::Lease;
use tollgate_host_api::logs::{LogLimits, LogLine, LogStream, Logs};
use tollgate_host_api::spans::Spans;
use tollgate_host_api::stdio::Output;
use wasmtime::{Store, UpdateDeadline};

/// The last bytes of standard error that go with a failure.
const DIAGNOSTICS_BYTES_MAX: usize = 4 * 1024;

pub(crate) async fn execute(
    tool: Tool,
    mut job: Job,
    admitted: Admitted,
    meter: Arc<Meter>,
    asked_at: Instant,
) -> Result<Outcome, Refused> {
    let load_started = Instant::now();
    // Dropped in the reverse order: a place is given to the next run when nothing of this one is left.
    let Admitted {
        place,
        memory,
        buffers,
    } = admitted;
    let (said, values) = said(&job, buffers);
    let mut store = surroundings(&tool, &mut job, memory, values, &said).await?;

    job.started.mark();
    let started = Instant::now();
    let sampler = job.is_profiled.then(|| Sampler::new(&meter, started));
    let (ended, spent) = run_guest(&tool, &mut store, &job, &meter, started, &sampler).await;
    let profile = sampler.map(|sampler| sampler.finish());
    // Before anything is waited for: values take many times the bytes of their output.
    let ended = ended.map(|returned| match returned {
        Returned::Typed(value) => {
            let ty = job.request.result_type(tool.interface());
            Some(typed_output(ty, value, &job.limits))
        }
        Returned::Command => None,
    });
    end_in_fresh_tier(&meter).await;
    let result = match ended {
        Ok(Some(output)) => output,
        Ok(None) => {
            let scratch = store.data().host.scratch_path().map(Path::to_owned);
            finish_command(scratch, &job, said.output).await
        }
        Err(Ended::Exit(code)) => Err(exited(code)),
        Err(Ended::Failed(failure)) => Err(failure),
        Err(Ended::AtCapacity) => return Err(Refused::AtCapacity),
    };
    let usage = usage(
        &store,
        &said.logs,
        spent,
        load_started - asked_at,
        started - load_started,
    );
    drop(store);
    drop(place);
    let lines = said.logs.take_lines();
    let result = result.map_err(|failure| Failure {
        diagnostics: diagnostics(&lines),
        ..failure
    });
    let mut outcome = Outcome {
        result,
        usage,
        started_at: job.started.at().unwrap_or_else(SystemTime::now),
        logs: lines,
        requests: said.spans.take(),
        profile,
        room: Room::default(),
    };
    let room = tool.shared.host_buffers.lease(&job.owner);
    outcome.room = Room::take(room, outcome.text()).map_err(|_| Refused::AtCapacity)?;
    Ok(outcome)
}

/// Where what the guest says goes. Room in the host's buffers is standard output's, or the input's, to be kept until the
/// end.
fn said(job: &Job, buffers: Lease) -> (Said, Option<Lease>) {
    let logs = Logs::new(LogLimits {
        lines_max: size(job.limits.log_lines),
        bytes_max: size(job.limits.log_bytes),
    });
    let (output, input) = match job.request {
        Request::Typed { .. } => (None, Some(buffers)),
        Request::Command(_) => {
            let bytes_max = size(job.limits.output_bytes);
            (Some(Output::new(bytes_max, buffers)), None)
        }
    };
    let said = Said {
        logs,
        spans: Spans::default(),
        output,
    };
    (said, input)
}

/// The guest's own time, from its start to its end, under one deadline. Spinning it is stopped by the epoch,
/// suspended or waiting for a turn by the scheduler's alarm.
async fn run_guest(
    tool: &Tool,
    store: &mut Store<Guest<RunState>>,
    job: &Job,
    meter: &Arc<Meter>,
    started: Instant,
    sampler: &Option<Arc<Sampler>>,
) -> (Result<Returned, Ended>, Spent) {
    let timeout = job.limits.timeout;
    let deadline = started + timeout;
    store.data_mut().host.end_at(deadline);
    let sampler = sampler.clone();
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        if let Some(sampler) = &sampler {
            sampler.sample(&store);
        }
        if Instant::now() >= deadline {
            return Err(DeadlinePassed.into());
        }
        let lifted = store.data_mut().run.lifted.as_mut();
        match lifted.map_or(Ok(AtTurnsEnd::Suspend), Lifted::end_turn)? {
            AtTurnsEnd::Suspend => Ok(UpdateDeadline::Yield(1)),
            AtTurnsEnd::GoOn => Ok(UpdateDeadline::Continue(1)),
        }
    });
    let guest = call(tool, store, &job.request, meter);
    let scheduler = &tool.shared.scheduler;
    let guest = Metered::new(guest, Arc::clone(meter), scheduler, started, deadline);
    let (ended, spent) = guest.await;
    let ended = ended.unwrap_or_else(|| Err(DeadlinePassed.into()));
    let circumstances = Circumstances {
        refused: store.data().run.limiter.refused(),
        is_past_deadline: Instant::now() >= deadline,
        timeout,
    };
    let ended = match ended {
        Ok(_) if circumstances.is_past_deadline => Err(Ended::Failed(timed_out(timeout))),
        Ok(returned) => Ok(returned),
        Err(error) => match classify(&error, circumstances) {
            Ended::Exit(0) => Ok(Returned::Command),
            ended => Err(ended),
        },
    };
    (ended, spent)
}

async fn finish_command(
    scratch: Option<PathBuf>,
    job: &Job,
    stdout: Option<Output>,
) -> Result<Json, Failure> {
    let Request::Command(call) = &job.request else {
        return Err(Failure::new(
            FailureKind::Abi,
            "the function exited instead of returning",
        ));
    };
    let stdout = stdout.map(|output| output.take()).unwrap_or_default();
    let files = match (scratch, call.outputs.first()) {
        (_, None) => None,
        (Some(root), Some(_)) => {
            let room = job.limits.output_bytes - stdout.len() as u64;
            Some(collected(root, &call.outputs, room).await?)
        }
        (None, Some(name)) => return Err(missing_file(name)),
    };
    command_output(&stdout, files, job.limits.output_bytes)
}

async fn collected(
    root: PathBuf,
    names: &[String],
    room: u64,
) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let names = names.to_vec();
    let collecting = tokio::task::spawn_blocking(move || collect_files(&root, &names, room));
    collecting.await.unwrap_or_else(|_| {
        Err(Failure::new(
            FailureKind::Internal,
            "the host failed to collect files",
        ))
    })
}

fn exited(code: u32) -> Failure {
    let message = format!("the command exited with code {code}");
    Failure {
        exit_code: Some(code),
        ..Failure::new(FailureKind::Exit, message)
    }
}

fn usage(
    store: &Store<Guest<RunState>>,
    logs: &Logs,
    spent: Spent,
    queued: std::time::Duration,
    loaded: std::time::Duration,
) -> Usage {
    let guest = store.data();
    let egress = guest.host.egress_usage();
    let mut usage = Usage {
        queue_us: micros(queued),
        load_us: micros(loaded),
        memory_peak_bytes: guest.run.limiter.memory_peak_bytes(),
        egress_requests: egress.requests,
        egress_bytes_in: egress.bytes_in,
        egress_bytes_out: egress.bytes_out,
        log_bytes: logs.bytes_written(),
        scratch_bytes: guest.host.scratch_bytes_written(),
        ..Usage::default()
    };
    spent.write(&mut usage);
    usage
}

/// The last lines of standard error: panic text is there.
fn diagnostics(lines: &[LogLine]) -> Option<String> {
    let mut tail = Vec::new();
    let mut bytes = 0;
    for line in lines
        .iter()
        .rev()
        .filter(|line| line.stream == LogStream::Stderr)
    {
        bytes += line.text.len() + 1;
        if bytes > DIAGNOSTICS_BYTES_MAX {
            break;
        }
        tail.push(line.text.as_str());
    }
    tail.reverse();
    (!tail.is_empty()).then(|| tail.join("\n"))
}
