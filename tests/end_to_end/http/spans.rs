//! Spans that callers add to their runs while these run.

use super::rows::{FILE_TOO_LARGE, RUN_NOT_FOUND, RUN_NOT_RUNNING, UNPROCESSABLE, violations};
use super::small::{published, sleeper, text};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_tests::holds_within;
use tollgate_tests::server::{Answer, Caller, JSON, Server};

/// Starts an async run that sleeps, and gives its id once it runs.
fn running(caller: &Caller, tool: &str, sleeps_ms: u32) -> String {
    let path = format!("/v1/artifacts/{tool}/run");
    let body = json!({"input": sleeps_ms}).to_string();
    let headers = [JSON[0], ("prefer", "respond-async")];
    let run = text(
        &caller
            .send("POST", &path, &headers, body.as_bytes())
            .expect(202),
        "run_id",
    );
    let path = format!("/v1/runs/{run}");
    let is_running = holds_within(Duration::from_secs(20), || {
        caller.get(&path).expect(200)["status"] == "RUNNING"
    });
    assert!(is_running, "{run} never ran");
    run
}

fn add(caller: &Caller, run: &str, spans: &Value) -> Answer {
    caller.post(&format!("/v1/runs/{run}/spans"), &json!({"spans": spans}))
}

fn shown(caller: &Caller, run: &str) -> Vec<Value> {
    let list = caller.get(&format!("/v1/runs/{run}/spans")).expect(200);
    assert!(list["next_cursor"].is_null(), "{list}");
    list["items"].as_array().expect("a list").clone()
}

fn ids(spans: &[Value]) -> Vec<&str> {
    spans
        .iter()
        .filter_map(|span| span["span_id"].as_str())
        .collect()
}

fn span(id: &str) -> Value {
    json!({"span_id": id, "name": "plan", "started_at": "2026-11-23T21:13:57Z", "ended_at": "2026-11-23T21:13:58Z",
        "attributes": {}})
}

fn cancel(caller: &Caller, run: &str) -> Answer {
    caller.send("POST", &format!("/v1/runs/{run}/cancel"), &[], b"")
}

#[test]
fn spans_are_shown_while_the_run_runs_and_after_it_with_its_own() {
    let server = Server::start();
    let caller = server.org("caller");
    let tool = published(&caller, &sleeper("sleeper"));
    let run = running(&caller, &tool, 3000);
    let plan = json!({"span_id": "b7ad6b7169203331", "parent_id": "0000000000000004", "name": "pl\u{1b}[2Jan\u{7}",
        "started_at": "2026-11-23T22:13:57.5+01:00", "ended_at": "2026-11-23T21:13:58Z",
        "attributes": {"mod\u{0}el": "sm\u{9b}all", "tokens": 512, "share": 0.5, "cached": true, "stops": ["a\n", 1]}});
    let added = add(&caller, &run, &json!([plan]));
    assert_eq!(
        added.headers["location"],
        format!("/v1/runs/{run}/spans").as_str()
    );
    let added = added.expect(201);
    let kept = json!({"span_id": "b7ad6b7169203331", "parent_id": "0000000000000004", "name": "pl[2Jan",
        "started_at": "2026-11-23T21:13:57.500000Z", "ended_at": "2026-11-23T21:13:58.000000Z",
        "attributes": {"model": "small", "tokens": 512, "share": 0.5, "cached": true, "stops": ["a", 1]}});
    assert_eq!(added, json!({"items": [kept], "next_cursor": null}));
    let mut bare = span("second");
    bare.as_object_mut()
        .expect("an object")
        .shift_remove("attributes");
    add(&caller, &run, &json!([bare, span("third")])).expect(201);
    let while_running = shown(&caller, &run);
    assert_eq!(ids(&while_running), ["b7ad6b7169203331", "second", "third"]);
    assert_eq!(while_running[0], kept);

    let path = format!("/v1/runs/{run}");
    let has_ended = holds_within(Duration::from_secs(20), || {
        caller.get(&path).expect(200)["status"] == "SUCCEEDED"
    });
    assert!(has_ended);
    let after = shown(&caller, &run);
    assert_eq!(after[4..], while_running[..], "{after:?}");
    assert_eq!(after[3]["name"], "call", "{after:?}");
    let body = RUN_NOT_RUNNING.is("after its end", add(&caller, &run, &json!([span("late")])));
    assert_eq!(body["run_id"], json!(run));
    assert_eq!(shown(&caller, &run), after);

    // What was acknowledged outlives the server.
    let run = running(&caller, &tool, 25_000);
    add(&caller, &run, &json!([span("kept")])).expect(201);
    let server = Server::start_in(server.kill(), &[]);
    let caller = server.caller(&caller.key);
    let record = caller.get(&format!("/v1/runs/{run}")).expect(200);
    assert_eq!(record["failure"]["kind"], "lost", "{record}");
    assert_eq!(ids(&shown(&caller, &run)), ["kept"]);
}

