//! What a project's runs used, added up.

use super::money::priced;
use super::rows::{BAD_REQUEST, FORBIDDEN};
use super::small::{key, published, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;
use tollgate_tests::holds_within;
use tollgate_tests::server::{Caller, JSON, Server};

const PATIENCE: Duration = Duration::from_secs(60);

fn usage(caller: &Caller, query: &str) -> Vec<Value> {
    let listed = caller.get(&format!("/v1/usage?{query}")).expect(200);
    assert_eq!(listed["next_cursor"], Value::Null, "{listed}");
    listed["items"].as_array().expect("a list").clone()
}

/// What the records of a project's runs say of those that started, as a row of usage would.
fn recorded(caller: &Caller, is_of: impl Fn(&Value) -> bool) -> Value {
    let runs = caller.get("/v1/runs?limit=100").expect(200);
    let runs = runs["items"].as_array().expect("a list").iter();
    let runs: Vec<_> = runs
        .filter(|run| run["started_at"].is_string() && is_of(run))
        .collect();
    let sum = |part: &dyn Fn(&Value) -> u64| runs.iter().map(|run| part(run)).sum::<u64>();
    json!({
        "runs": runs.len(),
        "succeeded": sum(&|run| u64::from(run["status"] == "SUCCEEDED")),
        "charged": sum(&|run| run["charged"].as_u64().expect("tokens")),
        "cpu_us": sum(&|run| run["usage"]["cpu_us"].as_u64().unwrap_or(0)),
        "wall_us": sum(&|run| run["usage"]["wall_us"].as_u64().unwrap_or(0)),
    })
}

/// The same for each day, of which there are two around midnight.
fn recorded_by_day(caller: &Caller) -> Vec<Value> {
    let runs = caller.get("/v1/runs?limit=100").expect(200);
    let runs = runs["items"].as_array().expect("a list").iter();
    let day = |run: &Value| text(run, "created_at")[..10].to_owned();
    let days: BTreeSet<_> = runs.map(day).collect();
    let row = |of: String| {
        let row = recorded(caller, |run| day(run) == of);
        with(row, "day", &json!(of))
    };
    days.into_iter().rev().map(row).collect()
}

fn with(mut row: Value, field: &str, value: &Value) -> Value {
    row[field] = value.clone();
    row
}

/// Starts a run, and cancels it while it runs.
fn cancelled(caller: &Caller, tool: &str) {
    // One that was taken up, but whose guest had not started, used nothing.
    let was_started = || started_and_cancelled(caller, tool)["started_at"].is_string();
    assert!(holds_within(PATIENCE, was_started));
}

fn started_and_cancelled(caller: &Caller, tool: &str) -> Value {
    let headers = [JSON[0], ("prefer", "respond-async")];
    let body = json!({"input": 60_000}).to_string();
    let path = format!("/v1/artifacts/{tool}/run");
    let started = caller.send("POST", &path, &headers, body.as_bytes());
    let path = format!("/v1/runs/{}", text(&started.expect(202), "run_id"));
    let run = || caller.get(&path).expect(200);
    assert!(holds_within(PATIENCE, || run()["started_at"].is_string()));
    let cancel = format!("{path}/cancel");
    caller.send("POST", &cancel, &[], b"").expect(200);
    let ended = run();
    assert_eq!(ended["status"], "CANCELLED");
    ended
}

#[test]
fn usage_is_what_the_records_add_up_to_and_outlives_them() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org_with("buyer", 1000));
    let tool = published(&seller, &priced("tool", "1.0.0", 10, ""));
    let own = published(&buyer, &priced("own", "1.0.0", 7, ""));
    buyer.subscribe(&tool);
    let (agent, agent_id) = key(&buyer, &["run"]);
    assert_eq!(usage(&buyer, ""), [] as [Value; 0]);
    for (caller, artifact, body, status) in [
        (&buyer, &tool, json!({"input": 0}), 200),
        (&agent, &tool, json!({"input": 20}), 200),
        (&agent, &own, json!({"input": 0}), 200),
        (&agent, &tool, json!({"input": 13}), 502),
        (
            &buyer,
            &tool,
            json!({"input": 60_000, "timeout_ms": 100}),
            504,
        ),
        // Refused before anything ran: no run.
        (&buyer, &tool, json!({"input": 0, "max_price": 9}), 402),
    ] {
        caller.run(artifact, &body).expect(status);
    }
    cancelled(&buyer, &own);
    // One that is under way is counted when it has ended.
    let all = recorded(&buyer, |_| true);
    assert_eq!(
        (&all["runs"], &all["succeeded"], &all["charged"]),
        (&json!(6), &json!(3), &json!(20)),
        "{}",
        buyer.get("/v1/runs?limit=100").expect(200)
    );
    assert!(
        all["cpu_us"].as_u64() > Some(0) && all["wall_us"].as_u64() >= Some(100_000),
        "{all}"
    );
    let days = usage(&buyer, "");
    assert_eq!(days, recorded_by_day(&buyer));
    assert_eq!(
        usage(&agent, "by=day"),
        days,
        "of the project, whichever key asks"
    );
    let by_artifact: Vec<_> = [&own, &tool]
        .map(|artifact| {
            let row = recorded(&buyer, |run| run["artifact_id"] == **artifact);
            with(row, "artifact_id", &json!(artifact))
        })
        .into();
    assert_eq!(
        usage(&buyer, "by=artifact"),
        by_artifact,
        "the newest first"
    );
    let by_key = usage(&buyer, "by=key");
    let [agents, buyers] = &by_key[..] else {
        panic!("two keys: {by_key:?}")
    };
    assert_eq!(
        (&agents["key_id"], &agents["runs"], &agents["charged"]),
        (&json!(agent_id), &json!(3), &json!(10))
    );
    assert_eq!(
        (&buyers["runs"], &buyers["charged"]),
        (&json!(3), &json!(10))
    );
    // The seller sees what they ran, not what their buyers did.
    assert_eq!(usage(&seller, ""), [] as [Value; 0]);

    // The records are old enough to be forgotten at the next start.
    std::thread::sleep(Duration::from_millis(1100));
    let soon = [("TOLLGATE_RETENTION__RUNS_S", "1")];
    let server = Server::start_in(server.kill(), &soon);
    let buyer = server.caller(&buyer.key);
    let runs = || buyer.get("/v1/runs").expect(200)["items"].clone();
    assert!(holds_within(PATIENCE, || runs() == json!([])), "{}", runs());
    assert_eq!(usage(&buyer, ""), days);
    assert_eq!(usage(&buyer, "by=artifact"), by_artifact);
    assert_eq!(usage(&buyer, "by=key"), by_key);
}

