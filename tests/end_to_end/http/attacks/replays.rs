//! An idempotency key gives nobody an answer that their own key could not ask for.

use crate::http::rows::{FORBIDDEN, SUSPENDED};
use crate::http::small::{key, published, quick};
use tollgate_tests::server::{JSON, Server};

const REPEATED: [(&str, &str); 2] = [JSON[0], ("idempotency-key", "repeated")];

#[test]
fn a_replay_needs_the_scope_of_the_first_request() {
    let server = Server::start();
    let manager = server.org("an org");
    let (runner, _) = key(&manager, &["run"]);
    let (publisher, _) = key(&manager, &["publish"]);
    let body = br#"{"name": "made", "scopes": ["run"]}"#;
    let first = manager
        .send("POST", "/v1/keys", &REPEATED, body)
        .expect(201);
    for other in [&runner, &publisher] {
        FORBIDDEN.is(
            "another scope",
            other.send("POST", "/v1/keys", &REPEATED, body),
        );
    }
    let again = manager
        .send("POST", "/v1/keys", &REPEATED, body)
        .expect(201);
    assert_eq!(first["id"], again["id"]);
    assert!(again["key"].is_null(), "{again}");
    let tool = published(&manager, &quick("quick", "1.0.0"));
    let session = format!(r#"{{"artifacts": ["{tool}"], "cap": 0, "runs": 1, "ttl_s": 60}}"#);
    // What both may ask for, both are told.
    for caller in [&manager, &runner] {
        caller
            .send("POST", "/v1/sessions", &REPEATED, session.as_bytes())
            .expect(201);
    }
    let run = format!("/v1/artifacts/{tool}/run");
    runner
        .send("POST", &run, &REPEATED, br#"{"input": null}"#)
        .expect(200);
    let refused = publisher.send("POST", &run, &REPEATED, br#"{"input": null}"#);
    FORBIDDEN.is("a run's answer", refused);
}

#[test]
fn what_the_operator_has_stopped_is_not_replayed() {
    let server = Server::start();
    let (operator, seller) = (server.operator(), server.org("seller"));
    let (maker, id) = key(&seller, &["manage"]);
    let tool = published(&seller, &quick("quick", "1.0.0"));
    let run = format!("/v1/artifacts/{tool}/run");
    let body = br#"{"name": "made", "scopes": ["run"]}"#;
    maker.send("POST", "/v1/keys", &REPEATED, body).expect(201);
    seller
        .send("POST", &run, &REPEATED, br#"{"input": null}"#)
        .expect(200);
    let set = |path: &str| {
        let status = operator.send("POST", path, JSON, b"{}").status;
        assert_eq!(status, 204, "{path}");
    };
    set(&format!("/v1/artifacts/{tool}/suspend"));
    let refused = seller.send("POST", &run, &REPEATED, br#"{"input": null}"#);
    SUSPENDED.is("the artifact is stopped", refused);
    set(&format!("/v1/artifacts/{tool}/resume"));
    seller
        .send("POST", &run, &REPEATED, br#"{"input": null}"#)
        .expect(200);
    set(&format!("/v1/keys/{id}/suspend"));
    let refused = maker.send("POST", "/v1/keys", &REPEATED, body);
    SUSPENDED.is("the key is stopped", refused);
}
