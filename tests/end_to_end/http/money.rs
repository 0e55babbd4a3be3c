//! Who pays what, when, and to whom.

use super::rows::{
    ALREADY_SUBSCRIBED, ARTIFACT_NOT_FOUND, IDEMPOTENCY_CONFLICT, NOT_SUBSCRIBED, PRICE_ABOVE_MAX,
    SUBSCRIPTION_NOT_FOUND, UNPROCESSABLE,
};
use super::small::{manifest, publish, published, redraft, text};
use crate::guests;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tollgate_tests::server::{Answer, Caller, JSON, Server};
use tollgate_tests::{holds_within, packed, tollgate};

const PATIENCE: Duration = Duration::from_secs(60);

/// A command that sleeps for as many milliseconds as its input says, and fails for 13.
pub(super) fn priced(name: &str, version: &str, price: u64, more: &str) -> Vec<u8> {
    let body = "(local $for i32) (local.set $for (call $number))
        (if (i32.eq (local.get $for) (i32.const 13)) (then (call $proc_exit (i32.const 1))))
        (call $sleep (local.get $for))";
    let manifest = format!("{}price = {price}\n{more}", manifest(name, version));
    packed(&guests::command(body), &manifest)
}

pub(super) fn wallet(caller: &Caller) -> [u64; 3] {
    let wallet = caller.get("/v1/wallet").expect(200);
    ["posted", "held", "available"].map(|field| wallet[field].as_u64().expect("tokens"))
}

/// Kinds and tokens of an org's entries, sorted; they sum to what is posted.
fn entries(caller: &Caller) -> Vec<(String, i64)> {
    let listed = caller.get("/v1/wallet/entries?limit=100").expect(200);
    let lines = listed["items"].as_array().expect("a list").iter();
    let mut lines: Vec<_> = lines
        .map(|line| (text(line, "kind"), line["tokens"].as_i64().expect("tokens")))
        .collect();
    lines.sort();
    let sum: i64 = lines.iter().map(|(_, tokens)| tokens).sum();
    assert_eq!(sum, wallet(caller)[0] as i64, "{listed}");
    lines
}

fn line(kind: &str, tokens: i64) -> (String, i64) {
    (kind.to_owned(), tokens)
}

fn balance_insufficient(answer: Answer, required: u64, available: u64) {
    let detail =
        format!("Insufficient token balance. Required: {required}, available: {available}");
    let body = answer.expect_problem(402, "balance_insufficient", &detail);
    assert_eq!(
        (&body["act"], &body["retryable"]),
        (&json!("caller"), &json!(false))
    );
}

pub(super) fn adds_up(server: &Server) {
    let data = server.data();
    let audit = tollgate(&["audit", "--data", data.to_str().expect("UTF-8")]);
    assert_eq!(audit.code, Some(0), "{audit:?}");
    assert!(audit.stdout.contains("everything adds up"), "{audit:?}");
}

