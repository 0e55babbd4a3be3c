//! The server is killed as a power failure would, again and again, and loses nothing that it acknowledged.

mod load;
mod restarts;

use load::{Acknowledged, Load, Repeatable};
use serde_json::json;
use std::time::{Duration, Instant};
use tollgate_tests::server::{Answer, Caller, JSON, Server};
use tollgate_tests::{holds_within, tollgate};
use tollgate_validator::pack::pack;

/// Every round makes artifacts, and a hundred rounds more than an org may have.
const UNBOUNDED: [(&str, &str); 1] = [("TOLLGATE_QUOTA__ORG_ARTIFACTS", "0")];
/// `TOLLGATE_KILLS` says otherwise.
const ROUNDS: u32 = 20;
/// Of a run, and what is there for all of them.
const PRICE: u64 = 3;
const TOKENS: u64 = 1_000_000_000;
/// What a restart may take here: two seconds are promised, on a machine that does nothing else.
const RESTART_MAX: Duration = Duration::from_secs(10);
const END_MAX: Duration = Duration::from_secs(60);

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    let _machine = crate::MACHINE.blocking_lock();
    let rounds = std::env::var("TOLLGATE_KILLS").map(|it| it.parse().expect("a number"));
    let rounds = rounds.unwrap_or(ROUNDS);
    let mut server = Server::start_with(&UNBOUNDED);
    let (key, tool) = buyer_and_tool(&server);
    let mut all = Acknowledged::default();
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let load = Load::start(&server.caller(&key), &tool, round);
        // A moment that differs from round to round, so that writes of every kind are cut.
        std::thread::sleep(Duration::from_millis(150 + u64::from(round * 67 % 250)));
        let folder = server.kill();
        let acknowledged = load.join();
        let killed_at = Instant::now();
        server = Server::start_in(folder, &UNBOUNDED);
        let took = killed_at.elapsed();
        assert!(took < RESTART_MAX, "round {round}: restarted in {took:?}");
        slowest = slowest.max(took);
        check(&server.caller(&key), &tool, &acknowledged);
        adds_up(&server, &format!("after kill {round}"));
        all.add(acknowledged);
    }
    // Nothing is stuck.
    let wallet = || server.caller(&key).get("/v1/wallet").expect(200);
    assert!(
        holds_within(END_MAX, || wallet()["held"] == 0),
        "{}",
        wallet()
    );
    adds_up(&server, "at the end");
    // What was kept by one restart is kept by the next ones, too.
    check(&server.caller(&key), &tool, &all);
    let made = all.artifacts.last().expect("artifacts were made");
    assert_eq!(server.caller(&key).validate(made)["status"], "ADMITTED");
    assert!(all.has_every_kind(), "{all:?}");
    eprintln!(
        "{} acknowledged over {rounds} kills; slowest restart {slowest:?}",
        all.summary()
    );
}

/// A key of an org with tokens, and a tool of another's with a price that it is subscribed to.
fn buyer_and_tool(server: &Server) -> (String, String) {
    let markdown = tollgate_fixtures::packed_bytes("markdown");
    let manifest = format!(
        "name = \"priced\"\nversion = \"1.0.0\"\ndescription = \"Markdown\"\nprice = {PRICE}\n"
    );
    let tool = pack(&markdown, &manifest, None).expect("a tool");
    let tool = server.org("seller").publish(&tool);
    let buyer = server.org_with("under-load", TOKENS);
    buyer.subscribe(&tool);
    (buyer.key, tool)
}

fn adds_up(server: &Server, when: &str) {
    let data = server.data();
    let audit = tollgate(&["audit", "--data", data.to_str().expect("UTF-8")]);
    assert_eq!(audit.code, Some(0), "{when}: {audit:?}");
}

/// Everything acknowledged is there.
fn check(caller: &Caller, tool: &str, acknowledged: &Acknowledged) {
    for run in &acknowledged.runs {
        let record = caller.get(&format!("/v1/runs/{run}")).expect(200);
        let ended = (&record["status"], &record["charged"]);
        assert_eq!(ended, (&json!("SUCCEEDED"), &json!(PRICE)), "{record}");
    }
    for run in &acknowledged.queued {
        let ended = ended(caller, run);
        let is_lost = ended["status"] == "FAILED" && ended["failure"]["kind"] == "lost";
        assert!(ended["status"] == "SUCCEEDED" || is_lost, "{ended}");
        assert!(!is_lost || ended["charged"] == 0, "{ended}");
    }
    for artifact in &acknowledged.artifacts {
        let found = caller.get(&format!("/v1/artifacts/{artifact}"));
        assert_eq!(found.expect(200)["id"], artifact.as_str());
    }
    for key in &acknowledged.keys {
        let mine = caller.with_key(key);
        mine.get(&format!("/v1/artifacts/{tool}")).expect(200);
    }
    for request in &acknowledged.repeatable {
        check_repeated(caller, tool, request);
    }
}

/// A repeated request gets the first one's run, and there is one run of it.
fn check_repeated(caller: &Caller, tool: &str, request: &Repeatable) {
    let first = repeat(caller, tool, request);
    if let Some(run) = &request.run {
        assert_eq!(first.headers["idempotency-replayed"], "true");
        let body = first.clone().expect(200);
        assert_eq!(body["run_id"], run.as_str(), "{body}");
        assert_eq!(body["output"], "<h1>again</h1>\n", "{body}");
    } else if first.status != 200 {
        let kind = &first.body["failure"]["kind"];
        assert_eq!((first.status, kind), (500, &json!("lost")), "{first:?}");
        assert_eq!(first.body["retryable"], false, "{}", first.body);
    }
    let second = repeat(caller, tool, request);
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert_eq!(second.status, first.status);
    assert_eq!(second.body["run_id"], first.body["run_id"]);
    let list = format!("/v1/runs?external_id={}", request.key);
    let runs = caller.get(&list).expect(200);
    assert_eq!(runs["items"].as_array().map(Vec::len), Some(1), "{runs}");
    assert_eq!(runs["items"][0]["run_id"], first.body["run_id"]);
}

fn repeat(caller: &Caller, tool: &str, request: &Repeatable) -> Answer {
    let path = format!("/v1/artifacts/{tool}/run");
    let headers = [JSON[0], ("idempotency-key", request.key.as_str())];
    caller.send("POST", &path, &headers, &request.body())
}

/// The record of a run that has ended.
fn ended(caller: &Caller, run: &str) -> serde_json::Value {
    let path = format!("/v1/runs/{run}");
    let mut record = serde_json::Value::Null;
    let is_over = holds_within(END_MAX, || {
        record = caller.get(&path).expect(200);
        record["finished_at"].is_string()
    });
    assert!(is_over, "{record}");
    record
}
