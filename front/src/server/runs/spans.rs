//! A run's spans: what it spent its time on, what it asked of other machines, and what callers added while it ran.

use super::handlers::{find, under_way};
use super::uploaded_span::{SPAN_BYTES_MAX, SpansUpload, checked};
use crate::problem::answer::Created;
use crate::problem::{Kind, Problem};
use crate::server::access::caller::{Caller, KeyOrSession};
use crate::server::edge::body::{Sent, malformed, outline};
use crate::server::edge::params::{List, Segment};
use crate::server::edge::turns::{self, Length};
use crate::server::edge::unsent::showing::Shown;
use crate::server::state::live::LiveRun;
use crate::server::state::live_spans::{AddedSpan, NotAdded, SPANS_MAX, list};
use crate::server::state::{Server, Shared};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tollgate_runtime::value::strict;
use tollgate_runtime::{VIOLATIONS_MAX, Violation};
use tollgate_store::{RunId, RunRecord, Scope, StoreError};
use utoipa::ToSchema;

/// Bytes of one span as it is written, with its blanks.
const SPAN_TEXT_BYTES_MAX: usize = 4 * SPAN_BYTES_MAX;
/// How long spans wait for their run to start.
const STARTED_WITHIN: Duration = Duration::from_secs(10);
/// The span that requests are in.
const CALL: &str = "call";
/// Bytes of a request that adds spans: those of all there may be, and what is around them.
const UPLOAD_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// A span as it is shown: of the run itself, or as a caller added it, which has the same fields.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum ShownSpan {
    Own(SpanView),
    Added(Box<RawValue>),
}

/// One stretch of a run's time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpanView {
    /// Its own in the run: 16 hexadecimal digits, or what the caller who added it chose.
    span_id: String,
    /// The span it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    /// `queue`, `load`, `instantiate`, `call`, or a request: `GET api.example.com`; or what a caller chose.
    name: String,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    ended_at: String,
    /// Of a request: `path` without values and secrets, `status`, `bytes_out`, `bytes_in`, `error`, and `refused` with the
    /// reason where it was not sent.
    attributes: Value,
}

/// What a run spent its time on, once it has ended: waiting, being loaded, instantiated and called, and
/// each of its requests; and the spans that were added to it, also while it runs.
#[utoipa::path(get, path = "/v1/runs/{id}/spans", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = List<SpanView>)))]
pub(crate) async fn run_spans(
    State(server): State<Shared>,
    KeyOrSession(caller): KeyOrSession,
    Segment(run): Segment,
) -> Result<Shown<Json<List<ShownSpan>>>, Problem> {
    let record = find(&server, &caller, &run).await?;
    caller.may_read_runs()?;
    let (org, id) = (caller.key.owner.org, record.run.id);
    let showing = Some(server.showing(caller.whose()).await?);
    let requests = server.store.run_spans(org, id).await?.unwrap_or_default();
    let live = server.live.get(id).filter(|live| !live.is_durable);
    let (held, kept) = match live {
        Some(live) => (live.spans.held(), Vec::new()),
        None => (Vec::new(), server.store.uploaded_spans((org, id)).await?),
    };
    let bytes = requests.len() + kept.iter().map(String::len).sum::<usize>();
    let show = move || {
        let requests = match requests.is_empty() {
            true => Vec::new(),
            false => serde_json::from_str(&requests).map_err(unreadable)?,
        };
        let mut items: Vec<_> = spans(&record, &requests)
            .into_iter()
            .map(ShownSpan::Own)
            .collect();
        items.extend(held.into_iter().map(ShownSpan::Added));
        for added in &kept {
            let added: Vec<Box<RawValue>> = serde_json::from_str(added).map_err(unreadable)?;
            items.extend(added.into_iter().map(ShownSpan::Added));
        }
        Ok(items)
    };
    let turn = (org, turns::Kind::Read);
    let shown: Result<_, Problem> = server
        .turns
        .work(turn, Length::of_json(bytes), show)
        .await?;
    let body = Json(List {
        items: shown?,
        next_cursor: None,
    });
    Ok(Shown { body, showing })
}

fn unreadable(error: serde_json::Error) -> Problem {
    StoreError::Failed(error.into()).into()
}

/// Adds the caller's own spans to a run that is running: all of them, or none where one is not good or the run would
/// have more than 200.
#[utoipa::path(post, path = "/v1/runs/{id}/spans", tag = "runs", params(("id" = String, Path)),
    request_body(content = SpansUpload, example = json!({"spans": [{"span_id": "b7ad6b7169203331",
        "parent_id": "0000000000000004", "name": "plan", "started_at": "2026-11-23T21:13:57.741Z",
        "ended_at": "2026-11-23T21:13:58.002Z", "attributes": {"model": "small", "tokens": 512}}]})),
    responses((status = 201, body = List<SpanView>, headers(("Location" = String, description = "All spans of the run.")))))]
