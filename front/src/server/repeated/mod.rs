//! Repeated requests: the first is done, the others get its answer.

use crate::problem::answer::{Picture, Replayed, replayed};
use crate::problem::{Kind, Problem};
use crate::server::access::caller::{Caller, identify};
use crate::server::edge::body;
use crate::server::edge::noted::Noted;
use crate::server::edge::turns::{self, Length};
use crate::server::edge::unsent::showing::Shown;
use crate::server::state::slots::First;
use crate::server::state::{Server, Shared};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, LOCATION};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tollgate_runtime::{TOOL_BYTES_MAX, Violation};
use tollgate_store::{KeptAnswer, KeptBody, OrgId, Scope, Slot, Time};

const KEY_LENGTH: std::ops::RangeInclusive<usize> = 1..=255;
/// The longest body there is: an upload with its manifest.
const BODY_BYTES_MAX: u64 = (TOOL_BYTES_MAX + body::FORM_BYTES_MAX) as u64;

/// A request's place among those of the same key.
pub(crate) enum Entered {
    /// It is the first.
    First(First),
    /// It was answered before.
    Kept(Earlier),
}

/// The answer of an earlier request, and its place.
pub(crate) struct Earlier {
    slot: Slot,
    pub(crate) kept: KeptAnswer,
}

/// The place of a request with an idempotency key.
pub(crate) async fn enter(
    server: &Shared,
    org: OrgId,
    slot: Slot,
    body: Bytes,
) -> Result<Entered, Problem> {
    let length = Length::of_json(body.len());
    let hashing = move || <[u8; 32]>::from(Sha256::digest(&body));
    let turn = (org, turns::Kind::Read);
    let body_sha256 = server.turns.work(turn, length, hashing).await?;
    let kept_for = Duration::from_secs(server.config.retention.idempotency_s);
    while !server.slots.is_first(slot, body_sha256).await? {}
    let first = First::new(&server.slots, slot, body_sha256);
    let since = Time::now().before(kept_for);
    match server.store.kept_answer(slot, since).await? {
        Some(kept) if kept.body_sha256 != body_sha256 => {
            Err(Problem::of(Kind::IdempotencyConflict))
        }
        Some(kept) => Ok(Entered::Kept(Earlier { slot, kept })),
        None => {
            // Its answer could not be kept.
            server.store.check_kept_bytes(org).await?;
            Ok(Entered::First(first))
        }
    }
}

/// The slot that a request names, where it names one.
pub(crate) fn slot(
    caller: &Caller,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Slot>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let key = key
        .to_str()
        .ok()
        .filter(|key| KEY_LENGTH.contains(&key.len()))
        .ok_or_else(|| {
            let message = "Idempotency-Key must be 1 to 255 printable ASCII characters";
            Problem::malformed(Violation::new("idempotency_key", message))
        })?;
    let path_and_query = uri.path_and_query().map_or(uri.path(), |it| it.as_str());
    Ok(Some(Slot::in_session(
        caller.owner(),
        caller.session_id(),
        method.as_str(),
        path_and_query,
        key,
    )))
}

/// Keeps good answers of POSTs. A run's is kept by the run itself.
pub(crate) async fn keep(
    State(server): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if request.method() != Method::POST || !request.headers().contains_key("idempotency-key") {
        return Ok(next.run(request).await);
    }
    let caller = identify(&server, request.headers(), request.extensions()).await?;
    // Before its body is read: there is nothing here that a session may send.
    caller.has_key()?;
    let Some(slot) = slot(&caller, request.method(), request.uri(), request.headers())? else {
        return Ok(next.run(request).await);
    };
    let (parts, body) = request.into_parts();
    let body = body::read_of(&server.bodies, caller.key.owner.org, body, BODY_BYTES_MAX).await?;
    let first = match enter(&server, caller.key.owner.org, slot, body.bytes.clone()).await? {
        Entered::Kept(earlier) => {
            // A key may have lost its scope or been stopped since, and is perhaps not the first one.
            caller.needs(earlier.kept.scope.unwrap_or(Scope::Manage))?;
            return replay(&server, caller.whose(), earlier).await;
        }
        Entered::First(first) => first,
    };
    let noted = parts.extensions.get::<Noted>().cloned();
    let request = Request::from_parts(parts, Body::from(body.bytes.clone()));
    // A caller that leaves now asks again later, and must find the answer.
    let answering = tokio::spawn(async move {
        let answer = answer_once(server, first, (request, noted), next).await;
        // The body stays counted while it is in memory, even after the caller has left.
        drop(body);
        answer
    });
    answering
        .await
        .unwrap_or_else(|_| Err(Problem::of(Kind::Internal)))
}

async fn answer_once(
    server: Shared,
    first: First,
    (request, noted): (Request, Option<Noted>),
    next: Next,
) -> Result<Response, Problem> {
    let response = next.run(request).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await;
    let bytes = bytes.map_err(|_| Problem::of(Kind::Internal))?;
    let answer = KeptAnswer {
        body_sha256: first.body_sha256,
        run: None,
        status: Some(parts.status.as_u16()),
        location: text(&parts.headers, LOCATION),
        is_long: false,
        scope: noted.and_then(|noted| noted.scope()),
        body: text(&parts.headers, CONTENT_TYPE).map(|content_type| KeptBody {
            content_type,
            text: without_secrets(&bytes),
        }),
    };
    // What was done is done: its answer, with what it shows once, must not be lost over keeping it.
    if let Err(error) = server.store.keep_answer(first.slot, answer).await {
        tracing::error!(%error, "an answer could not be kept for a repeated request");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}

/// Sends a kept answer again. A long answer is read in the org's turn for long answers.
pub(crate) async fn replay(
    server: &Server,
    whose: (OrgId, bool),
    Earlier { slot, mut kept }: Earlier,
) -> Result<Response, Problem> {
    if !kept.is_long {
        return Ok(again(kept));
    }
    let showing = Some(server.showing(whose).await?);
    let text = server.store.kept_body(slot).await?;
    if let (Some(body), Some(text)) = (&mut kept.body, text) {
        body.text = text;
    }
    let body = again(kept);
    Ok(Shown { body, showing }.into_response())
}

fn again(kept: KeptAnswer) -> Response {
    let (content_type, text) = match kept.body {
        // One is never sent without the headers that keep it from doing anything.
        Some(body) if body.content_type == Picture::CONTENT_TYPE => {
            let location = kept.location.unwrap_or_default();
            return replayed(Picture::made(body.text, location).into_response());
        }
        Some(body) => (Some(body.content_type), body.text),
        None => (None, String::new()),
    };
    let replayed = Replayed {
        status: kept.status.unwrap_or_default(),
        content_type,
        location: kept.location,
        body: text.into(),
    };
    replayed.into_response()
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// What is shown once is not shown again.
fn without_secrets(body: &[u8]) -> String {
    let Ok(mut json) = serde_json::from_slice::<Value>(body) else {
        return String::from_utf8_lossy(body).into_owned();
    };
    if let Some(fields) = json.as_object_mut() {
        fields.shift_remove("key");
        fields.shift_remove("token");
        fields.shift_remove("secret");
    }
    json.to_string()
}
