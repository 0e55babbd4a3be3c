//! What somebody may do with a session's token, and for how long.

mod tokens;

use super::money::{adds_up, priced, wallet};
use super::rows::{
    ARTIFACT_NOT_FOUND, BUDGET_EXHAUSTED, FORBIDDEN, KEY_INVALID, RUN_NOT_FOUND, UNPROCESSABLE,
};
use super::small::{admitted, key, published, quick, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tollgate_tests::server::{Answer, Caller, JSON, Server};
use tollgate_tests::{holds_within, tollgate};

const PATIENCE: Duration = Duration::from_secs(60);

/// A session that a caller made: whoever has its token.
struct Session {
    caller: Caller,
    path: String,
}

impl Session {
    fn new(maker: &Caller, artifacts: &[&str], cap: u64, runs: u64) -> Self {
        Self::lasting(maker, artifacts, cap, runs, 3600)
    }

    fn lasting(maker: &Caller, artifacts: &[&str], cap: u64, runs: u64, ttl_s: u64) -> Self {
        let body = json!({"artifacts": artifacts, "cap": cap, "runs": runs, "ttl_s": ttl_s});
        let made = maker.post("/v1/sessions", &body).expect(201);
        Self {
            caller: maker.with_key(&text(&made, "token")),
            path: format!("/v1/sessions/{}", text(&made, "id")),
        }
    }

    /// What it spent and started, as its project sees it.
    fn used(&self, maker: &Caller) -> (u64, u64) {
        let session = maker.get(&self.path).expect(200);
        let number = |field: &str| session[field].as_u64().expect("a number");
        (number("spent"), number("runs_used"))
    }
}

fn ids(listed: Answer) -> Vec<String> {
    let listed = listed.expect(200);
    let runs = listed["items"].as_array().expect("a list").iter();
    runs.map(|run| text(run, "run_id")).collect()
}

fn queue(caller: &Caller, artifact: &str, for_ms: u32) -> Answer {
    let path = format!("/v1/artifacts/{artifact}/run");
    let headers = [JSON[0], ("prefer", "respond-async")];
    let body = json!({"input": for_ms}).to_string();
    caller.send("POST", &path, &headers, body.as_bytes())
}

#[test]
fn a_session_runs_its_artifacts_and_reads_its_own_runs() {
    let server = Server::start();
    let (caller, seller) = (server.org("caller"), server.org("seller"));
    let own = published(&caller, &quick("own", "1.0.0"));
    let beside = published(&caller, &quick("beside", "1.0.0"));
    let bought = published(&seller, &priced("bought", "1.0.0", 10, ""));
    let hidden = admitted(&seller, &quick("hidden", "1.0.0"));
    caller.subscribe(&bought);
    let body = json!({"artifacts": [own, bought], "cap": 100, "runs": 10, "ttl_s": 60});
    let answer = caller.post("/v1/sessions", &body);
    let location = answer.headers["location"]
        .to_str()
        .expect("a path")
        .to_owned();
    let mut made = answer.expect(201);
    assert_eq!(location, format!("/v1/sessions/{}", text(&made, "id")));
    let token = made.as_object_mut().and_then(|it| it.shift_remove("token"));
    let token = token
        .as_ref()
        .and_then(Value::as_str)
        .expect("a token")
        .to_owned();
    assert_eq!(caller.get(&location).expect(200), made);
    assert!(made["expires_at"].as_str() > Some("2026"), "{made}");
    let expected = json!({"id": made["id"], "artifacts": [own, bought], "cap": 100, "spent": 0,
        "runs": 10, "runs_used": 0, "expires_at": made["expires_at"]});
    assert_eq!(made, expected);

    let (session, nobody) = (caller.with_key(&token), caller.with_key(""));
    let input = json!({"input": 0});
    let one = session.run(&own, &input).expect(200);
    let path = format!("/v1/artifacts/{bought}/run");
    let bearer = format!("Bearer {token}");
    let headers = [JSON[0], ("authorization", bearer.as_str())];
    let other = nobody.send("POST", &path, &headers, input.to_string().as_bytes());
    let other = other.expect(200);
    assert_eq!(other["charged"], 10, "{other}");
    // A key in `x-api-key` wins over a token that is good.
    let wins = caller
        .with_key("tg_")
        .send("GET", "/v1/runs", &headers[1..], b"");
    KEY_INVALID.is("x-api-key wins", wins);
    FORBIDDEN.is("beside", session.run(&beside, &input));
    ARTIFACT_NOT_FOUND.is("hidden", session.run(&hidden, &input));
    let absent = "art_06bqk8m0000000000000000000";
    ARTIFACT_NOT_FOUND.is("absent", session.run(absent, &input));

    let theirs = text(&caller.run(&own, &input).expect(200), "run_id");
    let second = Session::new(&caller, &[&own], 0, 1);
    let second_s = text(&second.caller.run(&own, &input).expect(200), "run_id");
    let runs = [text(&other, "run_id"), text(&one, "run_id")];
    assert_eq!(ids(session.get("/v1/runs")), runs);
    let of_bought = format!("/v1/runs?artifact_id={bought}");
    assert_eq!(ids(session.get(&of_bought)), runs[..1]);
    let listed = format!("{location}/runs");
    for lister in [&session, &caller] {
        assert_eq!(ids(lister.get(&listed)), runs);
        let page = lister.get(&format!("{listed}?limit=1")).expect(200);
        let next = format!("{listed}?limit=1&cursor={}", text(&page, "next_cursor"));
        assert_eq!(ids(lister.get(&next)), runs[1..]);
    }
    FORBIDDEN.is("another's", session.get(&format!("{}/runs", second.path)));
    assert_eq!(ids(caller.get("/v1/runs")).len(), 4);
    for part in ["", "/logs", "/spans"] {
        session
            .get(&format!("/v1/runs/{}{part}", runs[0]))
            .expect(200);
        for not_its in [&theirs, &second_s, "run_06bqk8m0000000000000000000"] {
            let answer = session.get(&format!("/v1/runs/{not_its}{part}"));
            RUN_NOT_FOUND.is(part, answer);
        }
    }
    let run = session.get(&format!("/v1/runs/{}", runs[0])).expect(200);
    assert!(!run.to_string().contains("ses_"), "{run}");
    assert_eq!(caller.get(&location).expect(200)["runs_used"], 2);
    assert!(!server.log().contains(&token), "a token is in the log");
}

#[test]
fn a_session_that_is_none_is_refused() {
    let server = Server::start();
    let (caller, seller) = (server.org("caller"), server.org("seller"));
    let own = published(&caller, &quick("own", "1.0.0"));
    let hidden = admitted(&seller, &quick("hidden", "1.0.0"));
    let good = json!({"artifacts": [own], "cap": 0, "runs": 1, "ttl_s": 604_800});
    caller.post("/v1/sessions", &good).expect(201);
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        caller.post("/v1/sessions", &body)
    };
    let absent = "art_06bqk8m0000000000000000000";
    for (violation, pointer, field, value) in [
        ("artifacts_invalid", "/artifacts", "artifacts", json!([])),
        (
            "artifacts_invalid",
            "/artifacts",
            "artifacts",
            json!(vec![&own; 101]),
        ),
        (
            "artifact_repeated",
            "/artifacts/1",
            "artifacts",
            json!([own, own]),
        ),
        (
            "artifact_unknown",
            "/artifacts/1",
            "artifacts",
            json!([own, absent]),
        ),
        (
            "artifact_unknown",
            "/artifacts/0",
            "artifacts",
            json!([hidden]),
        ),
        (
            "artifact_unknown",
            "/artifacts/0",
            "artifacts",
            json!(["nonsense"]),
        ),
        (
            "cap_invalid",
            "/cap",
            "cap",
            json!(1_000_000_000_000_001_u64),
        ),
        ("runs_invalid", "/runs", "runs", json!(0)),
        ("runs_invalid", "/runs", "runs", json!(1_000_001)),
        ("ttl_invalid", "/ttl_s", "ttl_s", json!(0)),
        ("ttl_invalid", "/ttl_s", "ttl_s", json!(604_801)),
    ] {
        let body = UNPROCESSABLE.is_for(violation, pointer, with(field, value));
        assert_eq!(body["violations"][0]["place"]["pointer"], pointer, "{body}");
    }
    // Another project's is not told from one that is not there.
    let told = |artifact: &str| {
        let body = with("artifacts", json!([artifact])).expect(422);
        body["violations"].to_string().replace(artifact, "")
    };
    assert_eq!(told(&hidden), told(absent));
    for (field, value) in [
        ("cap", json!(-1)),
        ("cap", Value::Null),
        ("runs", json!(1.5)),
        ("ttl_s", json!("60")),
        ("artifacts", json!("all")),
        ("more", json!(1)),
    ] {
        assert_eq!(with(field, value).status, 422, "{field}");
    }
    let (publisher, _) = key(&caller, &["publish"]);
    FORBIDDEN.is(
        "a key that may not run",
        publisher.post("/v1/sessions", &good),
    );
}

