//! 400, 404, 405 and 413: what a request may say.

use crate::http::rows::{BAD_REQUEST, FILE_TOO_LARGE, METHOD_NOT_ALLOWED, ROUTE_NOT_FOUND};
use crate::http::small::{published, quick};
use serde_json::json;
use tollgate_tests::server::{JSON, Server, WASM};

/// A label, a path, headers, a body, and the violation it is refused for.
type Sent<'a> = (
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a [u8],
    &'a str,
);

const TEXT: &[(&str, &str)] = &[("content-type", "text/plain")];

#[test]
fn a_body_that_is_not_json_is_a_bad_request() {
    let server = Server::start();
    let caller = server.org("caller");
    let id = published(&caller, &quick("quick", "1.0.0"));
    let run = format!("/v1/artifacts/{id}/run");
    let keys = "/v1/keys";
    let good = br#"{"name":"a","scopes":["run"]}"#;
    let none: &[(&str, &str)] = &[];
    let rows: &[Sent<'_>] = &[
        ("half an object", keys, JSON, b"{", "json_malformed"),
        ("nothing", keys, JSON, b"", "json_malformed"),
        ("two values", keys, JSON, b"{} {}", "json_malformed"),
        (
            "a comma too many",
            keys,
            JSON,
            br#"{"name":"a",}"#,
            "json_malformed",
        ),
        (
            "not a number",
            keys,
            JSON,
            br#"{"name":NaN}"#,
            "json_malformed",
        ),
        (
            "a byte order mark",
            keys,
            JSON,
            b"\xef\xbb\xbf{}",
            "json_malformed",
        ),
        (
            "a duplicate key",
            keys,
            JSON,
            br#"{"name":"a","name":"b","scopes":["run"]}"#,
            "json_malformed",
        ),
        (
            "a duplicate key, escaped",
            keys,
            JSON,
            br#"{"name":"a","n\u0061me":"b","scopes":["run"]}"#,
            "json_malformed",
        ),
        ("another content type", keys, TEXT, good, "content_type"),
        ("no content type", keys, none, good, "content_type"),
        (
            "a run of half an object",
            &run,
            JSON,
            b"{\"input\"",
            "json_malformed",
        ),
        (
            "a run with a duplicate key",
            &run,
            JSON,
            br#"{"input":1,"input":2}"#,
            "json_malformed",
        ),
        (
            "a duplicate key inside the input",
            &run,
            JSON,
            br#"{"input":{"a":1,"a":2}}"#,
            "json_malformed",
        ),
        (
            "a run as text",
            &run,
            TEXT,
            br#"{"input":1}"#,
            "content_type",
        ),
    ];
    for (label, path, headers, body, violation) in rows {
        let answer = caller.send("POST", path, headers, body);
        BAD_REQUEST.is_for(violation, label, answer);
    }
    // What is JSON by its parameters is taken.
    let utf8 = [("content-type", "Application/JSON; charset=utf-8")];
    caller.send("POST", keys, &utf8, good).expect(201);
}

#[test]
fn a_query_or_header_that_makes_no_sense_is_a_bad_request() {
    let server = Server::start();
    let caller = server.org("caller");
    for path in [
        "/v1/keys?bogus=1",
        "/v1/keys?limit=0",
        "/v1/keys?limit=101",
        "/v1/keys?limit=-1",
        "/v1/keys?limit=many",
        "/v1/keys?limit=1&limit=2",
        "/v1/keys?cursor=nonsense",
        "/v1/keys?cursor=run_06bqk8m0000000000000000000",
        "/v1/runs?status=DONE",
        "/v1/runs?artifact_id=nonsense",
        "/v1/runs?bogus=1",
        "/v1/artifacts?mine=perhaps",
        "/v1/environment?cursor=nonsense",
    ] {
        BAD_REQUEST.is_for("query_invalid", path, caller.get(path));
    }
    let long = "k".repeat(256);
    for key in ["", &long, "gr\u{fc}n"] {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body = br#"{"name":"a","scopes":["run"]}"#;
        let answer = caller.send("POST", "/v1/keys", &headers, body);
        BAD_REQUEST.is_for("idempotency_key", key, answer);
    }
}

#[test]
fn a_path_or_method_that_is_not_there_is_said_so() {
    let server = Server::start();
    let caller = server.org("caller");
    for path in [
        "/",
        "/v1",
        "/v1/",
        "/v2/artifacts",
        "/v1/artifacts/",
        "/v1//artifacts",
        "/V1/artifacts",
        "/v1/runs/a/b/c",
        "/metrics",
    ] {
        ROUTE_NOT_FOUND.is(path, caller.get(path));
        ROUTE_NOT_FOUND.is(path, caller.with_key("").get(path));
    }
    for (method, path, allowed) in [
        ("PUT", "/v1/artifacts", &["GET", "POST"][..]),
        ("POST", "/v1/artifacts/a", &["GET", "PATCH"]),
        ("GET", "/v1/artifacts/a/run", &["POST"]),
        ("GET", "/v1/artifacts/a/publish", &["POST"]),
        ("GET", "/v1/environment/A", &["PUT", "DELETE"]),
        ("GET", "/v1/keys/a", &["DELETE"]),
        ("POST", "/healthz", &["GET"]),
        ("POST", "/openapi.json", &["GET"]),
    ] {
        let answer = caller.send(method, path, &[], b"");
        let allow = answer.headers.get("allow").cloned();
        METHOD_NOT_ALLOWED.is(&format!("{method} {path}"), answer);
        let allow = allow.unwrap_or_else(|| panic!("{method} {path}: no Allow"));
        let methods: Vec<_> = allow
            .to_str()
            .expect("text")
            .split(',')
            .map(str::trim)
            .collect();
        for method in allowed {
            assert!(methods.contains(method), "{path}: {methods:?}");
        }
    }
}

#[test]
fn a_body_above_its_limit_is_too_large() {
    let server = Server::start();
    let caller = server.org("caller");
    let large = json!({"name": "n".repeat(70_000), "scopes": ["run"]});
    FILE_TOO_LARGE.is_for("body_too_large", "a key", caller.post("/v1/keys", &large));
    let headers = [WASM[0], ("expect", "100-continue")];
    caller
        .send(
            "POST",
            "/v1/artifacts?name=expected",
            &headers,
            &quick("expected", "1.0.0"),
        )
        .expect(201);
}
