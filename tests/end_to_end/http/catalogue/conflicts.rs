//! 409: what cannot be done now.

use crate::http::rows::{
    ARTIFACT_EXISTS, COVER_MISSING, DRAFT_EXISTS, IDEMPOTENCY_CONFLICT, NO_ACTIVE_RELEASE,
    RUN_CANCELLED, RUN_NOT_RUNNING, VERSION_EXISTS,
};
use crate::http::small::{admitted, publish, published, quick, redraft, sleeper, text, uploaded};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_tests::holds_within;
use tollgate_tests::server::{JSON, Server, WASM};

#[test]
fn a_name_a_draft_and_a_version_are_there_once() {
    let server = Server::start();
    let (seller, other) = (server.org("seller"), server.org("other"));
    let tool = quick("quick", "1.0.0");
    let id = uploaded(&seller, &tool);
    let body = ARTIFACT_EXISTS.is("the name", seller.upload(&tool));
    assert_eq!(body["artifact_id"], json!(id), "{body}");
    // Another project's names are its own.
    uploaded(&other, &tool);

    let draft = format!("/v1/artifacts/{id}/draft");
    let again = seller.send("POST", &draft, WASM, &tool);
    DRAFT_EXISTS.is("the draft", again);

    seller.validate(&id);
    let release = publish(&seller, &id);
    redraft(&seller, &id, &tool);
    let answer = seller.send("POST", &format!("/v1/artifacts/{id}/publish"), &[], b"");
    VERSION_EXISTS.is_for("version_exists", "the version", answer);
    let artifact = seller.get(&format!("/v1/artifacts/{id}")).expect(200);
    assert_eq!(
        artifact["active_release"]["id"],
        json!(release),
        "{artifact}"
    );
    assert!(artifact["draft"].is_object(), "{artifact}");
}

#[test]
fn without_a_release_there_is_nothing_to_run_list_or_roll_back_to() {
    let server = Server::start();
    let seller = server.org("seller");
    let id = admitted(&seller, &quick("quick", "1.0.0"));
    let artifact = format!("/v1/artifacts/{id}");
    let rollback = format!("{artifact}/rollback");
    let input = json!({"input": null});
    let list = |listed: bool| {
        let body = json!({"listed": listed}).to_string();
        seller.send("PATCH", &artifact, JSON, body.as_bytes())
    };
    NO_ACTIVE_RELEASE.is("run", seller.run(&id, &input));
    NO_ACTIVE_RELEASE.is("list", list(true));
    NO_ACTIVE_RELEASE.is("unlist", list(false));
    NO_ACTIVE_RELEASE.is("rollback", seller.send("POST", &rollback, &[], b""));
    seller
        .post(&format!("{artifact}/draft/run"), &input)
        .expect(200);

    let first = publish(&seller, &id);
    NO_ACTIVE_RELEASE.is("nothing before", seller.send("POST", &rollback, &[], b""));
    seller.run(&id, &input).expect(200);
    redraft(&seller, &id, &quick("quick", "1.1.0"));
    publish(&seller, &id);
    let back = seller.send("POST", &rollback, &[], b"").expect(200);
    assert_eq!(back["id"], json!(first), "{back}");
    NO_ACTIVE_RELEASE.is(
        "nothing before the first",
        seller.send("POST", &rollback, &[], b""),
    );
}

#[test]
fn a_cover_that_is_not_to_be_made_is_missing() {
    let server = Server::start();
    let seller = server.org("seller");
    let id = admitted(&seller, &quick("quick", "1.0.0"));
    let path = format!("/v1/artifacts/{id}/publish");
    let answer = seller.post(&path, &json!({"generate_cover": false}));
    COVER_MISSING.is("publish", answer);
    seller
        .post(&path, &json!({"generate_cover": true}))
        .expect(201);
}

#[test]
fn a_run_is_cancelled_while_it_runs_and_its_caller_is_told() {
    let server = Server::start();
    let caller = server.org("caller");
    let id = published(&caller, &sleeper("sleeper"));
    let done = caller.run(&id, &json!({"input": 0})).expect(200);
    let cancel = |run: &str| caller.send("POST", &format!("/v1/runs/{run}/cancel"), &[], b"");
    let done = text(&done, "run_id");
    let body = RUN_NOT_RUNNING.is("a run that is over", cancel(&done));
    assert_eq!(body["run_id"], json!(done), "{body}");

    let waiting = std::thread::spawn({
        let (caller, path) = (caller.clone(), format!("/v1/artifacts/{id}/run"));
        // With a key the run is on record, and found, while it runs.
        let headers = [JSON[0], ("idempotency-key", "sleeps")];
        move || caller.send("POST", &path, &headers, br#"{"input":25000}"#)
    });
    let mut running = Value::Null;
    let is_running = holds_within(Duration::from_secs(20), || {
        running = caller.get("/v1/runs?status=RUNNING").expect(200)["items"][0].clone();
        running.is_object()
    });
    assert!(is_running, "{}", server.log());
    let run = text(&running, "run_id");
    let cancelled = cancel(&run).expect(200);
    assert_eq!(cancelled["status"], "CANCELLED", "{cancelled}");
    assert_eq!(cancelled["charged"], 0, "{cancelled}");
    let body = RUN_CANCELLED.is("the waiting caller", waiting.join().expect("an answer"));
    assert_eq!(body["run_id"], json!(run), "{body}");
    RUN_NOT_RUNNING.is("a second time", cancel(&run));
    let record = caller.get(&format!("/v1/runs/{run}")).expect(200);
    assert_eq!(record["status"], "CANCELLED", "{record}");
}

#[test]
fn an_idempotency_key_belongs_to_one_body() {
    let server = Server::start();
    let (caller, other) = (server.org("caller"), server.org("other"));
    let id = published(&caller, &quick("quick", "1.0.0"));
    other.subscribe(&id);
    let headers = [JSON[0], ("idempotency-key", "once")];
    let run = format!("/v1/artifacts/{id}/run");
    for (label, path, first, second, status) in [
        (
            "a key",
            "/v1/keys",
            r#"{"name":"a","scopes":["run"]}"#,
            r#"{"name":"b","scopes":["run"]}"#,
            201,
        ),
        ("a run", &run, r#"{"input":1}"#, r#"{"input":2}"#, 200),
        (
            "a project",
            "/v1/projects",
            r#"{"name":"a"}"#,
            r#"{"name": "a"}"#,
            201,
        ),
    ] {
        let send = |body: &str| caller.send("POST", path, &headers, body.as_bytes());
        let made = send(first).expect(status);
        IDEMPOTENCY_CONFLICT.is(label, send(second));
        let again = send(first);
        assert_eq!(again.headers["idempotency-replayed"], "true", "{label}");
        let again = again.expect(status);
        for field in ["id", "run_id"] {
            assert_eq!(again[field], made[field], "{label}");
        }
        assert!(again.get("key").is_none(), "{label}: {again}");
        // Another project's keys are its own.
        let others = other.send("POST", path, &headers, second.as_bytes());
        assert!(
            others.headers.get("idempotency-replayed").is_none(),
            "{label}"
        );
        let others = others.expect(status);
        assert!(
            others["id"] != made["id"] || others["run_id"] != made["run_id"],
            "{label}"
        );
    }
}
