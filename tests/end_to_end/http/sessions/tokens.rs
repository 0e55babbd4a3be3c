//! Tokens that are good no more, or never were.

use super::{PATIENCE, Session, queue};
use crate::http::rows::{KEY_INVALID, RATE_LIMITED, SESSION_NOT_FOUND, SUSPENDED, TOKEN_EXPIRED};
use crate::http::small::{key, published, quick, sleeper};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tollgate_tests::holds_within;
use tollgate_tests::server::Server;

/// A token's header or claims, with a field changed.
fn changed(part: &str, field: &str, value: Value) -> String {
    let bytes = BASE64URL_NOPAD.decode(part.as_bytes()).expect("base64");
    let mut json: Value = serde_json::from_slice(&bytes).expect("JSON");
    json[field] = value;
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}

#[test]
fn a_forged_token_is_an_invalid_key() {
    let server = Server::start_with(&[("TOLLGATE_RATE__FAILED_PER_MINUTE", "0")]);
    let other = Server::start();
    let (caller, stranger) = (server.org("caller"), other.org("stranger"));
    let own = published(&caller, &quick("own", "1.0.0"));
    let theirs = published(&stranger, &quick("theirs", "1.0.0"));
    let good = Session::new(&caller, &[&own], 0, 100).caller;
    let victim = Session::new(&caller, &[&own], 0, 100);
    let elsewhere = Session::new(&stranger, &[&theirs], 0, 100).caller.key;
    good.get("/v1/runs").expect(200);
    let parts: Vec<&str> = good.key.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("three parts: {}", good.key);
    };
    let foreign = elsewhere.rsplit_once('.').expect("parts").1;
    let session = victim.path.rsplit('/').next().expect("an id");
    let none = changed(header, "alg", json!("none"));
    let with = |claims: String| format!("{header}.{claims}.{signature}");
    let cases = [
        ("none, unsigned", format!("{none}.{claims}.")),
        ("none, signed", format!("{none}.{claims}.{signature}")),
        ("another server's", elsewhere.clone()),
        ("signed elsewhere", format!("{header}.{claims}.{foreign}")),
        (
            "another's session",
            with(changed(claims, "sub", json!(session))),
        ),
        (
            "a later end",
            with(changed(claims, "exp", json!(9_999_999_999_u64))),
        ),
        ("another issuer", with(changed(claims, "iss", json!("me")))),
        ("unsigned", format!("{header}.{claims}.")),
        ("two parts", format!("{header}.{claims}")),
        ("cut", good.key[..good.key.len() - 1].to_owned()),
        ("longer", format!("{}A", good.key)),
        ("dots", "..".to_owned()),
        ("a session's id", session.to_owned()),
    ];
    for (label, token) in cases {
        let forged = caller.with_key(&token);
        let answer = forged.get("/v1/runs");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        KEY_INVALID.is(label, answer);
        KEY_INVALID.is(label, forged.run(&own, &json!({"input": 0})));
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let answer = caller.with_key("").send("GET", "/v1/runs", &headers, b"");
        KEY_INVALID.is(label, answer);
    }
    good.get("/v1/runs").expect(200);
}

#[test]
fn a_token_expires_by_itself_and_is_no_attempt_at_guessing() {
    let server = Server::start_with(&[("TOLLGATE_RATE__FAILED_PER_MINUTE", "4")]);
    let caller = server.org("caller");
    let own = published(&caller, &quick("own", "1.0.0"));
    let session = Session::lasting(&caller, &[&own], 0, 100, 1);
    let is_over = || session.caller.get("/v1/runs").status == 401;
    assert!(holds_within(PATIENCE, is_over));
    // A token says in whole seconds when it ends, its session to the microsecond: past the one and past both.
    let past_both = Instant::now() + Duration::from_secs(2);
    assert!(holds_within(PATIENCE, || {
        let answer = session.caller.get("/v1/runs");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        TOKEN_EXPIRED.is("later", answer);
        let run = session.caller.run(&own, &json!({"input": 0}));
        TOKEN_EXPIRED.is("a run", run);
        Instant::now() > past_both
    }));
    assert_eq!(session.used(&caller), (0, 0));
    let forged = caller.with_key(&session.caller.key.replace('.', ".e"));
    for _ in 0..4 {
        KEY_INVALID.is("forged", forged.get("/v1/runs"));
    }
    RATE_LIMITED.is("forged too often", forged.get("/v1/runs"));
    caller.get("/v1/runs").expect(200);
}