#[test]
fn the_price_is_charged_for_success_only_and_goes_to_the_seller_and_the_platform() {
    let server = Server::start_with(&[("TOLLGATE_FEE_BASIS_POINTS", "1000")]);
    let (seller, buyer) = (server.org_with("seller", 0), server.org_with("buyer", 100));
    let tool = published(
        &seller,
        &priced("tool", "1.0.0", 15, "subscription_price = 30\n"),
    );
    let run = |body: Value| buyer.run(&tool, &body);
    NOT_SUBSCRIBED.is("no subscription", run(json!({"input": 0})));
    assert_eq!(wallet(&buyer), [100, 0, 100]);
    buyer.subscribe(&tool);
    assert_eq!(wallet(&buyer), [70, 0, 70]);
    let succeeded = run(json!({"input": 0})).expect(200);
    assert_eq!(succeeded["charged"], 15, "{succeeded}");
    let record = buyer.get(&format!("/v1/runs/{}", text(&succeeded, "run_id")));
    assert_eq!(record.expect(200)["charged"], 15);
    for (body, status) in [
        (json!({"input": 13}), 502),
        (json!({"input": 60_000, "timeout_ms": 100}), 504),
    ] {
        let failed = run(body).expect(status);
        assert_eq!(failed["charged"], 0, "{failed}");
    }
    PRICE_ABOVE_MAX.is("one less", run(json!({"input": 0, "max_price": 14})));
    assert_eq!(
        run(json!({"input": 0, "max_price": 15})).expect(200)["charged"],
        15
    );
    // The seller's own costs nothing, nor does a draft.
    assert_eq!(
        seller.run(&tool, &json!({"input": 0})).expect(200)["charged"],
        0
    );
    assert_eq!(run(json!({"input": 0})).expect(200)["charged"], 15);
    assert_eq!(run(json!({"input": 0})).expect(200)["charged"], 15);
    balance_insufficient(run(json!({"input": 0})), 15, 10);
    assert_eq!(wallet(&buyer), [10, 0, 10]);
    let mut bought = vec![line("charge", -15); 4];
    bought.extend([line("credit", 100), line("subscription", -30)]);
    assert_eq!(entries(&buyer), bought);
    let mut earned = vec![line("earning", 15); 4];
    earned.push(line("earning", 30));
    // A tenth of 30, and of each 15 a token and a half: what is rounded down is carried.
    let fees = [3, 2, 2, 1, 1];
    earned.extend(fees.map(|fee| line("fee", -fee)));
    assert_eq!(entries(&seller), earned);
    let mut got = fees.map(|fee| line("fee", fee));
    got.sort();
    assert_eq!(entries(&server.operator()), got);
    adds_up(&server);
}

#[test]
fn a_thousand_callers_race_for_the_price_of_three_runs() {
    let _machine = crate::MACHINE.blocking_lock();
    // All at once, which an org may not have by itself.
    let server = Server::start_with(&[("TOLLGATE_RATE__ORG_RUNS", "0")]);
    let (seller, buyer) = (server.org_with("seller", 0), server.org_with("buyer", 35));
    let tool = published(&seller, &priced("tool", "1.0.0", 10, ""));
    buyer.subscribe(&tool);
    let body = json!({"input": 200}).to_string();
    let path = format!("/v1/artifacts/{tool}/run");
    let start = Arc::new(std::sync::Barrier::new(1000));
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let (caller, start) = (buyer.clone(), Arc::clone(&start));
            let (path, body) = (path.clone(), body.clone());
            let call = move || {
                start.wait();
                caller.send("POST", &path, JSON, body.as_bytes())
            };
            let thread = std::thread::Builder::new().stack_size(256 * 1024);
            thread.spawn(call).expect("a thread")
        })
        .collect();
    let mut ends = std::collections::BTreeMap::new();
    for caller in callers {
        let answer = caller.join().expect("an answer");
        let code = answer.body["code"].as_str().unwrap_or("good").to_owned();
        *ends.entry((answer.status, code)).or_insert(0) += 1;
    }
    let expected = [
        ((200, "good".to_owned()), 3),
        ((402, "balance_insufficient".to_owned()), 997),
    ];
    assert_eq!(ends, expected.into());
    assert_eq!(wallet(&buyer), [5, 0, 5]);
    assert_eq!(wallet(&seller), [30, 0, 30]);
    adds_up(&server);
}

#[test]
fn what_a_run_may_cost_is_held_until_it_ends_and_over_a_restart() {
    let one_at_once = [("TOLLGATE_ASYNC_RUNS", "1")];
    let server = Server::start_with(&one_at_once);
    let (seller, buyer) = (server.org_with("seller", 0), server.org_with("buyer", 35));
    let tool = published(&seller, &priced("tool", "1.0.0", 10, ""));
    buyer.subscribe(&tool);
    let path = format!("/v1/artifacts/{tool}/run");
    let queue = |for_ms: u32| {
        let headers = [JSON[0], ("prefer", "respond-async")];
        let body = json!({"input": for_ms}).to_string();
        buyer.send("POST", &path, &headers, body.as_bytes())
    };
    let [running, next, last] = [20_000, 0, 0].map(|it| text(&queue(it).expect(202), "run_id"));
    assert_eq!(wallet(&buyer), [35, 30, 5]);
    balance_insufficient(queue(0), 10, 5);
    let cancel = format!("/v1/runs/{last}/cancel");
    buyer.send("POST", &cancel, &[], b"").expect(200);
    assert_eq!(wallet(&buyer), [35, 20, 15]);
    let is_running =
        || buyer.get(&format!("/v1/runs/{running}")).expect(200)["status"] == "RUNNING";
    assert!(holds_within(PATIENCE, is_running));
    // What ran is lost and costs nothing; what was queued is run, and paid for.
    let server = Server::start_in(server.kill(), &one_at_once);
    let buyer = server.caller(&buyer.key);
    let is_over = || buyer.get(&format!("/v1/runs/{next}")).expect(200)["finished_at"].is_string();
    assert!(holds_within(PATIENCE, is_over));
    assert!(
        holds_within(PATIENCE, || wallet(&buyer) == [25, 0, 25]),
        "{:?}",
        wallet(&buyer)
    );
    let lost = buyer.get(&format!("/v1/runs/{running}")).expect(200);
    assert_eq!(
        (&lost["failure"]["kind"], &lost["charged"]),
        (&json!("lost"), &json!(0))
    );
    adds_up(&server);
}

