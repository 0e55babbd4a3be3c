use super::*;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Query};
use axum::http::Request;
use axum::routing::{get, post};
use std::time::Duration;
use tower::ServiceExt;

async fn json(response: Response) -> Value {
    let bytes = read(response.into_body()).await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// What a router answers, finished.
async fn answer(router: Router, request: Request<Body>) -> Response {
    let response = router.oneshot(request).await.expect("infallible");
    finish("req_1", response).await
}

fn router() -> Router {
    #[derive(serde::Deserialize)]
    struct Paging {
        limit: Option<u32>,
    }
    Router::new()
        .route(
            "/list",
            get(async |Query(paging): Query<Paging>| format!("{:?}", paging.limit)),
        )
        .route(
            "/upload",
            post(async |Json(body): Json<Vec<u32>>| format!("{body:?}"))
                .layer(DefaultBodyLimit::max(10)),
        )
        .route("/fault", get(async || StatusCode::BAD_GATEWAY))
}

#[tokio::test]
async fn the_frameworks_own_answers_are_problems() {
    let json_type = "application/json";
    let cases = [
        ("GET", "/nowhere", "", "", 404, "route_not_found"),
        ("PUT", "/list", "", "", 405, "method_not_allowed"),
        ("GET", "/list?limit=x", "", "", 400, "bad_request"),
        ("POST", "/upload", json_type, "[", 400, "bad_request"),
        ("POST", "/upload", json_type, "{}", 422, "unprocessable"),
        ("POST", "/upload", "text/html", "[]", 400, "bad_request"),
        (
            "POST",
            "/upload",
            json_type,
            "[1,2,3,4,5]",
            413,
            "file_too_large",
        ),
        ("GET", "/fault", "", "", 500, "internal"),
    ];
    for (method, path, content_type, body, status, code) in cases {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, content_type)
            .body(Body::from(body))
            .expect("a request");
        let response = answer(router(), request).await;
        assert_eq!(response.status(), status, "{path} {body}");
        assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON, "{path}");
        let allow = response.headers().get(ALLOW).cloned();
        assert_eq!(allow.is_some(), status == 405, "{path}");
        let problem = json(response).await;
        assert_eq!(problem["code"], code, "{path} {body}");
        assert_eq!(problem["request_id"], "req_1", "{path} {body}");
        let is_explained = problem["violations"][0]["message"].is_string();
        assert_eq!(is_explained, matches!(status, 400 | 422), "{problem}");
    }
}

#[tokio::test]
async fn good_answers_are_left_alone() {
    let created = Created {
        location: "/v1/artifacts/art_1".to_owned(),
        body: json!({"id": "art_1"}),
    };
    let response = finish("req_1", created.into_response()).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()[LOCATION], "/v1/artifacts/art_1");
    assert_eq!(json(response).await, json!({"id": "art_1"}));
    let accepted = Accepted {
        location: "/v1/runs/run_1".to_owned(),
        body: json!({}),
        preference_applied: true,
    };
    let response = finish("req_1", accepted.into_response()).await;
    assert_eq!(response.status(), 202);
    assert_eq!(response.headers()[PREFERENCE_APPLIED], "respond-async");
    let response = finish("req_1", NoContent.into_response()).await;
    assert_eq!(response.status(), 204);
}

#[tokio::test]
async fn a_problem_has_its_headers_and_keeps_a_handlers() {
    let refused = Problem::of(Kind::KeyInvalid).into_response();
    let refused = finish("req_1", refused).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()[WWW_AUTHENTICATE], "Bearer");
    let full = Problem::of(Kind::AtCapacity).retry_after(Duration::from_millis(1001));
    let full = ([("x-kept", "1")], full).into_response();
    let full = finish("req_2", full).await;
    assert_eq!(full.headers()[RETRY_AFTER], "2");
    assert_eq!(full.headers()["x-kept"], "1");
    assert_eq!(
        full.extensions().get::<Code>().map(|code| &*code.0),
        Some("at_capacity")
    );
    let body = json(full).await;
    assert_eq!(body["retry_after_s"], 2);
    assert_eq!(body["request_id"], "req_2");
}

#[tokio::test]
async fn what_was_answered_before_is_answered_again() {
    let first = Problem::of(Kind::ToolFailed).with_run("run_1");
    let first = finish("req_1", first.into_response()).await;
    let again = |body| Replayed {
        status: 502,
        content_type: Some("application/problem+json".to_owned()),
        location: None,
        body,
    };
    let body = read(first.into_body()).await.expect("a body");
    let response = finish("req_2", again(body).into_response()).await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()[IDEMPOTENCY_REPLAYED], "true");
    let problem = json(response).await;
    assert_eq!(problem["run_id"], "run_1");
    assert_eq!(problem["request_id"], "req_2");
    let broken = finish("req_3", again(Bytes::new()).into_response()).await;
    assert_eq!(broken.status(), 500);
}

#[test]
fn who_is_turned_away_gets_a_whole_answer() {
    let answer = turned_away("req_1");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    let problem: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(problem["code"], "at_capacity");
    assert_eq!(problem["request_id"], "req_1");
}

#[tokio::test]
async fn a_handler_says_more_than_the_catalogue() {
    let problem = Problem::of(Kind::ArtifactExists)
        .with_artifact("art_1")
        .retryable(true)
        .allow(HeaderValue::from_static("GET"));
    assert_eq!(problem.kind(), Kind::ArtifactExists);
    let response = finish("req_1", problem.into_response()).await;
    assert_eq!(response.headers()[ALLOW], "GET");
    let body = json(response).await;
    assert_eq!(body["artifact_id"], "art_1");
    assert_eq!(body["retryable"], true);
}
