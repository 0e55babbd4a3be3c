//! A run's spans: what it spent its time on, and what it asked of other machines.

use super::caller::Caller;
use super::params::{List, Segment};
use super::runs::find;
use super::state::Shared;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tollgate_runtime::{Attribute, Outcome, Span, Usage};
use tollgate_store::{RunRecord, Scope, Time};
use utoipa::ToSchema;

/// The span that requests are in.
const CALL: &str = "call";
/// What of a run's usage only spans tell.
const INSTANTIATE: &str = "instantiate_us";

/// One stretch of a run's time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SpanView {
    /// 16 hexadecimal digits, its own in the run.
    span_id: String,
    /// The span it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_id: Option<String>,
    /// `queue`, `load`, `instantiate`, `call`, or a request: `GET api.example.com`.
    name: String,
    #[schema(format = DateTime)]
    started_at: String,
    #[schema(format = DateTime)]
    ended_at: String,
    /// Of a request: `path` without values and secrets, `status`, `bytes_out`, `bytes_in`, `error`, and `refused` with the
    /// reason where it was not sent.
    attributes: Value,
}

/// A run's usage as it is kept: with what spans alone tell.
pub(super) fn kept_usage(usage: &Usage) -> Value {
    let mut kept = json!(usage);
    kept[INSTANTIATE] = json!(usage.instantiate_us);
    kept
}

/// The same as it is shown.
pub(super) fn shown_usage(kept: &Value) -> Value {
    let mut shown = kept.clone();
    if let Value::Object(fields) = &mut shown {
        fields.shift_remove(INSTANTIATE);
    }
    shown
}

/// What is kept of a run's requests, where it made any.
pub(super) fn kept(outcome: &Outcome) -> Option<String> {
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

/// What a run spent its time on, once it has ended: waiting, being loaded, instantiated and called, and
/// each of its requests.
#[utoipa::path(get, path = "/v1/runs/{id}/spans", tag = "runs", params(("id" = String, Path)),
    responses((status = 200, body = List<SpanView>)))]
pub(crate) async fn run_spans(
    State(server): State<Shared>,
    caller: Caller,
    Segment(run): Segment,
) -> Result<Json<List<SpanView>>, Problem> {
    let record = find(&server, &caller, &run).await?;
    caller.needs(Scope::Run)?;
    let requests = server
        .store
        .run_spans(caller.key.org, record.run.id)
        .await?;
    let requests = requests.as_ref().and_then(Value::as_array);
    Ok(Json(List {
        items: spans(&record, requests.map_or(&[], Vec::as_slice)),
        next_cursor: None,
    }))
}

fn spans(record: &RunRecord, requests: &[Value]) -> Vec<SpanView> {
    let (Some(started_at), Some(usage)) = (record.started_at, &record.usage) else {
        return Vec::new();
    };
    let micros = |name: &str| Duration::from_micros(usage[name].as_u64().unwrap_or(0));
    let (queue, load, wall) = (micros("queue_us"), micros("load_us"), micros("wall_us"));
    let load_at = started_at.before(load);
    let call_at = started_at.after(micros(INSTANTIATE));
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