#[test]
fn a_session_that_is_taken_back_is_refused_by_the_very_next_call() {
    let server = Server::start();
    let (caller, stranger) = (server.org("caller"), server.org("stranger"));
    let own = published(&caller, &quick("own", "1.0.0"));
    let (runner, _) = key(&caller, &["run"]);
    for round in 0..5 {
        let session = Session::new(&caller, &[&own], 0, 100);
        session.caller.run(&own, &json!({"input": 0})).expect(200);
        for path in [session.path.as_str(), "/v1/sessions/nonsense"] {
            SESSION_NOT_FOUND.is("a stranger's", stranger.delete(path));
            SESSION_NOT_FOUND.is("a stranger's", stranger.get(path));
            SESSION_NOT_FOUND.is("a stranger's", stranger.get(&format!("{path}/runs")));
        }
        let mut revoked_at = Value::Null;
        for _ in 0..2 {
            runner.delete(&session.path).expect(204);
            let label = format!("round {round}");
            KEY_INVALID.is(&label, session.caller.get("/v1/runs"));
            KEY_INVALID.is(&label, session.caller.run(&own, &json!({"input": 0})));
            let shown = runner.get(&session.path).expect(200);
            assert!(shown["revoked_at"].is_string(), "{shown}");
            assert!(revoked_at.is_null() || revoked_at == shown["revoked_at"]);
            revoked_at = shown["revoked_at"].clone();
            assert_eq!(shown["runs_used"], 1, "{shown}");
        }
    }
}

#[test]
fn a_session_goes_where_its_key_and_its_org_go() {
    let server = Server::start();
    let (operator, caller) = (server.operator(), server.org("caller"));
    let own = published(&caller, &sleeper("own"));
    let (agent, agent_id) = key(&caller, &["run"]);
    let session = Session::new(&agent, &[&own], 0, 100);
    let input = json!({"input": 0});
    let run = session.caller.run(&own, &input).expect(200)["run_id"].clone();
    let run = format!("/v1/runs/{}", run.as_str().expect("an id"));
    for (what, id) in [("orgs", &caller.org), ("keys", &agent_id)] {
        let set = |verb: &str| {
            let path = format!("/v1/{what}/{id}/{verb}");
            operator.send("POST", &path, &[], b"").expect(204)
        };
        set("suspend");
        SUSPENDED.is(what, session.caller.run(&own, &input));
        for path in [run.as_str(), "/v1/runs"] {
            SUSPENDED.is(what, session.caller.get(path));
        }
        set("resume");
        session.caller.run(&own, &input).expect(200);
    }
    // While the text that made it is good, too.
    let rotate = format!("/v1/keys/{agent_id}/rotate");
    caller
        .post(&rotate, &json!({"overlap_s": 3600}))
        .expect(200);
    session.caller.run(&own, &input).expect(200);
    let queued = queue(&session.caller, &own, 0).expect(202);
    caller.delete(&format!("/v1/keys/{agent_id}")).expect(204);
    KEY_INVALID.is("the key is revoked", session.caller.run(&own, &input));
    let queued = format!("/v1/runs/{}", queued["run_id"].as_str().expect("an id"));
    let is_over = || caller.get(&queued).expect(200)["status"] == "SUCCEEDED";
    assert!(holds_within(PATIENCE, is_over));
}
