//! What a project and its keys may spend.

use super::money::{adds_up, priced, wallet};
use super::rows::{BUDGET_EXHAUSTED, KEY_NOT_FOUND, UNPROCESSABLE};
use super::small::{key, published};
use serde_json::{Value, json};
use tollgate_tests::server::{Caller, Server};

fn set(caller: &Caller, scope: &str, key: Option<&str>, cap: Value) -> Value {
    let mut body = json!({"scope": scope, "period": "day", "cap": cap});
    if let Some(key) = key {
        body["key_id"] = json!(key);
    }
    caller.put("/v1/budgets", &body).expect(200)
}

fn spent(caller: &Caller) -> Vec<(String, u64)> {
    let budgets = caller.get("/v1/budgets").expect(200);
    let budgets = budgets["items"].as_array().expect("a list").iter();
    let mut spent: Vec<_> = budgets
        .map(|it| {
            let spent = it["spent"].as_u64().expect("tokens");
            (it["scope"].as_str().expect("a scope").to_owned(), spent)
        })
        .collect();
    spent.sort();
    spent
}

#[test]
fn what_would_pass_a_cap_is_refused_before_anything_runs_until_the_cap_is_changed() {
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org_with("buyer", 1000));
    let tool = published(
        &seller,
        &priced("tool", "1.0.0", 10, "subscription_price = 5\n"),
    );
    let ((agent, agent_id), (other, _)) = (key(&buyer, &["run"]), key(&buyer, &["run"]));
    buyer.subscribe(&tool);
    let run = |caller: &Caller, input: u32| caller.run(&tool, &json!({"input": input}));
    let made = set(&buyer, "key", Some(&agent_id), json!(25));
    assert_eq!(
        (&made["spent"], &made["cap"]),
        (&json!(0), &json!(25)),
        "{made}"
    );
    for _ in 0..2 {
        run(&agent, 0).expect(200);
    }
    let refused = BUDGET_EXHAUSTED.is("the key's", run(&agent, 0));
    assert_eq!(refused["resets_at"], made["resets_at"], "{refused}");
    assert!(refused["resets_at"].as_str() > Some("2026"), "{refused}");
    // What failed costs nothing, and a cap is no hold.
    run(&other, 13).expect(502);
    // A project's is of all keys, and of what was spent before it was set.
    let project = set(&buyer, "project", None, json!(45));
    assert_eq!(
        project["spent"], 25,
        "two runs and the subscription: {project}"
    );
    run(&other, 0).expect(200);
    run(&other, 0).expect(200);
    BUDGET_EXHAUSTED.is("the project's", run(&other, 0));
    assert_eq!(
        spent(&buyer),
        [("key".to_owned(), 20), ("project".to_owned(), 45)]
    );
    // Raised, it counts at once; so does taking it away.
    assert_eq!(set(&buyer, "project", None, json!(55))["id"], project["id"]);
    run(&other, 0).expect(200);
    BUDGET_EXHAUSTED.is("the project's again", run(&other, 0));
    let gone = set(&buyer, "project", None, Value::Null);
    assert_eq!(
        (&gone["id"], &gone["cap"], &gone["spent"]),
        (&project["id"], &Value::Null, &json!(55)),
        "{gone}"
    );
    run(&other, 0).expect(200);
    BUDGET_EXHAUSTED.is("still the key's", run(&agent, 0));
    let before = wallet(&buyer);
    let server = Server::start_in(server.kill(), &[]);
    let (buyer, agent) = (server.caller(&buyer.key), server.caller(&agent.key));
    assert_eq!(
        (wallet(&buyer), spent(&buyer)),
        (before, vec![("key".to_owned(), 20)])
    );
    BUDGET_EXHAUSTED.is("after a restart", run(&agent, 0));
    set(&buyer, "key", Some(&agent_id), Value::Null);
    run(&agent, 0).expect(200);
    assert_eq!(spent(&buyer), []);
    adds_up(&server);
}

#[test]
fn a_budget_that_is_none_is_refused() {
    let server = Server::start();
    let (caller, stranger) = (server.org("caller"), server.org("stranger"));
    let (_, theirs) = key(&stranger, &["run"]);
    let put = |body: Value| caller.put("/v1/budgets", &body);
    for (violation, body) in [
        (
            "scope_invalid",
            json!({"scope": "org", "period": "day", "cap": 1}),
        ),
        (
            "cap_invalid",
            json!({"scope": "project", "period": "day", "cap": 1_000_000_000_000_001_u64}),
        ),
        (
            "period_invalid",
            json!({"scope": "project", "period": "week", "cap": 1}),
        ),
        (
            "key_missing",
            json!({"scope": "key", "period": "day", "cap": 1}),
        ),
        (
            "key_unexpected",
            json!({"scope": "project", "key_id": theirs, "period": "day", "cap": 1}),
        ),
    ] {
        UNPROCESSABLE.is_for(violation, violation, put(body));
    }
    for key in [
        theirs.as_str(),
        "key_06bqk8m0000000000000000000",
        "nonsense",
    ] {
        let body = json!({"scope": "key", "key_id": key, "period": "day", "cap": 1});
        KEY_NOT_FOUND.is(key, put(body));
    }
    for body in [
        json!({"scope": "project", "period": "day"}),
        json!({"scope": "project", "period": "day", "cap": -1}),
        json!({"scope": "project", "period": "day", "cap": "1"}),
        json!({"scope": "project", "period": "day", "cap": 1.5}),
    ] {
        assert_eq!(put(body.clone()).status, 422, "{body}");
    }
    assert_eq!(spent(&caller), []);
    let none = put(json!({"scope": "project", "period": "month", "cap": null})).expect(200);
    assert_eq!(
        (&none["id"], &none["cap"]),
        (&Value::Null, &Value::Null),
        "{none}"
    );
}
