//! How much may be asked: the limits, who meets them, and what is told of them.

mod fields;

use super::rows::{
    ARTIFACT_NOT_FOUND, AUTHORIZATION_MISSING, FORBIDDEN, KEY_INVALID, RATE_LIMITED,
};
use super::small::{key, published, quick};
use fields::{are_told, limits, number, of};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tollgate_tests::holds_within;
use tollgate_tests::server::{Answer, Caller, JSON, Server, refused_start};

const NO_ARTIFACT: &str = "/v1/artifacts/art_06bqk8m0000000000000000000";
/// More than any limit of these tests.
const MANY: usize = 200;

/// A 429 with all that belongs to one; its body.
fn is_limited(label: &str, answer: Answer) -> Value {
    let (_, standings) = limits(&answer);
    let after = answer.headers["retry-after"].to_str().expect("ASCII");
    let after: u64 = after.parse().expect("whole seconds");
    let used_up = standings.values().filter(|it| number(it, "r") == 0);
    let windows: Vec<_> = used_up
        .map(|it| it.get("t").map_or(1, |_| number(it, "t")))
        .collect();
    assert_eq!(windows.iter().max(), Some(&after), "{label}: {standings:?}");
    let body = RATE_LIMITED.is(label, answer);
    assert_eq!(body["retry_after_s"], after, "{label}: {body}");
    body
}

/// Asks until it is refused by a limit: what was answered before, and that refusal.
fn until_limited(ask: impl Fn() -> Answer) -> (Vec<Answer>, Answer) {
    let mut before = Vec::new();
    loop {
        let answer = ask();
        if answer.status == 429 {
            return (before, answer);
        }
        before.push(answer);
        assert!(before.len() < MANY, "nothing is limited");
    }
}

#[test]
fn a_key_has_what_its_headers_say_and_more_when_they_say() {
    let server = Server::start_with(&[
        ("TOLLGATE_RATE__KEY_PER_S", "1"),
        ("TOLLGATE_RATE__KEY_BURST", "6"),
    ]);
    let caller = server.org("eager");
    let begun = Instant::now();
    let (answers, refused) = until_limited(|| caller.get("/v1/runs"));
    let filled = begun.elapsed().as_secs() as usize + 1;
    assert!((6..=6 + filled).contains(&answers.len()), "{answers:?}");
    let mut left_before = 6;
    for answer in &answers {
        let (quota, window, left) = of(answer, "key");
        assert_eq!((quota, window), (6, 6));
        assert!(left + 1 >= left_before, "{left} after {left_before}");
        left_before = left;
    }
    assert_eq!(of(&answers[0], "org").0, 4000);
    assert_eq!(of(&refused, "key").2, 0);
    let body = is_limited("a key", refused);
    // It is as it says: who waits so long is answered.
    let wait = body["retry_after_s"].as_u64().expect("a number");
    assert_eq!(wait, 1);
    std::thread::sleep(Duration::from_secs(wait));
    caller.get("/v1/runs").expect(200);
}

#[test]
fn a_limit_is_met_after_who_calls_and_before_everything_else() {
    let server = Server::start_with(&[
        ("TOLLGATE_RATE__KEY_PER_S", "1"),
        ("TOLLGATE_RATE__KEY_BURST", "4"),
    ]);
    let (runner, _) = key(&server.org("runner"), &["run"]);
    let malformed = || runner.send("POST", &format!("{NO_ARTIFACT}/run"), JSON, b"{");
    let (answers, refused) = until_limited(malformed);
    for answer in answers {
        assert!(are_told(&answer), "a refusal");
        ARTIFACT_NOT_FOUND.is("before", answer);
    }
    is_limited("404", refused);
    let (answers, refused) = until_limited(|| runner.get("/v1/keys"));
    for answer in answers {
        FORBIDDEN.is("before", answer);
    }
    is_limited("403", refused);
    // With an idempotency key it is one request, too.
    let headers = [JSON[0], ("idempotency-key", "once")];
    let ask = || runner.send("POST", "/v1/keys", &headers, b"{}");
    let (_, refused) = until_limited(ask);
    is_limited("a repeated one", refused);
    let nobody = runner.with_key("").get("/v1/runs");
    assert!(!are_told(&nobody));
    AUTHORIZATION_MISSING.is("nobody", nobody);
    for open in ["/healthz", "/readyz", "/openapi.json"] {
        let answer = runner.get(open);
        assert!(!are_told(&answer), "{open}");
        answer.expect(200);
    }
}

