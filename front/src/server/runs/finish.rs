//! How a run ended, as its record will have it.

use crate::problem::Problem;
use crate::server::edge::counters::Runs;
use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tollgate_runtime::{
    Attribute, Failure, Json, LogLine, LogStream, Outcome, Span, Status, Usage,
};
use tollgate_store::{
    Finish, FinishStatus, NewRun, RecordedFailure, RunRecord, RunStatus, RunUsage, Time,
};

/// Of a run whose guest came to an end. Where its answer is kept its output is, too.
pub(crate) fn ended(
    outcome: Outcome,
    run: &NewRun,
    keeps_output: bool,
    started_at: Option<Time>,
) -> Finish {
    let status = match outcome.status() {
        Status::Succeeded => FinishStatus::Succeeded,
        Status::Failed => FinishStatus::Failed,
        Status::TimedOut => FinishStatus::TimedOut,
    };
    let spans = spans(&outcome);
    let (output, failure) = match outcome.result {
        Ok(output) => (Some(String::from(output)), None),
        Err(failure) => (None, Some(recorded(failure))),
    };
    Finish {
        status,
        failure,
        usage: Some(used(&outcome.usage)),
        charged: match status {
            FinishStatus::Succeeded => run.price,
            FinishStatus::Failed | FinishStatus::TimedOut | FinishStatus::Cancelled => 0,
        },
        output,
        keeps_output,
        logs: (!outcome.logs.is_empty()).then(|| log_lines(&outcome.logs)),
        spans,
        uploaded_spans: None,
        started_at,
        finished_at: Time::now(),
    }
}

/// A failure as its record has it.
fn recorded(failure: Failure) -> RecordedFailure {
    let has_frames = !failure.backtrace.is_empty();
    RecordedFailure {
        kind: failure.kind.name().to_owned(),
        message: failure.message,
        trap: failure.trap,
        exit_code: failure.exit_code,
        error: failure.error.map(Json::into_raw),
        limit: failure.limit.map(str::to_owned),
        backtrace: has_frames
            .then(|| to_raw_value(&failure.backtrace).ok())
            .flatten(),
        diagnostics: failure.diagnostics,
        cut: false,
    }
}

/// The run's requests as kept spans. `None` if it made no request.
fn spans(outcome: &Outcome) -> Option<String> {
    let requests: Vec<_> = outcome.requests.iter().map(request).collect();
    (!requests.is_empty()).then(|| Value::Array(requests).to_string())
}

fn request(span: &Span) -> Value {
    let attribute = |(name, attribute): &(&str, Attribute)| {
        let value = match attribute {
            Attribute::Text(text) => json!(text),
            Attribute::Number(number) => json!(number),
        };
        ((*name).to_owned(), value)
    };
    let attributes: Map<_, _> = span.attributes.iter().map(attribute).collect();
    json!({
        "name": span.name,
        "started_at": Time::from(span.started_at),
        "ended_at": span.ended_at.map(Time::from),
        "attributes": attributes,
    })
}

fn used(usage: &Usage) -> RunUsage {
    RunUsage {
        queue_us: usage.queue_us,
        load_us: usage.load_us,
        wall_us: usage.wall_us,
        instantiate_us: usage.instantiate_us,
        cpu_us: usage.cpu_us,
        host_us: usage.host_us,
        ready_us: usage.ready_us,
        memory_peak_bytes: usage.memory_peak_bytes,
        egress_requests: usage.egress_requests,
        egress_bytes_in: usage.egress_bytes_in,
        egress_bytes_out: usage.egress_bytes_out,
        log_bytes: usage.log_bytes,
        scratch_bytes: usage.scratch_bytes,
    }
}

/// Of a run that somebody cancelled.
pub(crate) fn cancelled(started_at: Option<Time>) -> Finish {
    Finish {
        status: FinishStatus::Cancelled,
        failure: None,
        usage: None,
        charged: 0,
        output: None,
        keeps_output: false,
        logs: None,
        spans: None,
        uploaded_spans: None,
        started_at,
        finished_at: Time::now(),
    }
}

/// A queued run whose circumstances changed before its turn: what it needed was taken away.
pub(crate) fn not_started(problem: &Problem) -> Finish {
    let names: Vec<_> = problem.missing.iter().map(|it| it.name.as_str()).collect();
    let text = format!(
        "cancelled before it started: {} {}",
        problem.detail,
        names.join(", ")
    );
    let line = LogLine {
        at: std::time::SystemTime::now(),
        stream: LogStream::Stderr,
        text,
        cut: false,
    };
    Finish {
        logs: Some(log_lines(&[line])),
        ..cancelled(None)
    }
}

/// The record that is made of it.
pub(crate) fn record_of(run: NewRun, finish: Finish) -> RunRecord {
    RunRecord {
        run,
        status: RunStatus::Ended(finish.status),
        failure: finish.failure,
        usage: finish.usage,
        charged: finish.charged,
        output: finish.output,
        cut: Vec::new(),
        started_at: finish.started_at,
        finished_at: Some(finish.finished_at),
    }
}

/// A log line as it is kept.
#[derive(Serialize)]
struct KeptLine<'l> {
    at: Time,
    stream: &'static str,
    text: &'l str,
    #[serde(skip_serializing_if = "is_whole")]
    cut: bool,
}

impl<'l> From<&'l LogLine> for KeptLine<'l> {
    fn from(line: &'l LogLine) -> Self {
        Self {
            at: Time::from(line.at),
            stream: match line.stream {
                LogStream::Stdout => "stdout",
                LogStream::Stderr => "stderr",
            },
            text: &line.text,
            cut: line.cut,
        }
    }
}

fn is_whole(is_cut: &bool) -> bool {
    !is_cut
}

/// The text of the JSON array. Values in between would take many times its memory.
fn log_lines(lines: &[LogLine]) -> String {
    let lines: Vec<_> = lines.iter().map(KeptLine::from).collect();
    // The keys are texts, so writing it does not fail.
    serde_json::to_string(&lines).unwrap_or_default()
}

/// Tells the metrics.
pub(crate) fn count(runs: &Runs, finish: &Finish) {
    let kind = finish.failure.as_ref().map(|it| it.kind.as_str());
    let end = kind.unwrap_or(finish.status.name()).to_lowercase();
    let wall = |usage: &RunUsage| Duration::from_micros(usage.wall_us);
    runs.count(end, finish.usage.as_ref().map(wall));
}