pub(crate) async fn add_spans(
    State(server): State<Shared>,
    caller: Caller,
    Segment(run): Segment,
    sent: Sent,
) -> Result<Created<List<ShownSpan>>, Problem> {
    let record = find(&server, &caller, &run).await?;
    caller.needs(Scope::Run)?;
    let not_running = || Problem::of(Kind::RunNotRunning).with_run(record.run.id);
    let live = running(&server, record.run.id).await;
    let live = live.ok_or_else(not_running)?;
    let org = caller.key.owner.org;
    let read = |headers: &HeaderMap, bytes: &[u8]| {
        let upload: SpansUpload<'_> = outline(headers, bytes)?;
        all_checked(&upload.spans)
    };
    let spans = sent
        .json_within(&server.bodies, org, UPLOAD_BYTES_MAX, read)
        .await?;
    let held = (!live.is_durable).then_some((&server.live.span_bytes, org));
    let position = live.spans.add(&spans, held).map_err(|not| match not {
        NotAdded::Closed => not_running(),
        NotAdded::TooMany(has) => too_many(has),
        NotAdded::Taken(place) => unprocessable_spans(vec![taken(place)]),
        NotAdded::NoRoom => Problem::of(Kind::AtCapacity),
    })?;
    if live.is_durable {
        let texts: Vec<_> = spans.iter().map(|(_, span)| span.clone()).collect();
        let (run, text) = ((org, record.run.id), list(&texts));
        let kept = server.store.keep_uploaded_spans(run, position, text).await;
        kept.inspect_err(|_| live.spans.take_back(&spans))?;
    }
    let items = spans.into_iter().map(|(_, span)| ShownSpan::Added(span));
    let items = items.collect();
    Ok(Created {
        location: format!("/v1/runs/{}/spans", record.run.id),
        body: List {
            items,
            next_cursor: None,
        },
    })
}

/// The run, once its guest runs. One that was taken out of the queue is waited for while its tool is loaded and it has no
/// place.
async fn running(server: &Server, id: RunId) -> Option<Arc<LiveRun>> {
    let live = under_way(server, id).await?;
    let started = tokio::time::timeout(STARTED_WITHIN, live.started()).await;
    started.unwrap_or(false).then_some(live)
}

/// The spans of a request as they are kept, each with its id. Each is read by itself: as values a whole request would take
/// seventy times its bytes.
fn all_checked(spans: &[&RawValue]) -> Result<Vec<AddedSpan>, Problem> {
    if spans.is_empty() {
        let violation = Violation::new("spans_missing", "there is no span to add");
        return Err(unprocessable_spans(vec![violation.at_pointer("/spans")]));
    }
    if spans.len() > SPANS_MAX {
        return Err(too_many(0));
    }
    let (mut kept, mut ids, mut violations) = (Vec::new(), HashSet::new(), Vec::new());
    for (place, text) in spans.iter().enumerate() {
        match checked(place, &span(place, text)?) {
            Ok((id, _)) if !ids.insert(id.clone()) => violations.push(taken(place)),
            Ok(span) => kept.push(span),
            Err(more) => violations.extend(more),
        }
        if violations.len() >= VIOLATIONS_MAX {
            break;
        }
    }
    if violations.is_empty() {
        Ok(kept)
    } else {
        Err(unprocessable_spans(violations))
    }
}

/// One span, of at most so many bytes.
fn span(place: usize, text: &RawValue) -> Result<Value, Problem> {
    let too_large = || {
        let message = format!("a span has at most {SPAN_BYTES_MAX} bytes, as JSON without blanks");
        let violation = Violation::new("span_too_large", message);
        let violation = violation.at_pointer(format!("/spans/{place}"));
        Problem::of(Kind::FileTooLarge).with_violation(violation)
    };
    // With blanks it may have some more.
    if text.get().len() > SPAN_TEXT_BYTES_MAX {
        return Err(too_large());
    }
    let span = strict::parse(text.get().as_bytes()).map_err(malformed)?;
    match span.to_string().len() > SPAN_BYTES_MAX {
        true => Err(too_large()),
        false => Ok(span),
    }
}

fn too_many(has: usize) -> Problem {
    let message = format!("a run has at most {SPANS_MAX} spans that were added; it has {has}");
    unprocessable_spans(vec![
        Violation::new("spans_too_many", message).at_pointer("/spans"),
    ])
}

fn taken(place: usize) -> Violation {
    let message = "the run has a span of this id, or the request another one";
    Violation::new("span_id_taken", message).at_pointer(format!("/spans/{place}/span_id"))
}

fn unprocessable_spans(violations: Vec<Violation>) -> Problem {
    Problem::of(Kind::Unprocessable).with_violations(violations)
}

fn spans(record: &RunRecord, requests: &[Value]) -> Vec<SpanView> {
    let (Some(started_at), Some(usage)) = (record.started_at, &record.usage) else {
        return Vec::new();
    };
    let [queue, load, instantiate, wall] = [
        usage.queue_us,
        usage.load_us,
        usage.instantiate_us,
        usage.wall_us,
    ]
    .map(Duration::from_micros);
    let load_at = started_at.before(load);
    let call_at = started_at.after(instantiate);
    let parts = [
        ("queue", load_at.before(queue), load_at),
        ("load", load_at, started_at),
        ("instantiate", started_at, call_at),
        (CALL, call_at, started_at.after(wall)),
    ];
    let mut spans: Vec<SpanView> = Vec::new();
    for (name, from, to) in parts {
        spans.push(SpanView {
            span_id: span_id(spans.len()),
            parent_id: None,
            name: name.to_owned(),
            started_at: from.to_string(),
            ended_at: to.to_string(),
            attributes: json!({}),
        });
    }
    let call = spans
        .last()
        .map(|span| (span.span_id.clone(), span.ended_at.clone()));
    let (parent, end) = call.unwrap_or_default();
    for request in requests {
        let text = |name: &str| request[name].as_str().map(str::to_owned);
        spans.push(SpanView {
            span_id: span_id(spans.len()),
            parent_id: Some(parent.clone()),
            name: text("name").unwrap_or_default(),
            started_at: text("started_at").unwrap_or_default(),
            // The run may end before it, or before it is told.
            ended_at: text("ended_at")
                .filter(|at| *at <= end)
                .unwrap_or_else(|| end.clone()),
            attributes: request["attributes"].clone(),
        });
    }
    spans
}

fn span_id(index: usize) -> String {
    format!("{:016x}", index + 1)
}