#[test]
fn an_orgs_keys_share_its_limit_and_another_org_does_not_feel_it() {
    let server = Server::start_with(&[
        ("TOLLGATE_RATE__KEY_PER_S", "1"),
        ("TOLLGATE_RATE__KEY_BURST", "20"),
        ("TOLLGATE_RATE__ORG_PER_S", "1"),
        ("TOLLGATE_RATE__ORG_BURST", "26"),
    ]);
    let (first, other) = (server.org("crowd"), server.org("other"));
    let (second, _) = key(&first, &["run"]);
    let (_, refused) = until_limited(|| first.get("/v1/runs"));
    assert_eq!(of(&refused, "key").2, 0);
    assert!(of(&refused, "org").2 >= 1, "the key's own limit");
    is_limited("one key", refused);
    let answer = second.get("/v1/runs");
    assert_eq!(of(&answer, "key").2, 19, "another key has its own");
    answer.expect(200);
    let (_, refused) = until_limited(|| second.get("/v1/runs"));
    assert_eq!((of(&refused, "org").0, of(&refused, "org").2), (26, 0));
    assert!(of(&refused, "key").2 >= 1, "the org's limit");
    is_limited("its org", refused);
    let answer = other.get("/v1/runs");
    assert_eq!((of(&answer, "key").2, of(&answer, "org").2), (19, 25));
    answer.expect(200);
}

#[test]
fn an_address_guesses_so_many_keys_and_good_ones_work_on() {
    let server = Server::start_with(&[("TOLLGATE_RATE__FAILED_PER_MINUTE", "4")]);
    let good = server.org("good");
    let unknown = format!("tg_{}", "a".repeat(40));
    let guesses = [unknown.as_str(), "nonsense", "tg_"];
    let guess = |number: usize| good.with_key(guesses[number % 3]).get("/v1/runs");
    for number in 0..4 {
        let answer = guess(number);
        assert!(!are_told(&answer), "who guesses is told nothing");
        KEY_INVALID.is("a guess", answer);
    }
    for number in 0..5 {
        let answer = guess(number);
        assert_eq!(of(&answer, "address"), (4, 60, 0));
        let body = is_limited("one guess more", answer);
        let wait = body["retry_after_s"].as_u64().expect("a number");
        assert!((1..=15).contains(&wait), "{body}");
        // What somebody writes into a header is not where they are.
        let elsewhere = [
            ("x-forwarded-for", "192.0.2.7"),
            ("forwarded", "for=192.0.2.7"),
        ];
        let guesser = good.with_key(&unknown);
        let answer = guesser.send("GET", "/v1/runs", &elsewhere, b"");
        is_limited("from elsewhere, as it says", answer);
        let answer = good.get("/v1/runs");
        assert!(!limits(&answer).0.contains_key("address"));
        answer.expect(200);
    }
    AUTHORIZATION_MISSING.is("no key is no guess", good.with_key("").get("/v1/runs"));
    let answers = ["127.0.0.1", "127.0.0.2"].map(|from| guess_from(from, server.address));
    let statuses = answers.each_ref().map(|it| &it[..12]);
    assert_eq!(
        statuses,
        ["HTTP/1.1 429", "HTTP/1.1 401"],
        "another address"
    );
}