#[test]
fn a_run_that_is_queued_over_or_another_projects_takes_none() {
    let server = Server::start_with(&[("TOLLGATE_ASYNC_RUNS", "2")]);
    let (caller, other) = (server.org("caller"), server.org("other"));
    let tool = published(&caller, &sleeper("sleeper"));
    let run = running(&caller, &tool, 25_000);
    let headers = [JSON[0], ("prefer", "respond-async")];
    let path = format!("/v1/artifacts/{tool}/run");
    let queued = text(
        &caller
            .send("POST", &path, &headers, br#"{"input":0}"#)
            .expect(202),
        "run_id",
    );
    RUN_NOT_RUNNING.is("queued", add(&caller, &queued, &json!([span("a")])));
    RUN_NOT_FOUND.is("another's", add(&other, &run, &json!([span("a")])));
    RUN_NOT_FOUND.is(
        "absent",
        add(&caller, "run_06bqk8m0000000000000000000", &json!([])),
    );
    cancel(&caller, &run).expect(200);
    RUN_NOT_RUNNING.is("cancelled", add(&caller, &run, &json!([span("a")])));
    assert_eq!(shown(&caller, &run), Vec::<Value>::new());
}

#[test]
fn bad_spans_are_refused_with_their_place_and_nothing_of_their_request_is_added() {
    let server = Server::start();
    let caller = server.org("caller");
    let tool = published(&caller, &sleeper("sleeper"));
    let run = running(&caller, &tool, 28_000);
    let with = |field: &str, value: Value| {
        let mut span = span("a");
        span[field] = value;
        span
    };
    let without = |field: &str| {
        let mut span = span("a");
        span.as_object_mut().expect("an object").shift_remove(field);
        span
    };
    let many: serde_json::Map<_, _> = (0..129).map(|it| (it.to_string(), json!(1))).collect();
    let rows = [
        ("no object", json!(1), ""),
        ("null", json!(null), ""),
        ("an unknown field", with("kind", json!("server")), ""),
        ("no id", without("span_id"), "/span_id"),
        ("an empty id", with("span_id", json!("")), "/span_id"),
        ("an id of blanks", with("span_id", json!("a b")), "/span_id"),
        (
            "a long id",
            with("span_id", json!("a".repeat(65))),
            "/span_id",
        ),
        ("an id of a number", with("span_id", json!(7)), "/span_id"),
        (
            "an id of the run's own",
            with("span_id", json!("0000000000000004")),
            "/span_id",
        ),
        (
            "a parent that is none",
            with("parent_id", json!("\u{1b}")),
            "/parent_id",
        ),
        (
            "a parent of null",
            with("parent_id", json!(null)),
            "/parent_id",
        ),
        ("no name", without("name"), "/name"),
        (
            "a name of controls",
            with("name", json!("\u{1}\u{7f}")),
            "/name",
        ),
        ("a long name", with("name", json!("n".repeat(257))), "/name"),
        ("no start", without("started_at"), "/started_at"),
        (
            "a start that is no time",
            with("started_at", json!("yesterday")),
            "/started_at",
        ),
        (
            "a start of a number",
            with("started_at", json!(1_700_000_000)),
            "/started_at",
        ),
        ("no end", without("ended_at"), "/ended_at"),
        (
            "an end before its start",
            with("ended_at", json!("2026-11-23T21:13:56Z")),
            "/ended_at",
        ),
        (
            "attributes in a list",
            with("attributes", json!([])),
            "/attributes",
        ),
        (
            "too many attributes",
            with("attributes", json!(many)),
            "/attributes",
        ),
        (
            "an attribute without a name",
            with("attributes", json!({"": 1})),
            "/attributes",
        ),
        (
            "an attribute of null",
            with("attributes", json!({"a/b": null})),
            "/attributes/a~1b",
        ),
        (
            "an attribute of an object",
            with("attributes", json!({"a": {}})),
            "/attributes/a",
        ),
        (
            "a list of lists",
            with("attributes", json!({"a": [[]]})),
            "/attributes/a",
        ),
        (
            "names alike without controls",
            with("attributes", json!({"a": 1, "a\u{1}": 2})),
            "/attributes/a",
        ),
    ];
    for (label, bad, place) in rows {
        let answer = add(&caller, &run, &json!([span("good"), bad]));
        let body = UNPROCESSABLE.is_for("span_invalid", label, answer);
        let pointer = format!("/spans/1{place}");
        assert_eq!(
            body["violations"][0]["place"]["pointer"],
            json!(pointer),
            "{label}: {body}"
        );
    }
    let twice = add(&caller, &run, &json!([span("a"), span("a")]));
    UNPROCESSABLE.is_for("span_id_taken", "twice in a request", twice);
    UNPROCESSABLE.is_for("spans_missing", "none", add(&caller, &run, &json!([])));
    let path = format!("/v1/runs/{run}/spans");
    for bad in [
        json!({}),
        json!({"spans": {}}),
        json!({"spans": [], "more": 1}),
        json!([]),
    ] {
        let body = UNPROCESSABLE.is("the request", caller.post(&path, &bad));
        assert_eq!(violations(&body), ["body_invalid"], "{body}");
    }
    let every = add(&caller, &run, &json!(vec![json!(1); 30]));
    let body = UNPROCESSABLE.is("every one", every);
    assert_eq!(body["violations_total"], 30, "{body}");
    assert_eq!(shown(&caller, &run), Vec::<Value>::new());
    cancel(&caller, &run).expect(200);
}

#[test]
fn a_run_takes_two_hundred_spans_of_sixteen_kibibytes() {
    let server = Server::start();
    let caller = server.org("caller");
    let tool = published(&caller, &sleeper("sleeper"));
    let run = running(&caller, &tool, 28_000);
    let large = |id: &str, bytes: usize| {
        let mut span = span(id);
        span["attributes"] = json!({"a": ""});
        let rest = bytes - span.to_string().len();
        span["attributes"]["a"] = json!("x".repeat(rest));
        span
    };
    let bytes_max = 16 * 1024;
    let body = add(
        &caller,
        &run,
        &json!([span("a"), large("b", bytes_max + 1)]),
    );
    let body = FILE_TOO_LARGE.is_for("span_too_large", "a byte more", body);
    assert_eq!(
        body["violations"][0]["place"]["pointer"], "/spans/1",
        "{body}"
    );
    let whole: Vec<_> = (0..200)
        .map(|it| large(&format!("s{it}"), bytes_max))
        .collect();
    let more: Vec<_> = (0..201).map(|it| span(&format!("s{it}"))).collect();
    let answer = add(&caller, &run, &json!(more));
    UNPROCESSABLE.is_for("spans_too_many", "one more at once", answer);
    add(&caller, &run, &json!(whole[..150])).expect(201);
    let answer = add(&caller, &run, &json!(more[150..]));
    UNPROCESSABLE.is_for("spans_too_many", "one more in all", answer);
    let answer = add(&caller, &run, &json!(whole[149..151]));
    UNPROCESSABLE.is_for("span_id_taken", "again", answer);
    add(&caller, &run, &json!(whole[150..])).expect(201);
    let answer = add(&caller, &run, &json!([span("last")]));
    UNPROCESSABLE.is_for("spans_too_many", "one more", answer);
    assert_eq!(shown(&caller, &run).len(), 200);

    // Of the second run, all at once.
    let second = running(&caller, &tool, 28_000);
    add(&caller, &second, &json!(whole)).expect(201);
    assert_eq!(ids(&shown(&caller, &second)), ids(&whole));
    for run in [run, second] {
        cancel(&caller, &run).expect(200);
        assert_eq!(shown(&caller, &run).len(), 200, "after its end");
    }
}