#[test]
fn a_thousand_callers_race_for_the_three_runs_of_a_session() {
    let _machine = crate::MACHINE.blocking_lock();
    // All at once, which an org may not have by itself.
    let server = Server::start_with(&[("TOLLGATE_RATE__ORG_RUNS", "0")]);
    let (seller, buyer) = (server.org_with("seller", 0), server.org_with("buyer", 1000));
    let tool = published(&seller, &priced("tool", "1.0.0", 10, ""));
    buyer.subscribe(&tool);
    // Once by the number of runs, once by the cap.
    for (cap, runs) in [(1000, 3), (39, 1000)] {
        let session = Session::new(&buyer, &[&tool], cap, runs);
        let start = Arc::new(Barrier::new(1000));
        let callers: Vec<_> = (0..1000)
            .map(|_| {
                let (caller, tool) = (session.caller.clone(), tool.clone());
                let start = Arc::clone(&start);
                let call = move || {
                    start.wait();
                    caller.run(&tool, &json!({"input": 20}))
                };
                let thread = std::thread::Builder::new().stack_size(256 * 1024);
                thread.spawn(call).expect("a thread")
            })
            .collect();
        let mut ends = BTreeMap::new();
        for caller in callers {
            let answer = caller.join().expect("an answer");
            let code = answer.body["code"].as_str().unwrap_or("good").to_owned();
            *ends.entry((answer.status, code)).or_insert(0) += 1;
        }
        let expected = [
            ((200, "good".to_owned()), 3),
            ((402, "budget_exhausted".to_owned()), 997),
        ];
        assert_eq!(ends, expected.into(), "{cap} tokens, {runs} runs");
        assert_eq!(session.used(&buyer), (30, 3));
        assert_eq!(ids(session.caller.get("/v1/runs")).len(), 3);
    }
    assert_eq!(wallet(&buyer), [940, 0, 940]);
    adds_up(&server);
}