#[test]
fn a_subscriber_runs_what_asks_no_more_than_was_agreed_to_until_the_terms_are_accepted() {
    let server = Server::start();
    let (seller, buyer) = (server.org_with("seller", 0), server.org_with("buyer", 1000));
    let egress =
        |path: &str| format!("[egress]\nallow = [\"GET https://api.example.com/{path}\"]\n");
    let first = priced("tool", "1.0.0", 5, &egress("v1"));
    let tool = published(&seller, &first);
    let path = format!("/v1/artifacts/{tool}");
    let release = |version: &str, price: u64, more: &str| {
        redraft(&seller, &tool, &priced("tool", version, price, more));
        publish(&seller, &tool)
    };
    let charged = || buyer.run(&tool, &json!({"input": 0})).expect(200)["charged"].clone();
    let run_of = || {
        let runs = buyer.get("/v1/runs?limit=1").expect(200);
        text(&runs["items"][0], "release_id")
    };
    let subscription = buyer.subscribe(&tool);
    assert_eq!(charged(), 5);
    let cheaper = release("1.1.0", 4, &egress("v1/narrower"));
    assert_eq!((charged(), run_of()), (json!(4), cheaper.clone()));
    let pending =
        || buyer.get("/v1/subscriptions").expect(200)["items"][0]["pending_widens"].clone();
    assert_eq!(pending(), json!([]));
    let dearer = release("2.0.0", 9, &egress(""));
    let from = ["GET https://api.example.com/v1"];
    let to = ["GET https://api.example.com/"];
    assert_eq!(
        pending(),
        json!([
            {"what": "price", "from": 5, "to": 9},
            {"what": "egress", "from": from, "to": to},
        ])
    );
    let shown = buyer.get(&path).expect(200);
    assert_eq!(shown["active_release"]["widens"][0]["from"], 4, "{shown}");
    assert_eq!((charged(), run_of()), (json!(4), cheaper.clone()));
    // Whoever comes now takes the terms of now.
    let late = server.org_with("late", 9);
    late.subscribe(&tool);
    assert_eq!(
        late.run(&tool, &json!({"input": 0})).expect(200)["charged"],
        9
    );
    let accept = format!("/v1/subscriptions/{subscription}/accept");
    let read = json!({"release_id": dearer});
    let accepted = buyer.post(&accept, &read).expect(200);
    assert_eq!(
        (&accepted["release_id"], &accepted["pending_widens"]),
        (&json!(dearer), &json!([]))
    );
    assert_eq!((charged(), run_of()), (json!(9), dearer));
    let back = format!("{path}/rollback");
    seller.send("POST", &back, &[], b"").expect(200);
    assert_eq!((charged(), run_of()), (json!(4), cheaper));
    let ending = format!("/v1/subscriptions/{subscription}");
    assert_eq!(buyer.delete(&ending).status, 204);
    NOT_SUBSCRIBED.is("ended", buyer.run(&tool, &json!({"input": 0})));
    SUBSCRIPTION_NOT_FOUND.is("ended", buyer.delete(&ending));
    let again = buyer.post(&accept, &read);
    SUBSCRIPTION_NOT_FOUND.is("accepted when ended", again);
    let listed = buyer.get("/v1/subscriptions").expect(200);
    assert!(listed["items"][0]["ended_at"].is_string(), "{listed}");
    adds_up(&server);
}

