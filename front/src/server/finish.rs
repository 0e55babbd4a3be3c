//! How a run ended, as its record will have it.

use super::spans;
use crate::problem::Problem;
use serde_json::{Value, json};
use tollgate_runtime::{LogLine, LogStream, Outcome, Status};
use tollgate_store::{Finish, FinishStatus, NewRun, RunRecord, Time};

/// Of a run whose guest came to an end. Where its answer is kept its output is, too.
pub(super) fn ended(
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
    let spans = spans::kept(&outcome);
    let (output, failure) = match outcome.result {
        Ok(output) => (Some(output.to_string()), None),
        Err(failure) => (None, Some(json!(failure))),
    };
    Finish {
        status,
        failure,
        usage: Some(spans::kept_usage(&outcome.usage)),
        charged: match status {
            FinishStatus::Succeeded => run.price,
            FinishStatus::Failed | FinishStatus::TimedOut | FinishStatus::Cancelled => 0,
        },
        output,
        keeps_output,
        logs: (!outcome.logs.is_empty()).then(|| log_lines(&outcome.logs).to_string()),
        spans,
        uploaded_spans: None,
        started_at,
        finished_at: Time::now(),
    }
}

/// Of a run that somebody cancelled.
pub(super) fn cancelled(started_at: Option<Time>) -> Finish {
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
pub(super) fn not_started(problem: &Problem) -> Finish {
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
        logs: Some(log_lines(&[line]).to_string()),
        ..cancelled(None)
    }
}

/// The record that is made of it.
pub(super) fn record_of(run: NewRun, finish: Finish) -> RunRecord {
    RunRecord {
        run,
        status: finish.status.name().to_owned(),
        failure: finish.failure,
        usage: finish.usage,
        charged: finish.charged,
        output: finish.output,
        started_at: finish.started_at,
        finished_at: Some(finish.finished_at),
    }
}

fn log_lines(lines: &[LogLine]) -> Value {
    let line = |line: &LogLine| {
        let stream = match line.stream {
            LogStream::Stdout => "stdout",
            LogStream::Stderr => "stderr",
        };
        let at = Time::from(line.at);
        match line.cut {
            true => json!({"at": at, "stream": stream, "text": line.text, "cut": true}),
            false => json!({"at": at, "stream": stream, "text": line.text}),
        }
    };
    lines.iter().map(line).collect()
}

/// Tells the metrics.
pub(super) fn count(finish: &Finish) {
    let kind = finish.failure.as_ref().and_then(|it| it["kind"].as_str());
    let end = kind.unwrap_or(finish.status.name()).to_lowercase();
    metrics::counter!("tollgate_runs_total", "end" => end).increment(1);
    if let Some(wall_us) = finish.usage.as_ref().and_then(|it| it["wall_us"].as_f64()) {
        metrics::histogram!("tollgate_run_seconds").record(wall_us / 1e6);
    }
}
