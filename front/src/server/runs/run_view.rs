//! Runs as callers and sellers see them.

use crate::problem::cut::brief_error;
use crate::problem::{Kind, Problem};
use axum::Json;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use tollgate_runtime::FailureKind;
use tollgate_store::{FinishStatus, RecordedFailure, RunRecord, RunStatus, RunUsage};
use utoipa::ToSchema;

/// A run.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunView {
    #[schema(example = "run_06bqk8m0000000000000000000")]
    run_id: String,
    artifact_id: String,
    /// Null for a run of a draft.
    #[schema(required)]
    release_id: Option<String>,
    /// The function asked for; null where the tool has one only and it was left out.
    #[schema(required)]
    function: Option<String>,
    /// The caller's own name for the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    /// `QUEUED`, `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `CANCELLED`.
    #[schema(example = "SUCCEEDED")]
    status: &'static str,
    /// Of async and idempotent runs, for a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    output: Option<Box<RawValue>>,
    /// What was not kept of the run, because the org keeps as many bytes as it may: `output`, `logs`, `spans`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    cut: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    failure: Option<RecordedFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    usage: Option<RunUsage>,
    /// Tokens.
    charged: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    finished_at: Option<String>,
}

/// The answer of a run that succeeded.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Succeeded {
    run_id: String,
    #[schema(example = "SUCCEEDED")]
    status: String,
    /// What the tool gave.
    output: Value,
    /// Tokens.
    charged: u64,
    #[schema(value_type = Object)]
    usage: RunUsage,
}

/// A failed run as the tool's seller sees it: never its input, output or caller.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailureRow {
    run_id: String,
    #[schema(format = DateTime)]
    at: String,
    #[schema(required)]
    release_id: Option<String>,
    #[schema(required)]
    function: Option<String>,
    #[schema(value_type = Object)]
    failure: RecordedFailure,
    #[schema(value_type = Option<Object>, required)]
    usage: Option<RunUsage>,
}

/// A run as its caller sees it.
pub(crate) fn view(record: RunRecord) -> RunView {
    let is_own = record.run.is_own;
    RunView {
        run_id: record.run.id.to_string(),
        artifact_id: record.run.artifact.to_string(),
        release_id: record.run.release.map(|it| it.to_string()),
        function: record.run.function,
        external_id: record.run.external_id,
        status: record.status.name(),
        output: record
            .output
            .and_then(|text| RawValue::from_string(text).ok()),
        cut: record.cut,
        failure: record.failure.map(|failure| caller_s(failure, is_own)),
        usage: record.usage,
        charged: record.charged,
        created_at: record.run.created_at.to_string(),
        started_at: record.started_at.map(|it| it.to_string()),
        finished_at: record.finished_at.map(|it| it.to_string()),
    }
}

/// A failure as the caller sees it. Where the tool was, and what it said to itself, only its owner sees.
fn caller_s(failure: RecordedFailure, is_own: bool) -> RecordedFailure {
    match is_own {
        true => failure,
        false => RecordedFailure {
            backtrace: None,
            diagnostics: None,
            ..failure
        },
    }
}

/// A failed run as the seller sees it. The tool's own words are in it only if the caller shares them: a tool can put its
/// input into them.
pub(crate) fn failure_row(record: RunRecord) -> FailureRow {
    let mut failure = record.failure.unwrap_or_default();
    if !record.run.share_diagnostics {
        (failure.diagnostics, failure.error) = (None, None);
        let kind = RecordedKind::named(&failure.kind);
        if !kind.is_some_and(RecordedKind::has_our_message) {
            failure.message = NOT_SHARED.to_owned();
        }
    }
    FailureRow {
        run_id: record.run.id.to_string(),
        at: record
            .finished_at
            .unwrap_or(record.run.created_at)
            .to_string(),
        release_id: record.run.release.map(|it| it.to_string()),
        function: record.run.function,
        failure,
        usage: record.usage,
    }
}

/// What stands in the place of words that the caller does not share.
const NOT_SHARED: &str = "the caller does not share what the tool said";