#[test]
fn a_session_spends_up_to_its_cap_within_the_budgets_of_its_key_and_its_org_s_wallet() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org_with("buyer", 70));
    let tool = published(&seller, &priced("tool", "1.0.0", 10, ""));
    buyer.subscribe(&tool);
    let (agent, agent_id) = key(&buyer, &["run"]);
    let run = |session: &Session, input: u32| session.caller.run(&tool, &json!({"input": input}));
    let capped = Session::new(&agent, &[&tool], 25, 4);
    // What failed costs nothing, and was a run.
    run(&capped, 13).expect(502);
    assert_eq!(capped.used(&buyer), (0, 1));
    run(&capped, 0).expect(200);
    run(&capped, 0).expect(200);
    let refused = BUDGET_EXHAUSTED.is("the cap", run(&capped, 0));
    assert!(refused.get("resets_at").is_none(), "{refused}");
    assert!(refused.to_string().contains("session"), "{refused}");
    assert_eq!(capped.used(&buyer), (20, 3));
    // What was refused before it started was none.
    let counted = Session::new(&agent, &[&tool], 1000, 2);
    run(&counted, 13).expect(502);
    let dear = json!({"input": 0, "max_price": 9});
    assert_eq!(counted.caller.run(&tool, &dear).status, 402);
    assert_eq!(counted.caller.run(&tool, &json!({"inputs": 0})).status, 422);
    run(&counted, 0).expect(200);
    BUDGET_EXHAUSTED.is("the runs", run(&counted, 0));
    assert_eq!(counted.used(&buyer), (10, 2));
    // Runs are the key's.
    let budget = json!({"scope": "key", "key_id": agent_id, "period": "day", "cap": 40});
    let budget = buyer.put("/v1/budgets", &budget).expect(200);
    assert_eq!(budget["spent"], 30, "{budget}");
    let session = Session::new(&agent, &[&tool], 1000, 100);
    run(&session, 0).expect(200);
    let refused = BUDGET_EXHAUSTED.is("the key's", run(&session, 0));
    assert_eq!(refused["resets_at"], budget["resets_at"], "{refused}");
    let session = Session::new(&buyer, &[&tool], 1000, 100);
    for _ in 0..3 {
        run(&session, 0).expect(200);
    }
    assert_eq!(run(&session, 0).expect(402)["code"], "balance_insufficient");
    assert_eq!(session.used(&buyer), (30, 3));
    adds_up(&server);
}

