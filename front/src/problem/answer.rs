//! Answers over HTTP: the only place, with the catalogue, that names a status.

use super::{Kind, Problem};
use axum::Json;
use axum::body::Body;
use axum::http::header::{
    ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{Response as HttpResponse, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// 201: made, and where it is.
pub(crate) struct Created<T> {
    pub(crate) location: String,
    pub(crate) body: T,
}

/// 202: under way, and where to ask.
pub(crate) struct Accepted<T> {
    pub(crate) location: String,
    pub(crate) body: T,
    /// Whether it is under way because the caller preferred so.
    pub(crate) preference_applied: bool,
}

/// 204: done, and nothing to say.
pub(crate) struct NoContent;

/// An answer that was kept, sent again.
pub(crate) struct Replayed {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: Option<String>,
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        locate(&mut response, &self.location);
        response
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::ACCEPTED, Json(self.body)).into_response();
        locate(&mut response, &self.location);
        if self.preference_applied {
            let applied = HeaderName::from_static("preference-applied");
            let preference = HeaderValue::from_static("respond-async");
            response.headers_mut().insert(applied, preference);
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
        let body = self.body.map_or_else(Body::empty, Body::from);
        let mut response = HttpResponse::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        if let Some(location) = &self.location {
            locate(&mut response, location);
        }
        response
    }
}

fn locate(response: &mut Response, location: &str) {
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
}

impl IntoResponse for Problem {
    /// Headers and status; the body is written by [`finish`], which knows the request's id.
    fn into_response(self) -> Response {
        let mut response = self.kind.row().status.into_response();
        let headers = response.headers_mut();
        if self.kind.row().status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = &self.allow {
            headers.insert(ALLOW, methods.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer as it is sent: a problem gets its body with the request's id, and whatever the framework refused by
/// itself becomes a problem of the same shape.
pub(crate) fn finish(request_id: &str, mut response: Response) -> Response {
    let status = response.status();
    let problem = response.extensions_mut().remove::<Problem>();
    let problem = match problem {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => {
            let problem = Problem::of(refused_by_framework(status));
            match response.headers().get(ALLOW) {
                Some(methods) => problem.allow(methods.clone()),
                None => problem,
            }
        }
        None => return response,
    };
    let kind = problem.kind;
    let mut finished = problem.clone().into_response();
    finished.extensions_mut().insert(kind);
    for (name, value) in response.headers() {
        if name.as_str().starts_with("idempotency") {
            finished.headers_mut().insert(name.clone(), value.clone());
        }
    }
    finished
        .extensions_mut()
        .extend(response.extensions().clone());
    let json = HeaderValue::from_static("application/problem+json");
    finished.headers_mut().insert(CONTENT_TYPE, json);
    let body = Problem {
        request_id: Some(request_id.to_owned()),
        ..problem
    };
    *finished.body_mut() = Body::from(body.body().to_string());
    finished
}

fn refused_by_framework(status: StatusCode) -> Kind {
    match status {
        StatusCode::NOT_FOUND => Kind::RouteNotFound,
        StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
        StatusCode::REQUEST_TIMEOUT => Kind::RequestTimeout,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::FileTooLarge,
        StatusCode::SERVICE_UNAVAILABLE => Kind::AtCapacity,
        status if status.is_server_error() => Kind::Internal,
        _ => Kind::BadRequest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response) -> serde_json::Value {
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        serde_json::from_slice(&bytes.expect("read")).expect("JSON")
    }

    #[tokio::test]
    async fn a_problem_is_finished_with_the_request_s_id() {
        let problem = Problem::of(Kind::AuthorizationMissing).into_response();
        let finished = finish("req_1", problem);
        assert_eq!(finished.headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(finished.headers()[CONTENT_TYPE], "application/problem+json");
        let body = body(finished).await;
        assert_eq!(body["request_id"], "req_1");
        assert_eq!(body["detail"], "Missing authorization header");
    }

    #[tokio::test]
    async fn what_the_framework_refuses_has_the_same_shape() {
        let cases = [
            (StatusCode::NOT_FOUND, "route_not_found"),
            (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            (StatusCode::PAYLOAD_TOO_LARGE, "file_too_large"),
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_request"),
            (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
            (StatusCode::BAD_GATEWAY, "internal"),
        ];
        for (status, code) in cases {
            let refused = (status, [(ALLOW, "GET,HEAD")], "words of the framework's");
            let finished = finish("req_1", refused.into_response());
            assert_eq!(finished.headers()[ALLOW], "GET,HEAD");
            assert_eq!(body(finished).await["code"], code, "{status}");
        }
    }

    #[tokio::test]
    async fn good_answers_are_left_alone() {
        let made = Created {
            location: "/v1/keys/key_1".to_owned(),
            body: serde_json::json!({"id": "key_1"}),
        };
        let finished = finish("req_1", made.into_response());
        assert_eq!(finished.status(), StatusCode::CREATED);
        assert_eq!(finished.headers()[LOCATION], "/v1/keys/key_1");
        assert_eq!(body(finished).await["id"], "key_1");
        assert_eq!(NoContent.into_response().status(), StatusCode::NO_CONTENT);
    }
}