/// The answer to a key that is none, sent from an address of this machine.
fn guess_from(from: &str, server: SocketAddr) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let connected = runtime.expect("a runtime").block_on(async {
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.parse().expect("an address"), 0))?;
        socket.connect(server).await?.into_std()
    });
    let mut stream = connected.expect("a connection");
    stream.set_nonblocking(false).expect("a socket");
    let request =
        b"GET /v1/runs HTTP/1.1\r\nhost: here\r\nx-api-key: tg_\r\nconnection: close\r\n\r\n";
    stream.write_all(request).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn an_org_has_so_many_runs_at_once_and_leaving_does_not_make_them_fewer() {
    let server = Server::start_with(&[("TOLLGATE_RATE__ORG_RUNS", "1")]);
    let (caller, other) = (server.org("busy"), server.org("other"));
    let (asleep, tool) = (
        caller.published("sleep-hour"),
        published(&caller, &quick("quick", "1.0.0")),
    );
    other.subscribe(&tool);
    let input = json!({"input": null});
    let answer = caller.run(&tool, &input);
    let policy = limits(&answer).0["runs"].clone();
    assert_eq!((number(&policy, "q"), policy.contains_key("w")), (1, false));
    answer.expect(200);
    drop(begun(&caller, server.address, &asleep));
    let running = running(&caller);
    for path in [
        format!("/v1/artifacts/{tool}/run"),
        format!("{NO_ARTIFACT}/draft/run"),
    ] {
        let answer = caller.post(&path, &input);
        let (_, standings) = limits(&answer);
        assert_eq!(number(&standings["runs"], "r"), 0);
        assert!(number(&standings["key"], "r") > 0, "{standings:?}");
        is_limited("one run more", answer);
    }
    // Other calls, other orgs and runs that nobody waits for are not meant.
    assert!(!limits(&caller.get("/v1/runs")).0.contains_key("runs"));
    other.run(&tool, &input).expect(200);
    let path = format!("/v1/artifacts/{tool}/run");
    let headers = [JSON[0], ("prefer", "respond-async")];
    let body = input.to_string();
    let answer = caller.send("POST", &path, &headers, body.as_bytes());
    answer.expect(202);
    let cancel = format!("/v1/runs/{running}/cancel");
    caller.send("POST", &cancel, &[], b"").expect(200);
    let is_free = holds_within(Duration::from_secs(20), || {
        caller.run(&tool, &input).status == 200
    });
    assert!(is_free);
    for _ in 0..3 {
        // One after another is one at once.
        caller.run(&tool, &input).expect(200);
    }
}

/// A connection on which a run was asked for that is recorded from its start on.
fn begun(caller: &Caller, server: SocketAddr, tool: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server).expect("a connection");
    let body = json!({"input": null}).to_string();
    let request = format!(
        "POST /v1/artifacts/{tool}/run HTTP/1.1\r\nhost: here\r\nx-api-key: {}\r\nidempotency-key: left\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        caller.key,
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    running(caller);
    stream
}

/// The id of the one run under way.
fn running(caller: &Caller) -> String {
    let mut run = Value::Null;
    let is_running = holds_within(Duration::from_secs(20), || {
        let listed = caller.get("/v1/runs?status=RUNNING").expect(200);
        run = listed["items"][0]["run_id"].clone();
        run.is_string()
    });
    assert!(is_running);
    run.as_str().expect("an id").to_owned()
}

#[test]
fn nothing_is_told_where_nothing_is_limited() {
    let server = Server::start_with(&[
        ("TOLLGATE_RATE__KEY_PER_S", "0"),
        ("TOLLGATE_RATE__ORG_PER_S", "0"),
        ("TOLLGATE_RATE__FAILED_PER_MINUTE", "0"),
        ("TOLLGATE_RATE__ORG_RUNS", "0"),
    ]);
    let caller = server.org("free");
    for _ in 0..100 {
        assert!(!are_told(&caller.get("/v1/runs")));
        KEY_INVALID.is("a guess", caller.with_key("tg_").get("/v1/runs"));
    }
}

#[test]
fn a_limit_that_is_none_is_refused_by_its_key() {
    for (variable, value, said) in [
        ("TOLLGATE_RATE__KEY_PER_S", "1000001", "rate.key_per_s"),
        ("TOLLGATE_RATE__KEY_BURST", "0", "rate.key_burst"),
        ("TOLLGATE_RATE__ORG_RUNS", "100001", "rate.org_runs"),
        ("TOLLGATE_RATE__ORG_PER_S", "many", "many"),
        ("TOLLGATE_RATE__PER_S", "1", "TOLLGATE_RATE__PER_S"),
    ] {
        let ended = refused_start(&["serve", "--print-config"], &[(variable, value)]);
        assert_eq!(ended.code, Some(2), "{variable}: {ended:?}");
        assert!(ended.stderr.contains(said), "{variable}: {ended:?}");
    }
    let ended = refused_start(&["serve", "--print-config"], &[]);
    for line in [
        "[rate]",
        "key_per_s = 1000",
        "org_burst = 4000",
        "org_runs = 500",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
}
