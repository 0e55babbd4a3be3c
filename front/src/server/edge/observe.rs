//! Every request is answered in one shape, logged once and counted, under an id of its own.

use super::arrival;
use super::counters::{Answer, Route, Routes};
use super::noted::Noted;
use super::rate::Told;
use super::unsent::{Unsent, showing};
use crate::problem::answer::{Code, finish};
use crate::problem::{Kind, Problem};
use axum::body::{Bytes, HttpBody};
use axum::http::{HeaderName, HeaderValue, Method, Request};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use data_encoding::BASE32_DNSSEC;
use futures_util::FutureExt;
use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::Instrument;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The status logged and counted for a client that left before its answer; nobody was sent it.
const CLIENT_LEFT: u16 = 499;

/// A request's id: `req_` and 26 characters that sort by time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestId(u128);

/// A router with everything that holds for each of its answers. It stands around the router: a layer of the framework's
/// costs each request several allocations, and copies of what is below it.
#[derive(Clone)]
pub(crate) struct Observed(Arc<Parts>);

struct Parts {
    router: Router,
    routes: Routes,
    unsent: Arc<Unsent>,
    patience: Duration,
}

impl Observed {
    /// `paths` are the router's, as it was given them: requests are counted by them. Bodies arrive within `patience`.
    pub(crate) fn new<P: Into<String>>(
        router: Router,
        paths: impl IntoIterator<Item = P>,
        unsent: Arc<Unsent>,
        patience: Duration,
    ) -> Self {
        Self(Arc::new(Parts {
            router,
            routes: Routes::of(paths),
            unsent,
            patience,
        }))
    }

    /// The router's answer. A panic is a problem.
    pub(crate) async fn answer<B>(&self, mut request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let Parts {
            router,
            routes,
            unsent,
            patience,
        } = &*self.0;
        let id = RequestId::new();
        let told = Told::default();
        let mut line = Line::new(routes.find(request.uri().path()), request.method(), id);
        request.extensions_mut().insert(line.noted.clone());
        request.extensions_mut().insert(told.clone());
        let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let span = tracing::error_span!("request", request_id = %id);
        let id = id.to_string();
        let response = async {
            let answering = arrival::in_time(*patience, request, router);
            let answered = AssertUnwindSafe(answering).catch_unwind().await;
            // The hook has logged why.
            let mut response =
                answered.unwrap_or_else(|_| Problem::of(Kind::Internal).into_response());
            told.write(response.headers_mut());
            if let Some(org) = line.noted.org() {
                response = unsent.count(org, only_reads, response).await;
                showing::end(&mut response);
            }
            finish(&id, response).await
        };
        let mut response = response.instrument(span).await;
        if let Ok(value) = HeaderValue::try_from(id) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        line.answered(&response);
        response
    }
}

/// What is logged and counted of a request, when it is dropped.
struct Line<'r> {
    id: RequestId,
    route: &'r Route,
    method: &'static str,
    begun: Instant,
    status: u16,
    code: Cow<'static, str>,
    bytes: u64,
    noted: Noted,
}

impl<'r> Line<'r> {
    /// Until it is answered, of a client that left.
    fn new(route: &'r Route, method: &Method, id: RequestId) -> Self {
        Self {
            id,
            route,
            method: named(method),
            begun: Instant::now(),
            status: CLIENT_LEFT,
            code: Cow::Borrowed("client_left"),
            bytes: 0,
            noted: Noted::default(),
        }
    }

    fn answered(&mut self, response: &Response) {
        let extensions = response.extensions();
        let code = extensions.get::<Code>();
        self.status = response.status().as_u16();
        self.code = code.map_or(Cow::Borrowed(""), |code| code.0.clone());
        self.bytes = response.body().size_hint().lower();
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let took = self.begun.elapsed();
        let noted = self.noted.known();
        tracing::info!(
            request_id = %self.id,
            method = self.method,
            route = self.route.name(),
            status = self.status,
            code = (!self.code.is_empty()).then_some(&*self.code),
            ms = took.as_millis() as u64,
            bytes = self.bytes,
            org = noted.map(|it| tracing::field::display(it.org)),
            key = noted.map(|it| tracing::field::display(it.key)),
            "request"
        );
        let answer = Answer {
            method: self.method,
            status: self.status,
            code: std::mem::take(&mut self.code),
        };
        self.route.count(answer, took);
    }
}

