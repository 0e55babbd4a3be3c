//! Runs that are not waited for: queued, polled, cancelled, listed; and failures as their seller sees them.

use super::rows::RUN_NOT_RUNNING;
use super::small::{manifest, published};
use crate::compiling::Seen;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};
use tollgate_tests::server::{Answer, Caller, JSON, Server};
use tollgate_tests::{holds_within, packed};

const PATIENCE: Duration = Duration::from_secs(60);

fn ask(caller: &Caller, tool: &str, prefer: &str, body: &Value) -> Answer {
    let path = format!("/v1/artifacts/{tool}/run");
    let headers = [JSON[0], ("prefer", prefer)];
    caller.send("POST", &path, &headers, body.to_string().as_bytes())
}

fn queue(caller: &Caller, tool: &str, body: &Value) -> String {
    let queued = ask(caller, tool, "respond-async", body).expect(202);
    queued["run_id"].as_str().expect("an id").to_owned()
}

/// The record, once it has that status.
fn once(caller: &Caller, run: &str, status: &str) -> Value {
    let mut record = Value::Null;
    let is_so = holds_within(PATIENCE, || {
        record = caller.get(&format!("/v1/runs/{run}")).expect(200);
        record["status"] == status
    });
    assert!(is_so, "{record}");
    record
}

fn cancel(caller: &Caller, run: &str) -> Answer {
    caller.send("POST", &format!("/v1/runs/{run}/cancel"), &[], b"")
}

#[test]
fn an_async_run_is_accepted_polled_and_keeps_its_output() {
    let server = Server::start();
    let caller = server.org("patient");
    let tool = caller.published("markdown");
    let body = json!({"input": {"markdown": "# Later"}});
    let accepted = ask(&caller, &tool, "respond-async", &body);
    assert_eq!(accepted.headers["preference-applied"], "respond-async");
    let location = accepted.headers["location"].clone();
    let queued = accepted.expect(202);
    let run = queued["run_id"].as_str().expect("an id");
    assert_eq!(location, format!("/v1/runs/{run}"));
    assert_eq!(queued["status"], "QUEUED");
    let ended = once(&caller, run, "SUCCEEDED");
    assert_eq!(ended["output"], "<h1>Later</h1>\n");
    assert!(ended["usage"].is_object() && ended["started_at"].is_string());
    let answer = ask(&caller, &tool, "respond-async, wait=30", &body);
    assert_eq!(answer.expect(200)["output"], "<h1>Later</h1>\n");
    // To another org there is no such run.
    let stranger = server.org("stranger");
    for answer in [
        stranger.get(&format!("/v1/runs/{run}")),
        stranger.get(&format!("/v1/runs/{run}/logs")),
        cancel(&stranger, run),
    ] {
        answer.expect_problem(404, "run_not_found", "Run not found");
    }
    let over = cancel(&caller, run);
    over.expect_problem(409, "run_not_running", "Run is not in RUNNING status");
}

#[test]
fn a_run_is_cancelled_while_it_runs_or_waits() {
    let server = Server::start_with(&[("TOLLGATE_ASYNC_RUNS", "1")]);
    let caller = server.org("fickle");
    let slow = caller.published("sleep-hour");
    let asleep = json!({"input": null, "external_id": "waited-for"});
    let running = queue(&caller, &slow, &json!({"input": null}));
    let queued = queue(&caller, &slow, &json!({"input": null}));
    once(&caller, &running, "RUNNING");
    for run in [&queued, &running] {
        let cancelled = cancel(&caller, run).expect(200);
        assert_eq!(
            (&cancelled["status"], &cancelled["charged"]),
            (&json!("CANCELLED"), &json!(0))
        );
        once(&caller, run, "CANCELLED");
    }
    let path = format!("/v1/artifacts/{slow}/run");
    let headers = [JSON[0], ("idempotency-key", "waited-for")];
    let body = asleep.to_string();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| caller.send("POST", &path, &headers, body.as_bytes()));
        let mut run = Value::Null;
        let is_running = holds_within(PATIENCE, || {
            let listed = caller.get("/v1/runs?external_id=waited-for&status=RUNNING");
            run = listed.expect(200)["items"][0]["run_id"].clone();
            run.is_string()
        });
        assert!(is_running);
        cancel(&caller, run.as_str().expect("an id")).expect(200);
        let answer = waiting.join().expect("an answer");
        let body = answer.expect_problem(409, "run_cancelled", "Run was cancelled");
        assert_eq!((&body["run_id"], &body["charged"]), (&run, &json!(0)));
    });
}