#[test]
fn subscribing_is_refused_for_a_reason_that_is_told() {
    let server = Server::start();
    let (seller, buyer) = (server.org_with("seller", 0), server.org_with("buyer", 120));
    let tool = published(
        &seller,
        &priced("tool", "1.0.0", 0, "subscription_price = 500\n"),
    );
    let free = published(&seller, &priced("free", "1.0.0", 0, ""));
    let subscribe =
        |caller: &Caller, id: &str| caller.post("/v1/subscriptions", &json!({"artifact_id": id}));
    balance_insufficient(subscribe(&buyer, &tool), 500, 120);
    buyer.subscribe(&free);
    ALREADY_SUBSCRIBED.is("again", subscribe(&buyer, &free));
    UNPROCESSABLE.is_for("artifact_own", "one's own", subscribe(&seller, &free));
    ARTIFACT_NOT_FOUND.is("none", subscribe(&buyer, "art_06bqk8m0000000000000000000"));
    let malformed = buyer.post("/v1/subscriptions", &json!({"artifact": free}));
    assert_eq!(malformed.status, 422, "{}", malformed.body);
    for id in ["sub_06bqk8m0000000000000000000", "sub_", "nonsense", &free] {
        SUBSCRIPTION_NOT_FOUND.is(id, buyer.delete(&format!("/v1/subscriptions/{id}")));
    }
    assert_eq!(wallet(&buyer), [120, 0, 120]);
}

#[test]
fn a_credit_is_given_once_for_a_key_and_checked() {
    let server = Server::start();
    let operator = server.operator();
    let made = operator
        .post("/v1/orgs", &json!({"name": "org"}))
        .expect(201);
    let caller = server.caller(&text(&made, "key"));
    let credit = |org: &Value, tokens: Value, reason: &str, key: &str| {
        let body = json!({"org_id": org, "tokens": tokens, "reason": reason}).to_string();
        let headers = [JSON[0], ("idempotency-key", key)];
        operator.send("POST", "/v1/wallet/credits", &headers, body.as_bytes())
    };
    let org = &made["id"];
    let first = credit(org, json!(100), "paid", "invoice-1");
    let second = credit(org, json!(100), "paid", "invoice-1");
    assert_eq!(second.headers["idempotency-replayed"], "true");
    let first = first.expect(201);
    assert_eq!(
        (&first["kind"], &first["tokens"]),
        (&json!("credit"), &json!(100))
    );
    assert_eq!(second.expect(201), first);
    IDEMPOTENCY_CONFLICT.is("another", credit(org, json!(101), "paid", "invoice-1"));
    assert_eq!(wallet(&caller), [100, 0, 100]);
    for (index, (violation, org, tokens, reason)) in [
        ("tokens_invalid", org, json!(0), "paid"),
        (
            "tokens_invalid",
            org,
            json!(1_000_000_000_000_001_u64),
            "paid",
        ),
        ("reason_invalid", org, json!(1), " "),
        ("reason_invalid", org, json!(1), "a\u{1b}[31m"),
        ("reason_invalid", org, json!(1), &"a".repeat(257)),
        (
            "org_unknown",
            &json!("org_06bqk8m0000000000000000000"),
            json!(1),
            "paid",
        ),
        ("org_unknown", &json!("nobody"), json!(1), "paid"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = credit(org, tokens, reason, &format!("bad-{index}"));
        UNPROCESSABLE.is_for(violation, reason, answer);
    }
    for tokens in [json!(-1), json!(1.5), json!("1")] {
        assert_eq!(
            credit(org, tokens.clone(), "paid", "worse").status,
            422,
            "{tokens}"
        );
    }
    assert_eq!(entries(&caller), [line("credit", 100)]);
    adds_up(&server);
}

#[test]
fn an_audit_of_no_data_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let audit = tollgate(&["audit", "--data", folder.path().to_str().expect("UTF-8")]);
    assert_eq!(audit.code, Some(2), "{audit:?}");
    assert!(audit.stderr.contains("holds no data"), "{audit:?}");
}