#[test]
fn what_a_session_may_do_is_listed_and_every_other_call_is_forbidden() {
    let server = Server::start();
    let caller = server.org("caller");
    let own = published(&caller, &quick("own", "1.0.0"));
    let session = Session::new(&caller, &[&own], 100, 100);
    let run = text(
        &session.caller.run(&own, &json!({"input": 0})).expect(200),
        "run_id",
    );
    let key_id = key(&caller, &["run"]).1;
    let allowed = [
        ("post", "/v1/artifacts/{id}/run"),
        ("get", "/v1/runs"),
        ("get", "/v1/runs/{id}"),
        ("get", "/v1/runs/{id}/logs"),
        ("get", "/v1/runs/{id}/spans"),
        ("get", "/v1/sessions/{id}/runs"),
    ];
    let description = caller.get("/openapi.json").expect(200);
    let mut seen = Vec::new();
    for (path, calls) in description["paths"].as_object().expect("paths") {
        if !path.starts_with("/v1/") {
            continue;
        }
        let id = match path.split('/').nth(2).expect("a kind") {
            "runs" => &run,
            "keys" => &key_id,
            "orgs" => &caller.org,
            "sessions" => session.path.rsplit('/').next().expect("an id"),
            _ => own.as_str(),
        };
        for method in calls.as_object().expect("methods").keys() {
            let allowed = allowed
                .iter()
                .find(|it| **it == (method.as_str(), path.as_str()));
            for id in [id, "nonsense"] {
                let path = path.replace("{id}", id).replace("{name}", "NAME");
                let path = path.replace("{release_id}", "rel_06bqk8m0000000000000000000");
                let method = method.to_uppercase();
                let body = match method.as_str() {
                    "GET" | "DELETE" => &b""[..],
                    _ => br#"{"input": 0}"#,
                };
                for headers in [JSON, &[JSON[0], ("idempotency-key", "walk")]] {
                    let answer = session.caller.send(&method, &path, headers, body);
                    let label = format!("{method} {path}");
                    match allowed {
                        Some(call) if id != "nonsense" => {
                            seen.push(*call);
                            answer.expect(200);
                        }
                        Some((_, "/v1/sessions/{id}/runs")) | None => {
                            FORBIDDEN.is(&label, answer);
                        }
                        Some((_, "/v1/runs")) => drop(answer.expect(200)),
                        Some(_) => drop(answer.expect(404)),
                    }
                }
            }
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), allowed.len(), "{seen:?}");
}

