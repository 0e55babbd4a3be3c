//! Answers: problems as they go out, and the good ones that are more than a 200, so that no handler names a status.

mod picture;

pub(crate) use picture::Picture;

use super::{Kind, Problem};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use axum::http::{StatusCode, response::Parts};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use tollgate_runtime::{Violation, plain_text};

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The most bytes read of a body that is to be replaced.
const REPLACED_BYTES_MAX: usize = 64 * 1024;
/// The most bytes shown of what the framework said.
const SAID_BYTES_MAX: usize = 1000;

/// The answer's code, in the extensions of a problem that went through [`finish`].
#[derive(Debug, Clone)]
pub(crate) struct Code(pub(crate) Cow<'static, str>);

/// 201: something was made, and `location` is where.
#[derive(Debug)]
pub(crate) struct Created<T> {
    pub(crate) location: String,
    pub(crate) body: T,
}

/// 202: something is under way; `location` is polled.
#[derive(Debug)]
pub(crate) struct Accepted<T> {
    pub(crate) location: String,
    pub(crate) body: T,
    /// Whether the caller asked for this by `Prefer: respond-async`.
    pub(crate) preference_applied: bool,
}

/// 204.
#[derive(Debug)]
pub(crate) struct NoContent;

/// An answer that was given before, to the first request of an idempotency key. A problem gets this request's id.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) body: Bytes,
}

/// Marks an answer that an equal request before this one got.
pub(crate) fn replayed(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Marks a problem whose body is a record's.
#[derive(Debug, Clone)]
struct Recorded;

/// The last step of every answer: what is not good is a problem of the one shape, with the request's id. Headers
/// and extensions that a handler set stay.
pub(crate) async fn finish(request_id: &str, response: Response) -> Response {
    let status = response.status();
    if status.is_informational() || status.is_success() || status == StatusCode::NOT_MODIFIED {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None if parts.extensions.get::<Recorded>().is_some() => {
            return recorded(request_id, parts, body).await;
        }
        None => framework(&parts, body).await,
    };
    apply(problem.with_request(request_id), parts)
}

/// A whole answer for a connection there is no room for, to be written as it is.
pub(crate) fn turned_away(request_id: &str) -> String {
    let problem = Problem::of(Kind::AtCapacity).with_request(request_id);
    let status = problem.kind.row().status;
    let seconds = problem.retry_after_s.unwrap_or_default();
    let body = problem.body().to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\nretry-after: {seconds}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (mut parts, ()) = Response::new(()).into_parts();
        // For `finish`, which knows the request's id.
        parts.extensions.insert(self.clone());
        apply(self, parts)
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let headers = [(LOCATION, self.location)];
        (StatusCode::CREATED, headers, Json(self.body)).into_response()
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        let headers = [(LOCATION, self.location)];
        let mut response = (StatusCode::ACCEPTED, headers, Json(self.body)).into_response();
        if self.preference_applied {
            let applied = HeaderValue::from_static("respond-async");
            response.headers_mut().insert(PREFERENCE_APPLIED, applied);
        }
        response
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl IntoResponse for Replayed {
    fn into_response(self) -> Response {
        let Ok(status) = StatusCode::from_u16(self.status) else {
            return Problem::of(Kind::Internal).into_response();
        };
        let mut response = (status, Body::from(self.body)).into_response();
        if !status.is_success() {
            response.extensions_mut().insert(Recorded);
        }
        let headers = response.headers_mut();
        headers.remove(CONTENT_TYPE);
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
        let kept = [(CONTENT_TYPE, self.content_type), (LOCATION, self.location)];
        for (name, text) in kept {
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        response
    }
}

fn apply(problem: Problem, mut parts: Parts) -> Response {
    let row = problem.kind.row();
    parts.status = row.status;
    parts
        .extensions
        .insert(Code(Cow::Borrowed(problem.kind.row().code)));
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    if row.status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        parts.headers.insert(WWW_AUTHENTICATE, bearer);
    }
    if let Some(methods) = &problem.allow {
        parts.headers.insert(ALLOW, methods.clone());
    }
    if let Some(seconds) = problem.retry_after_s {
        parts.headers.insert(RETRY_AFTER, seconds.into());
    }
    Response::from_parts(parts, Body::from(problem.body().to_string()))
}

/// A record's problem, with this request's id.
async fn recorded(request_id: &str, mut parts: Parts, body: Body) -> Response {
    let mut problem: Value = match read(body).await {
        Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
        None => Value::Null,
    };
    let Some(fields) = problem.as_object_mut() else {
        return apply(Problem::of(Kind::Internal).with_request(request_id), parts);
    };
    fields.insert("request_id".to_owned(), json!(request_id));
    if let Some(Value::String(code)) = fields.get("code") {
        parts.extensions.insert(Code(Cow::Owned(code.clone())));
    }
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_TYPE, PROBLEM_JSON);
    Response::from_parts(parts, Body::from(problem.to_string()))
}

/// The problem that the framework's own answer stands for. What it said is shown where the caller can act on it.
async fn framework(parts: &Parts, body: Body) -> Problem {
    let kind = match parts.status {
        StatusCode::NOT_FOUND => Kind::RouteNotFound,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => Kind::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::FileTooLarge,
        StatusCode::UNPROCESSABLE_ENTITY => Kind::Unprocessable,
        status if status.is_client_error() => Kind::BadRequest,
        _ => Kind::Internal,
    };
    let problem = Problem::of(kind);
    if !matches!(kind, Kind::BadRequest | Kind::Unprocessable) {
        return problem;
    }
    match read(body).await {
        Some(said) if !said.is_empty() => {
            let text = plain_text(&String::from_utf8_lossy(&said));
            let text = &text[..text.floor_char_boundary(SAID_BYTES_MAX)];
            problem.with_violation(Violation::new("request_invalid", text))
        }
        _ => problem,
    }
}

/// A body that the host made, unless it is too long to be one of the answers in question.
async fn read(body: Body) -> Option<Bytes> {
    let body = Limited::new(body, REPLACED_BYTES_MAX).collect().await;
    body.ok().map(|body| body.to_bytes())
}

#[cfg(test)]
mod tests;