/// A run that was queued before a restart, of a tool that takes seconds to compile and is no longer kept compiled.
#[test]
fn a_run_is_cancelled_while_its_tool_is_loaded() {
    const LOOPS: usize = 8_000;
    let server = Server::start_with(&[("TOLLGATE_ASYNC_RUNS", "1")]);
    let caller = server.org("impatient");
    let text = format!(
        r#"(module (memory (export "memory") 1) (func (export "_start") {}{}))"#,
        "loop ".repeat(LOOPS),
        "end ".repeat(LOOPS)
    );
    let began = Instant::now();
    let slow = published(&caller, &packed(&text, &manifest("slow", "1.0.0")));
    let compiling = began.elapsed();
    let asleep = queue(
        &caller,
        &caller.published("sleep-hour"),
        &json!({"input": null}),
    );
    once(&caller, &asleep, "RUNNING");
    let run = queue(&caller, &slow, &json!({"input": null}));
    let (key, compiled) = (caller.key.clone(), server.data().join("compiled"));
    let folder = server.kill();
    fs::remove_dir_all(compiled).expect("compiled tools");
    let server = Server::start_in(folder, &[]);
    let caller = server.caller(&key);
    Seen::below(server.id());
    // The server claims the run at once and shows it as queued until its guest starts.
    std::thread::sleep(Duration::from_millis(500));
    once(&caller, &run, "QUEUED");
    let asked = Instant::now();
    let cancelled = cancel(&caller, &run).expect(200);
    let took = asked.elapsed();
    assert!(took < compiling / 2, "{took:?} of {compiling:?}");
    assert_eq!(
        (&cancelled["status"], &cancelled["charged"]),
        (&json!("CANCELLED"), &json!(0))
    );
    assert!(cancelled["started_at"].is_null(), "{cancelled}");
    once(&caller, &run, "CANCELLED");
    RUN_NOT_RUNNING.is("again", cancel(&caller, &run));
}

#[test]
fn runs_are_listed_by_their_caller_s_own_name_and_page_by_page() {
    let server = Server::start();
    let caller = server.org("orderly");
    let tool = caller.published("markdown");
    let runs: Vec<_> = (0..7)
        .map(|number| {
            let name = if number % 2 == 0 { "even" } else { "odd" };
            let body = json!({"input": {"markdown": "# Hello"}, "external_id": name});
            caller.run(&tool, &body).expect(200)["run_id"].clone()
        })
        .collect();
    let odd = caller.get("/v1/runs?external_id=odd").expect(200);
    let ids = |page: &Value| -> Vec<Value> {
        let items = page["items"].as_array().expect("items");
        items.iter().map(|run| run["run_id"].clone()).collect()
    };
    assert_eq!(ids(&odd), [&runs[5], &runs[3], &runs[1]].map(Clone::clone));
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("/v1/runs?limit=3{cursor}")).expect(200);
        assert!(ids(&page).len() <= 3);
        listed.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    listed.reverse();
    assert_eq!(listed, runs);
}

#[test]
fn lines_for_people_are_in_the_run_s_log() {
    let server = Server::start();
    let caller = server.org("talkative");
    let tool = caller.published("hostile-logs");
    let run = queue(&caller, &tool, &json!({"input": "control"}));
    once(&caller, &run, "SUCCEEDED");
    let lines = caller.get(&format!("/v1/runs/{run}/logs")).expect(200);
    let first = &lines["items"][0];
    assert_eq!(first["stream"], "stderr", "{lines}");
    assert!(first["text"].as_str().is_some_and(|it| it.contains("red")));
    assert!(first["at"].is_string());
}

#[test]
fn a_seller_sees_failures_without_their_buyer_and_diagnostics_where_shared() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org("buyer"));
    let tool = seller.published("panics");
    buyer.subscribe(&tool);
    let input = json!({"month": 13});
    for share in [false, true] {
        let body =
            json!({"input": input, "share_diagnostics": share, "external_id": "buyer-s-own"});
        let failed = buyer.run(&tool, &body);
        let body = failed.expect_problem(502, "tool_failed", "Tool execution failed");
        assert_eq!(body["failure"]["kind"], "trap");
        assert!(body["failure"]["backtrace"].is_null(), "{body}");
    }
    let path = format!("/v1/artifacts/{tool}/failures?source=true");
    let failures = seller.get(&path).expect(200);
    let items = failures["items"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    for (failure, is_shared) in items.iter().zip([true, false]) {
        assert_eq!(failure["failure"]["diagnostics"].is_null(), !is_shared);
        let frames = failure["failure"]["backtrace"].as_array().expect("frames");
        let is_named = |frame: &Value| {
            let file = frame["file"].as_str();
            file.is_some_and(|it| it.contains("lib.rs")) && frame["line"].is_u64()
        };
        assert!(frames.iter().any(is_named), "{failure}");
        let fields: Vec<_> = failure.as_object().expect("fields").keys().collect();
        assert!(
            !fields
                .iter()
                .any(|it| ["input", "output", "external_id"].contains(&it.as_str()))
        );
    }
    assert!(!failures.to_string().contains("buyer-s-own"), "{failures}");
    let stranger = buyer.get(&path);
    stranger.expect_problem(404, "artifact_not_found", "Artifact not found");
}