#[test]
fn a_session_s_repeated_requests_are_its_own() {
    let server = Server::start();
    let caller = server.org("caller");
    let own = published(&caller, &quick("own", "1.0.0"));
    let path = format!("/v1/artifacts/{own}/run");
    let send = |caller: &Caller, body: Value| {
        let headers = [JSON[0], ("idempotency-key", "once")];
        caller.send("POST", &path, &headers, body.to_string().as_bytes())
    };
    let sessions = [0, 1].map(|_| Session::new(&caller, &[&own], 0, 1));
    let [one, other] = &sessions;
    let mut runs = Vec::new();
    for (number, who) in [&caller, &one.caller, &other.caller]
        .into_iter()
        .enumerate()
    {
        let body = json!({"input": number});
        let first = send(who, body.clone());
        assert!(
            !first.headers.contains_key("idempotency-replayed"),
            "{number}"
        );
        let first = first.expect(200);
        let again = send(who, body);
        assert_eq!(again.headers["idempotency-replayed"], "true", "{number}");
        assert_eq!(again.expect(200), first);
        let conflict = send(who, json!({"input": "other"})).expect(409);
        assert_eq!(conflict["code"], "idempotency_conflict");
        runs.push(text(&first, "run_id"));
    }
    runs.sort();
    runs.dedup();
    assert_eq!(runs.len(), 3);
    // A replay is no run.
    assert_eq!(one.used(&caller), (0, 1));
    // Making one is repeated without its token.
    let body = json!({"artifacts": [own], "cap": 0, "runs": 1, "ttl_s": 60}).to_string();
    let headers = [JSON[0], ("idempotency-key", "make")];
    let make = || {
        caller
            .send("POST", "/v1/sessions", &headers, body.as_bytes())
            .expect(201)
    };
    let (first, again) = (make(), make());
    assert_eq!(first["id"], again["id"]);
    assert!(first["token"].is_string() && again.get("token").is_none());
}

#[test]
fn what_a_session_did_and_queued_is_there_after_a_restart_with_another_master_key() {
    let one_at_once = [("TOLLGATE_ASYNC_RUNS", "1")];
    let server = Server::start_with(&one_at_once);
    let (seller, buyer) = (server.org_with("seller", 0), server.org_with("buyer", 100));
    let tool = published(&seller, &priced("tool", "1.0.0", 10, ""));
    buyer.subscribe(&tool);
    let session = Session::new(&buyer, &[&tool], 65, 5);
    let revoked = Session::new(&buyer, &[&tool], 10, 1);
    session.caller.run(&tool, &json!({"input": 0})).expect(200);
    session.caller.run(&tool, &json!({"input": 13})).expect(502);
    let running = text(&queue(&session.caller, &tool, 20_000).expect(202), "run_id");
    let queued = text(&queue(&session.caller, &tool, 0).expect(202), "run_id");
    let let_in = text(&queue(&revoked.caller, &tool, 0).expect(202), "run_id");
    let status = |id: &str| text(&buyer.get(&format!("/v1/runs/{id}")).expect(200), "status");
    assert!(holds_within(PATIENCE, || status(&running) == "RUNNING"));
    assert_eq!(session.used(&buyer), (30, 4));
    assert_eq!(status(&queued), "QUEUED");
    buyer.delete(&revoked.path).expect(204);
    let folder = server.kill();
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path");
    let rotated = tollgate(&["rotate-master-key", "--data", data]);
    assert_eq!(rotated.code, Some(0), "{rotated:?}");
    let server = Server::start_in(folder, &one_at_once);
    let [buyer, caller] = [&buyer.key, &session.caller.key].map(|key| server.caller(key));
    let status = |id: &str| text(&buyer.get(&format!("/v1/runs/{id}")).expect(200), "status");
    // What ran was a run and is lost; what was queued is run, also where its session was taken back meanwhile.
    assert!(holds_within(PATIENCE, || {
        status(&queued) == "SUCCEEDED" && status(&let_in) == "SUCCEEDED"
    }));
    assert!(holds_within(PATIENCE, || session.used(&buyer) == (20, 4)));
    assert_eq!(ids(caller.get("/v1/runs")).len(), 4);
    caller.run(&tool, &json!({"input": 0})).expect(200);
    BUDGET_EXHAUSTED.is("five runs", caller.run(&tool, &json!({"input": 0})));
    assert_eq!(session.used(&buyer), (30, 5));
    assert_eq!(revoked.used(&buyer), (10, 1));
    adds_up(&server);
}
