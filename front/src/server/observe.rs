//! Every request is answered in one shape, logged once and counted, under an id of its own.

use super::arrival;
use super::rate::Told;
use super::unsent::Unsent;
use crate::problem::answer::{Code, finish};
use crate::problem::{Kind, Problem};
use axum::Router;
use axum::body::HttpBody;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tollgate_store::{KeyId, KnownKey, OrgId};
use tracing::Instrument;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The status logged and counted for a client that left before its answer; nobody was sent it.
const CLIENT_LEFT: u16 = 499;

/// A request's id, in the extensions of every request: `req_` and 26 characters that sort by time.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

/// Who called, for the log: in the extensions of every request, set by whoever learns it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Noted(Arc<OnceLock<Known>>);

#[derive(Debug)]
struct Known {
    org: OrgId,
    key: KeyId,
    is_session: bool,
}

impl Noted {
    pub(crate) fn set(&self, key: &KnownKey, is_session: bool) {
        let _ = self.0.set(Known {
            org: key.org,
            key: key.key,
            is_session,
        });
    }

    /// Whose key it was, and whether it was a session of it.
    fn org(&self) -> Option<(OrgId, bool)> {
        self.0.get().map(|it| (it.org, it.is_session))
    }
}

/// The router with everything that holds for each of its answers, whose bodies arrive within `patience`. It is one layer,
/// since each of them costs every request a copy of what is below it. Layers added later are outside of it, and their
/// refusals would be neither problems nor counted.
pub(crate) fn observed(router: Router, unsent: Arc<Unsent>, patience: Duration) -> Router {
    router.layer(from_fn_with_state((unsent, patience), observe))
}

async fn observe(
    State((unsent, patience)): State<(Arc<Unsent>, Duration)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId::new();
    let told = Told::default();
    let mut line = Line::new(&request, id.clone());
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(line.noted.clone());
    request.extensions_mut().insert(told.clone());
    let only_reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let span = tracing::error_span!("request", request_id = %id);
    let response = async {
        let answering = arrival::in_time(patience, request, next);
        let answered = AssertUnwindSafe(answering).catch_unwind().await;
        // The hook has logged why.
        let mut response = answered.unwrap_or_else(|_| Problem::of(Kind::Internal).into_response());
        told.write(response.headers_mut());
        if let Some(org) = line.noted.org() {
            response = unsent.count(org, only_reads, response).await;
        }
        finish(&id.0, response).await
    };
    let mut response = response.instrument(span).await;
    if let Ok(value) = HeaderValue::try_from(&id.0) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    line.answered(&response);
    response
}

/// What is logged and counted of a request, when it is dropped.
struct Line {
    id: RequestId,
    route: Option<MatchedPath>,
    method: &'static str,
    begun: Instant,
    status: u16,
    code: Cow<'static, str>,
    bytes: u64,
    noted: Noted,
}

impl Line {
    /// Until it is answered, of a client that left.
    fn new(request: &Request, id: RequestId) -> Self {
        Self {
            id,
            route: request.extensions().get().cloned(),
            method: method(request.method()),
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

impl Drop for Line {
    fn drop(&mut self) {
        let route = self.route.as_ref().map_or("none", MatchedPath::as_str);
        let took = self.begun.elapsed();
        let noted = self.noted.0.get();
        tracing::info!(
            request_id = %self.id,
            method = self.method,
            route,
            status = self.status,
            code = (!self.code.is_empty()).then_some(&*self.code),
            ms = took.as_millis() as u64,
            bytes = self.bytes,
            org = noted.map(|it| tracing::field::display(it.org)),
            key = noted.map(|it| tracing::field::display(it.key)),
            "request"
        );
        metrics::counter!(
            "tollgate_requests_total",
            "route" => route.to_owned(),
            "method" => self.method,
            "status" => self.status.to_string(),
            "code" => self.code.to_string(),
        )
        .increment(1);
        let seconds = took.as_secs_f64();
        metrics::histogram!("tollgate_request_seconds", "route" => route.to_owned())
            .record(seconds);
    }
}

/// Callers may send any word for a method: what is counted by has few values.
fn method(method: &Method) -> &'static str {
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
        Self(format!("req_{}", base32(time << 80 | unique >> 48)))
    }
}

/// Lower-case base32hex of the sixteen bytes, without padding.
fn base32(bits: u128) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    // 26 digits are 130 bits: the last digit's two lowest are zero.
    let digit = |at: u32| match 128_u32.checked_sub(5 * (at + 1)) {
        Some(shift) => (bits >> shift) & 31,
        None => (bits << 2) & 31,
    };
    (0..26)
        .map(|at| char::from(DIGITS[digit(at) as usize]))
        .collect()
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Extension;
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use serde_json::Value;
    use std::collections::HashSet;
    use tower::ServiceExt;

    #[test]
    fn ids_are_unlike_and_sort_by_time() {
        let ids: HashSet<String> = (0..10_000).map(|_| RequestId::new().to_string()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(
            ids.iter()
                .all(|id| id.len() == 30 && id.starts_with("req_"))
        );
        assert_eq!(base32(0), "0".repeat(26));
        assert_eq!(base32(u128::MAX), format!("{}s", "v".repeat(25)));
        assert!(base32(1 << 80) < base32(2 << 80));
    }

    fn router() -> Router {
        let panicking = async || -> String { panic!("a secret") };
        let own = async |Extension(id): Extension<RequestId>| id.to_string();
        let router = Router::new()
            .route("/panic", get(panicking))
            .route("/things/{id}", get(own));
        observed(router, Arc::default(), Duration::from_secs(1))
    }

    async fn answer(path: &str) -> (Response<()>, String) {
        let request = Request::get(path).body(Body::empty());
        let response = router().oneshot(request.expect("a request")).await;
        let (parts, body) = response.expect("infallible").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        let text = String::from_utf8(body.to_vec()).expect("UTF-8");
        (Response::from_parts(parts, ()), text)
    }

    #[tokio::test]
    async fn an_answer_names_its_request() {
        let (response, body) = answer("/things/1").await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[X_REQUEST_ID], body);
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
