//! A request that is sent again is not done again.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Barrier;
use tollgate_tests::server::{Answer, Caller, JSON, Server};

const AT_ONCE: usize = 100;

fn send(caller: &Caller, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [JSON[0], ("idempotency-key", key)];
    caller.send("POST", path, &headers, body.to_string().as_bytes())
}

fn is_replayed(answer: &Answer) -> bool {
    answer
        .headers
        .get("idempotency-replayed")
        .is_some_and(|it| it == "true")
}

#[test]
fn the_same_key_a_hundred_times_at_once_runs_once() {
    let server = Server::start();
    let caller = server.org("eager");
    let path = format!("/v1/artifacts/{}/run", caller.published("markdown"));
    let body = json!({"input": {"markdown": "# once"}, "external_id": "once"});
    let start = Barrier::new(AT_ONCE);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = || {
            start.wait();
            send(&server.caller(&caller.key), &path, "once", &body)
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(ask)).collect();
        let answer = |thread: std::thread::ScopedJoinHandle<'_, Answer>| thread.join();
        threads
            .into_iter()
            .map(|thread| answer(thread).expect("an answer"))
            .collect()
    });
    let first = answers.iter().filter(|answer| !is_replayed(answer)).count();
    assert_eq!(first, 1);
    let bodies: BTreeSet<_> = answers
        .into_iter()
        .map(|answer| answer.expect(200).to_string())
        .collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let runs = caller.get("/v1/runs?external_id=once").expect(200);
    assert_eq!(runs["items"].as_array().map(Vec::len), Some(1), "{runs}");
}

#[test]
fn a_replay_shows_no_key_again() {
    let server = Server::start();
    let caller = server.org("forgetful");
    let body = json!({"name": "once", "scopes": ["run"]});
    let first = send(&caller, "/v1/keys", "key", &body);
    assert!(!is_replayed(&first));
    let mut first = first.expect(201);
    let second = send(&caller, "/v1/keys", "key", &body);
    assert!(is_replayed(&second));
    assert_eq!(second.headers["location"], "/v1/keys");
    let shown = first.as_object_mut().and_then(|it| it.shift_remove("key"));
    assert!(shown.is_some_and(|key| key.is_string()));
    assert_eq!(second.expect(201), first);
    let keys = caller.get("/v1/keys").expect(200);
    assert_eq!(keys["items"].as_array().map(Vec::len), Some(2), "{keys}");
}

#[test]
fn a_refusal_is_not_kept_and_another_body_is_a_conflict() {
    let server = Server::start();
    let caller = server.org("careless");
    let path = format!("/v1/artifacts/{}/run", caller.published("markdown"));
    let good = json!({"input": {"markdown": "# good"}});
    for bad in [json!({"input": {}}), json!({"input": {"markdown": 1}})] {
        let refused = send(&caller, &path, "again", &bad);
        assert!(!is_replayed(&refused));
        assert_eq!(refused.expect(422)["code"], "input_invalid");
    }
    let first = send(&caller, &path, "again", &good);
    assert!(!is_replayed(&first));
    let second = send(&caller, &path, "again", &good);
    assert!(is_replayed(&second));
    assert_eq!(second.expect(200), first.expect(200));
    let other = json!({"input": {"markdown": "# other"}});
    let detail = "Idempotency key reused with another request";
    send(&caller, &path, "again", &other).expect_problem(409, "idempotency_conflict", detail);
    // The same key elsewhere, and of somebody else, is another one.
    let elsewhere = json!({"name": "elsewhere", "scopes": ["run"]});
    let elsewhere = send(&caller, "/v1/keys", "again", &elsewhere);
    assert_eq!((elsewhere.status, is_replayed(&elsewhere)), (201, false));
    let stranger = server.org("other");
    stranger.subscribe(path.split('/').nth(3).expect("an id"));
    let theirs = send(&stranger, &path, "again", &other);
    assert_eq!((theirs.status, is_replayed(&theirs)), (200, false));
}

#[test]
fn of_an_async_run_the_202_is_replayed_even_once_it_has_ended() {
    let server = Server::start();
    let caller = server.org("later");
    let path = format!("/v1/artifacts/{}/run", caller.published("markdown"));
    let headers = [
        JSON[0],
        ("idempotency-key", "later"),
        ("prefer", "respond-async"),
    ];
    let body = json!({"input": {"markdown": "# later"}}).to_string();
    let ask = || caller.send("POST", &path, &headers, body.as_bytes());
    let first = ask();
    assert!(!is_replayed(&first));
    let location = first.headers["location"].clone();
    let first = first.expect(202);
    let run = location.to_str().expect("a path");
    let is_over = || caller.get(run).expect(200)["status"] == "SUCCEEDED";
    assert!(tollgate_tests::holds_within(
        std::time::Duration::from_secs(30),
        is_over
    ));
    let second = ask();
    assert!(is_replayed(&second));
    assert_eq!(second.headers["location"], location);
    assert_eq!(second.expect(202), first);
}

#[test]
fn a_replay_is_sent_as_what_the_first_answer_was() {
    let server = Server::start();
    let operator = server.operator();
    let caller = server.org("caller");
    let suspend = format!("/v1/orgs/{}/suspend", caller.org);
    let key = json!({"name": "<svg>", "scopes": ["run"]});
    for (path, body, status, content_type) in [
        (suspend.as_str(), json!(""), 204, None),
        ("/v1/keys", key, 201, Some("application/json")),
    ] {
        let first = send(&operator, path, "once", &body);
        let second = send(&operator, path, "once", &body);
        assert!(!is_replayed(&first) && is_replayed(&second), "{path}");
        for answer in [first, second] {
            let sent_as = answer.headers.get("content-type");
            let sent_as = sent_as.map(|it| it.to_str().expect("text"));
            assert_eq!((answer.status, sent_as), (status, content_type), "{path}");
        }
    }
}
