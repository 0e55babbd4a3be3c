//! Everything that an org can make is capped, listed by pages, and said when it is full.

use crate::guests;
use crate::http::rows::UNPROCESSABLE;
use crate::http::small::{key, published, text};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_tests::server::{Caller, JSON, Server};
use tollgate_tests::{holds_within, packed};

const PATIENCE: Duration = Duration::from_secs(30);

fn is_full(label: &str, caller: &Caller, path: &str, body: &Value) {
    let answer = caller.post(path, body);
    let body = UNPROCESSABLE.is_for("quota_full", label, answer);
    let message = text(&body["violations"][0], "message");
    assert!(message.contains(label), "{message}");
}

#[test]
fn rows_of_each_kind_have_a_cap_per_org() {
    let server = Server::start_with(&[
        ("TOLLGATE_QUOTA__ORG_SESSIONS", "3"),
        ("TOLLGATE_QUOTA__ORG_KEYS", "4"),
        ("TOLLGATE_QUOTA__ORG_PROJECTS", "2"),
        ("TOLLGATE_QUOTA__ORG_BUDGETS", "2"),
        ("TOLLGATE_QUOTA__ORG_SUBSCRIPTIONS", "1"),
        ("TOLLGATE_QUOTA__ARTIFACT_RELEASES", "1"),
    ]);
    let (one, other) = (server.org("one"), server.org("other"));
    let tool = other.published("markdown");
    let session = json!({"artifacts": [tool], "cap": 0, "runs": 1, "ttl_s": 1});
    for _ in 0..3 {
        one.post("/v1/sessions", &session).expect(201);
    }
    is_full("sessions as it may (3)", &one, "/v1/sessions", &session);
    other.post("/v1/sessions", &session).expect(201);
    one.post("/v1/projects", &json!({"name": "second"}))
        .expect(201);
    is_full(
        "projects as it may (2)",
        &one,
        "/v1/projects",
        &json!({"name": "third"}),
    );
    // Each project has a key by now.
    let (_, first) = key(&one, &["run"]);
    key(&one, &["run"]);
    is_full(
        "keys as it may (4)",
        &one,
        "/v1/keys",
        &json!({"name": "more", "scopes": ["run"]}),
    );
    let budget = |of: &Value| {
        let mut body = json!({"scope": "project", "period": "day", "cap": 5});
        body.as_object_mut()
            .expect("an object")
            .extend(of.as_object().expect("an object").clone());
        one.put("/v1/budgets", &body)
    };
    budget(&json!({})).expect(200);
    budget(&json!({"period": "month"})).expect(200);
    budget(&json!({"cap": 6})).expect(200);
    let of_key = budget(&json!({"scope": "key", "key_id": first}));
    UNPROCESSABLE.is_for("quota_full", "a third budget", of_key);
    let page = one.get("/v1/budgets?limit=1").expect(200);
    let next = format!("/v1/budgets?limit=1&cursor={}", text(&page, "next_cursor"));
    let next = one.get(&next).expect(200);
    assert_ne!(page["items"][0]["id"], next["items"][0]["id"]);
    assert!(next["next_cursor"].is_null(), "{next}");
    let second = published(&other, &quick_tool("second"));
    one.subscribe(&tool);
    let subscribe = json!({"artifact_id": second});
    is_full(
        "subscriptions as it may (1)",
        &one,
        "/v1/subscriptions",
        &subscribe,
    );
    let draft = format!("/v1/artifacts/{second}/draft");
    let wasm = packed(
        &guests::command("nop"),
        "name = \"second\"\nversion = \"2.0.0\"\n",
    );
    other
        .send("POST", &draft, tollgate_tests::server::WASM, &wasm)
        .expect(201);
    assert_eq!(other.validate(&second)["status"], "ADMITTED");
    is_full(
        "releases as it may (1)",
        &other,
        &format!("/v1/artifacts/{second}/publish"),
        &json!({}),
    );
}

fn quick_tool(name: &str) -> Vec<u8> {
    packed(
        &guests::command(""),
        &format!("name = {name:?}\nversion = \"1.0.0\"\n"),
    )
}

#[test]
fn what_runs_leave_is_cut_where_an_org_keeps_as_much_as_it_may() {
    let server = Server::start_with(&[("TOLLGATE_QUOTA__ORG_KEPT_BYTES", "3000")]);
    let (one, other) = (server.org("one"), server.org("other"));
    let tool = published(
        &one,
        &packed(
            &guests::copies_to_stdout(),
            "name = \"echo\"\nversion = \"1.0.0\"\n",
        ),
    );
    let path = format!("/v1/artifacts/{tool}/run");
    let headers = [JSON[0], ("prefer", "respond-async")];
    let body = json!({"input": "o".repeat(2000)}).to_string();
    let ended = || {
        let run = one
            .send("POST", &path, &headers, body.as_bytes())
            .expect(202);
        let path = format!("/v1/runs/{}", text(&run, "run_id"));
        let mut seen = Value::Null;
        let is_over = holds_within(PATIENCE, || {
            seen = one.get(&path).expect(200);
            seen["status"] == "SUCCEEDED"
        });
        assert!(is_over, "{seen}");
        seen
    };
    let whole = ended();
    assert!(
        whole["output"].is_string() && whole["cut"].is_null(),
        "{whole}"
    );
    let cut = ended();
    assert!(cut["output"].is_null(), "{cut}");
    assert_eq!(cut["cut"], json!(["output"]), "{cut}");
    let used = one.get("/v1/usage").expect(200);
    assert_eq!(
        (&used["kept_bytes"], &used["kept_bytes_max"]),
        (&json!(2002), &json!(3000))
    );
    // One more that is kept whole, and there is room for nothing.
    let repeatable = [JSON[0], ("idempotency-key", "k")];
    let small = json!({"input": "o".repeat(700)}).to_string();
    one.send("POST", &path, &repeatable, small.as_bytes())
        .expect(200);
    let again = one
        .send("POST", &path, &repeatable, small.as_bytes())
        .expect(200);
    assert_eq!(again["output"], "o".repeat(700));
    let last = [JSON[0], ("idempotency-key", "last")];
    one.send("POST", &path, &last, br#"{"input": "x"}"#)
        .expect(200);
    let next = [JSON[0], ("idempotency-key", "next")];
    let refused = one.send("POST", &path, &next, small.as_bytes());
    UNPROCESSABLE.is_for("quota_full", "nothing can be kept", refused);
    one.run(&tool, &json!({"input": "x"})).expect(200);
    other
        .send(
            "POST",
            "/v1/keys",
            &next,
            br#"{"name":"a","scopes":["run"]}"#,
        )
        .expect(201);
}