/// Callers may send any word for a method: what is counted by has few values.
fn named(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

impl RequestId {
    /// 48 bits of time in milliseconds, then 80 bits that no other request has.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = time.unwrap_or_default().as_millis();
        // The state's keys come from the operating system, a thread at a time.
        let state = RandomState::new();
        let unique = u128::from(state.hash_one(count)) | u128::from(state.hash_one(!count)) << 64;
        Self(time << 80 | unique >> 48)
    }
}

impl fmt::Display for RequestId {
    /// Lower-case base32hex of the sixteen bytes, without padding.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = *b"req_00000000000000000000000000";
        BASE32_DNSSEC.encode_mut(&self.0.to_be_bytes(), &mut text[4..]);
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use serde_json::Value;
    use std::collections::HashSet;

    #[test]
    fn ids_are_unlike_and_sort_by_time() {
        let ids: HashSet<String> = (0..10_000).map(|_| RequestId::new().to_string()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(
            ids.iter()
                .all(|id| id.len() == 30 && id.starts_with("req_"))
        );
        let text = |bits| RequestId(bits).to_string();
        assert_eq!(text(0), format!("req_{}", "0".repeat(26)));
        assert_eq!(text(u128::MAX), format!("req_{}s", "v".repeat(25)));
        assert!(text(1 << 80) < text(2 << 80));
    }

    fn observed() -> Observed {
        let panicking = async || -> String { panic!("a secret") };
        let router = Router::new()
            .route("/panic", get(panicking))
            .route("/things/{id}", get(async || "a thing"));
        let paths = ["/panic", "/things/{id}"];
        Observed::new(router, paths, Arc::default(), Duration::from_secs(1))
    }

    async fn answer(path: &str) -> (Response<()>, String) {
        let request = Request::get(path).body(Body::empty());
        let response = observed().answer(request.expect("a request")).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("UTF-8");
        (Response::from_parts(parts, ()), text)
    }

    #[tokio::test]
    async fn an_answer_names_its_request() {
        let (response, _) = answer("/things/1").await;
        assert_eq!(response.status(), 200);
        let (again, _) = answer("/things/1").await;
        let id = |response: &Response<()>| response.headers()[X_REQUEST_ID].clone();
        assert!(id(&response).as_bytes().starts_with(b"req_"));
        assert_ne!(id(&response), id(&again));
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_without_its_cause() {
        for (path, status) in [("/panic", 500), ("/nowhere", 404)] {
            let (response, body) = answer(path).await;
            assert_eq!(response.status(), status);
            let problem: Value = serde_json::from_str(&body).expect("JSON");
            let id = response.headers()[X_REQUEST_ID].to_str().expect("ASCII");
            assert_eq!(problem["request_id"], id, "{body}");
            assert!(!body.contains("secret"), "{body}");
        }
    }

    #[test]
    fn requests_are_counted_by_route_not_by_path() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let tokio = tokio::runtime::Builder::new_current_thread().build();
        let tokio = tokio.expect("a runtime");
        metrics::with_local_recorder(&recorder, || {
            for path in ["/things/1", "/things/2", "/nowhere"] {
                tokio.block_on(answer(path));
            }
        });
        let text = recorder.handle().render();
        let counted = |route: &str, status: u16, code: &str, count: u32| {
            let labels = format!(
                "tollgate_requests_total{{route=\"{route}\",method=\"GET\",status=\"{status}\",code=\"{code}\"}} {count}"
            );
            assert!(text.contains(&labels), "{labels} is missing:\n{text}");
        };
        counted("/things/{id}", 200, "", 2);
        counted("none", 404, "route_not_found", 1);
    }
}
