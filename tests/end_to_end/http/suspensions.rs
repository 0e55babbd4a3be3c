//! What the operator stops, and lets go on.

use super::money::{priced, wallet};
use super::rows::{
    ARTIFACT_NOT_FOUND, KEY_NOT_FOUND, NOT_SUBSCRIBED, ROUTE_NOT_FOUND, SUSPENDED, UNPROCESSABLE,
};
use super::small::{key, published, redraft};
use serde_json::json;
use std::time::Duration;
use tollgate_tests::holds_within;
use tollgate_tests::server::{Answer, Caller, JSON, Server};

const PATIENCE: Duration = Duration::from_secs(60);

fn set(operator: &Caller, what: &str, id: &str, verb: &str) -> Answer {
    operator.send("POST", &format!("/v1/{what}/{id}/{verb}"), &[], b"")
}

#[test]
fn what_is_suspended_is_refused_from_the_next_request_on_until_it_is_resumed() {
    let server = Server::start();
    let operator = server.operator();
    let (seller, buyer) = (server.org("seller"), server.org_with("buyer", 100));
    let tool = published(&seller, &priced("tool", "1.0.0", 10, ""));
    buyer.subscribe(&tool);
    let stranger = server.org("stranger");
    let input = json!({"input": 0});
    let (agent, agent_id) = key(&buyer, &["run"]);
    let cases = [
        ("artifacts", tool.clone(), vec![&seller, &buyer, &agent]),
        ("orgs", seller.org.clone(), vec![&seller, &buyer, &agent]),
        ("orgs", buyer.org.clone(), vec![&buyer, &agent]),
        ("keys", agent_id, vec![&agent]),
    ];
    let all = [&seller, &buyer, &agent];
    for (what, id, refused) in &cases {
        for _ in 0..2 {
            assert_eq!(set(&operator, what, id, "suspend").status, 204);
        }
        for caller in all {
            let answer = caller.run(&tool, &input);
            match refused.iter().any(|it| it.key == caller.key) {
                true => drop(SUSPENDED.is(what, answer)),
                false => drop(answer.expect(200)),
            }
        }
        // What comes before it answers first.
        NOT_SUBSCRIBED.is(what, stranger.run(&tool, &input));
        for _ in 0..2 {
            assert_eq!(set(&operator, what, id, "resume").status, 204);
        }
        for caller in all {
            caller.run(&tool, &input).expect(200);
        }
    }
    assert_eq!(set(&operator, "artifacts", &tool, "suspend").status, 204);
    let subscribing = stranger.post("/v1/subscriptions", &json!({"artifact_id": tool}));
    SUSPENDED.is("subscribing", subscribing);
    redraft(&seller, &tool, &priced("tool", "1.1.0", 10, ""));
    let publish = format!("/v1/artifacts/{tool}/publish");
    SUSPENDED.is("publishing", seller.send("POST", &publish, &[], b""));
    let draft = format!("/v1/artifacts/{tool}/draft/run");
    SUSPENDED.is("the draft", seller.post(&draft, &input));
    assert_eq!(set(&operator, "orgs", &seller.org, "suspend").status, 204);
    SUSPENDED.is("another call", seller.get("/v1/wallet"));
    // Over a restart, too.
    let server = Server::start_in(server.kill(), &[]);
    SUSPENDED.is("restarted", server.caller(&seller.key).get("/v1/wallet"));
}

#[test]
fn what_is_queued_when_its_artifact_is_suspended_costs_nothing() {
    let server = Server::start_with(&[("TOLLGATE_ASYNC_RUNS", "1")]);
    let operator = server.operator();
    let (seller, buyer) = (server.org("seller"), server.org_with("buyer", 100));
    let tool = published(&seller, &priced("tool", "1.0.0", 10, ""));
    buyer.subscribe(&tool);
    let path = format!("/v1/artifacts/{tool}/run");
    let queue = |for_ms: u32| {
        let headers = [JSON[0], ("prefer", "respond-async")];
        let body = json!({"input": for_ms}).to_string();
        let queued = buyer.send("POST", &path, &headers, body.as_bytes());
        queued.expect(202)["run_id"]
            .as_str()
            .expect("an id")
            .to_owned()
    };
    let (running, queued) = (queue(2000), queue(0));
    let run = |id: &str| buyer.get(&format!("/v1/runs/{id}")).expect(200);
    assert!(holds_within(PATIENCE, || run(&running)["status"] == "RUNNING"));
    assert_eq!(set(&operator, "artifacts", &tool, "suspend").status, 204);
    assert!(holds_within(PATIENCE, || run(&queued)["finished_at"].is_string()));
    // What was under way came to its end.
    assert_eq!(run(&running)["charged"], 10);
    let cancelled = run(&queued);
    assert_eq!(
        (&cancelled["status"], &cancelled["charged"]),
        (&json!("CANCELLED"), &json!(0))
    );
    assert!(
        holds_within(PATIENCE, || wallet(&buyer) == [90, 0, 90]),
        "{:?}",
        wallet(&buyer)
    );
    let logs = buyer.get(&format!("/v1/runs/{queued}/logs")).expect(200);
    let text = logs["items"][0]["text"].as_str().expect("a line");
    assert!(text.contains("Suspended by the platform"), "{logs}");
}

#[test]
fn what_is_not_there_or_would_lock_the_operator_out_is_not_suspended() {
    let server = Server::start();
    let operator = server.operator();
    for verb in ["suspend", "resume"] {
        for (what, id, row) in [
            (
                "artifacts",
                "art_06bqk8m0000000000000000000",
                ARTIFACT_NOT_FOUND,
            ),
            ("orgs", "org_06bqk8m0000000000000000000", ROUTE_NOT_FOUND),
            ("keys", "key_06bqk8m0000000000000000000", KEY_NOT_FOUND),
            (
                "artifacts",
                "org_06bqk8m0000000000000000000",
                ARTIFACT_NOT_FOUND,
            ),
        ] {
            row.is(verb, set(&operator, what, id, verb));
        }
    }
    let keys = operator.get("/v1/keys").expect(200);
    let own = keys["items"][0]["id"].as_str().expect("an id");
    UNPROCESSABLE.is_for(
        "key_own",
        "its own key",
        set(&operator, "keys", own, "suspend"),
    );
    operator.get("/v1/wallet").expect(200);
}