#[test]
fn usage_is_paged_and_refuses_what_it_does_not_know() {
    let server = Server::start();
    let caller = server.org("caller");
    let tools = ["one", "two", "three"].map(|name| {
        let tool = published(&caller, &priced(name, "1.0.0", 0, ""));
        caller.run(&tool, &json!({"input": 0})).expect(200);
        tool
    });
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("/v1/usage?by=artifact&limit=2{cursor}"));
        let page = page.expect(200);
        let items = page["items"].as_array().expect("a list");
        seen.extend(items.iter().map(|row| text(row, "artifact_id")));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let newest_first: Vec<_> = tools.iter().rev().cloned().collect();
    assert_eq!(seen, newest_first);
    assert_eq!(usage(&caller, "cursor=2000-01-01"), [] as [Value; 0]);
    assert_eq!(usage(&caller, "cursor=9000-01-01"), usage(&caller, ""));
    for query in [
        "by=week",
        "by=",
        "by=DAY",
        "by=day&by=key",
        "limit=0",
        "limit=101",
        "limit=many",
        "cursor=",
        "cursor=2026-11-31",
        "cursor=9999-12-31",
        "cursor=20261125",
        "cursor=2026-11-25T00:00:00Z",
        &format!("cursor={}", tools[0]),
        "by=artifact&cursor=2026-11-25",
        &format!("by=key&cursor={}", tools[0]),
        "since=2026-11-25",
    ] {
        let answer = caller.get(&format!("/v1/usage?{query}"));
        BAD_REQUEST.is_for("query_invalid", query, answer);
    }
    let (publisher, _) = key(&caller, &["publish"]);
    FORBIDDEN.is("the scope", publisher.get("/v1/usage"));
}