/// The kind of a recorded failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordedKind {
    /// A failure of the runtime's.
    Told(FailureKind),
    /// The server died during the run.
    Lost,
    /// The run waited too long for its turn.
    Expired,
}

impl RecordedKind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "lost" => Some(Self::Lost),
            "expired" => Some(Self::Expired),
            name => FailureKind::named(name).map(Self::Told),
        }
    }

    /// True if the message is chosen by us, without anything that the guest chose.
    fn has_our_message(self) -> bool {
        match self {
            Self::Lost | Self::Expired => true,
            Self::Told(kind) => match kind {
                FailureKind::Abi => false,
                FailureKind::Trap
                | FailureKind::Exit
                | FailureKind::Error
                | FailureKind::MemoryLimit
                | FailureKind::HostLimit
                | FailureKind::OutputLimit
                | FailureKind::OutputInvalid
                | FailureKind::Timeout
                | FailureKind::Internal => true,
            },
        }
    }

    /// The problem that the caller gets.
    fn problem(self) -> Problem {
        match self {
            // The run is over: asking again gets the same answer.
            Self::Lost | Self::Expired => Problem::of(Kind::Internal).retryable(false).with_hint(
                "The run this request started did not come to its end; send it with another `Idempotency-Key`.",
            ),
            Self::Told(kind) => Problem::of(kind.into()),
        }
    }
}

/// The answer of a run that has ended: 200, 409, 500, 502 or 504.
pub(crate) fn answer(record: &RunRecord) -> Response {
    match record.status {
        RunStatus::Ended(FinishStatus::Succeeded) => succeeded(record),
        RunStatus::Ended(FinishStatus::Cancelled) => Problem::of(Kind::RunCancelled)
            .with_run(record.run.id)
            .with_charged(0)
            .into_response(),
        RunStatus::Ended(FinishStatus::Failed | FinishStatus::TimedOut) => {
            failed(record).into_response()
        }
        // Its end could not be recorded, and nobody is at it any more.
        RunStatus::Queued | RunStatus::Running => Problem::of(Kind::Internal)
            .with_run(record.run.id)
            .retryable(false)
            .into_response(),
    }
}

/// The output is sent as it was recorded, not read again.
fn succeeded(record: &RunRecord) -> Response {
    let Some(output) = &record.output else {
        // Only of a repeated request, after the output was forgotten and before its answer was.
        return Json(
            json!({"run_id": record.run.id, "status": record.status.name(), "output": null,
            "charged": record.charged, "usage": record.usage}),
        )
        .into_response();
    };
    let usage = serde_json::to_string(&record.usage).unwrap_or_default();
    let body = format!(
        r#"{{"run_id":"{}","status":"SUCCEEDED","output":{output},"charged":{},"usage":{usage}}}"#,
        record.run.id, record.charged,
    );
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// A failure as an answer has it, with the beginning of its error. The whole can be megabytes, and this is made on the
/// threads that serve everybody.
fn brief(failure: &RecordedFailure, is_own: bool) -> Value {
    let error = failure.error.as_ref().map(|error| brief_error(error.get()));
    let failure = RecordedFailure {
        error: error.and_then(|error| to_raw_value(&error).ok()),
        kind: failure.kind.clone(),
        message: failure.message.clone(),
        trap: failure.trap.clone(),
        limit: failure.limit.clone(),
        backtrace: failure.backtrace.clone().filter(|_| is_own),
        diagnostics: failure.diagnostics.clone().filter(|_| is_own),
        ..*failure
    };
    json!(failure)
}

fn failed(record: &RunRecord) -> Problem {
    let failure = record.failure.as_ref();
    let kind = failure.and_then(|failure| RecordedKind::named(&failure.kind));
    let problem = kind.map_or_else(
        || {
            // The kind is unknown, so neither the tool nor its caller is blamed.
            tracing::error!(run_id = %record.run.id, "a record has a failure of no known kind");
            Problem::of(Kind::Internal).retryable(false)
        },
        RecordedKind::problem,
    );
    let problem = problem.with_run(record.run.id).with_charged(0);
    match failure {
        Some(failure) => problem.with_failure(brief(failure, record.run.is_own)),
        None => problem,
    }
}
