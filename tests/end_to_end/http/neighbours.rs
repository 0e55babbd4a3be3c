//! Another org's endless runs are not felt.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tollgate_tests::holds_within;
use tollgate_tests::server::{Caller, JSON, Server};

const OF_EACH: usize = 8;
const SENDERS: usize = 16;
pub(super) const ROUNDS: usize = 3;
const CALLS: usize = 80;
pub(super) const WORST: Duration = Duration::from_millis(500);

#[test]
fn calls_are_answered_at_once_while_another_org_spins_and_sleeps() {
    let _machine = crate::MACHINE.blocking_lock();
    let server = Server::start();
    let (noisy, quiet) = (server.org("noisy"), server.org("quiet"));
    let hostile = ["spin", "sleep-hour"].map(|name| noisy.published(name));
    let markdown = quiet.published("markdown");
    // What is loaded once is not what is measured.
    call(&quiet, &markdown, 0);
    let all = hostile.len() * OF_EACH;
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..all)
            .map(|number| {
                let (noisy, tool) = (&noisy, &hostile[number % 2]);
                let input = if number % 2 == 0 {
                    json!({})
                } else {
                    Value::Null
                };
                scope.spawn(move || endless(noisy, tool, &input, number))
            })
            .collect();
        let is_loaded = holds_within(Duration::from_secs(8), || running(&noisy) == all);
        assert!(is_loaded, "{} of {all} run", running(&noisy));
        // Other tests make noise, too: a server that lets runs be felt does so in every round.
        let rounds: Vec<_> = (0..ROUNDS).map(|_| round(&quiet, &markdown)).collect();
        assert_eq!(running(&noisy), all, "they were not under way throughout");
        eprintln!("median and worst of {CALLS} calls beside {all} endless runs: {rounds:?}");
        assert!(rounds.iter().any(|(_, worst)| *worst < WORST), "{rounds:?}");
        for run in runs {
            assert_eq!(run.join().expect("an answer"), 504);
        }
    });
}

#[test]
fn calls_are_answered_at_once_while_another_org_sends_what_takes_long_to_read() {
    let _machine = crate::MACHINE.blocking_lock();
    let server = Server::start();
    let (noisy, quiet) = (server.org("noisy"), server.org("quiet"));
    let [hers, his] = [&noisy, &quiet].map(|org| org.published("markdown"));
    call(&quiet, &his, 0);
    // A value for each two bytes, all of them read before the tool's type is looked at.
    let body = format!(
        r#"{{"input": {{"markdown": [{}1]}}}}"#,
        "1,".repeat(500_000)
    );
    let path = format!("/v1/artifacts/{hers}/run");
    let (is_over, read) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = noisy.send("POST", &path, JSON, body.as_bytes());
                    assert!(matches!(answer.status, 422 | 503), "{answer:?}");
                    read.fetch_add(usize::from(answer.status == 422), Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(1));
        let rounds: Vec<_> = (0..ROUNDS).map(|_| round(&quiet, &his)).collect();
        is_over.store(true, Ordering::Relaxed);
        eprintln!("median and worst of {CALLS} calls beside {SENDERS} senders: {rounds:?}");
        assert!(rounds.iter().any(|(_, worst)| *worst < WORST), "{rounds:?}");
    });
    assert!(read.into_inner() > 0, "none of it was read");
}

/// Median and worst time of calls, one after another.
pub(super) fn round(caller: &Caller, tool: &str) -> (Duration, Duration) {
    let mut times: Vec<_> = (0..CALLS)
        .map(|number| call(caller, tool, number))
        .collect();
    times.sort_unstable();
    (times[CALLS / 2], times[CALLS - 1])
}

/// With a key, so that the run is listed while it is under way.
fn endless(caller: &Caller, tool: &str, input: &Value, number: usize) -> u16 {
    let body = json!({"input": input, "timeout_ms": 8000}).to_string();
    let key = format!("endless-{number}");
    let headers = [JSON[0], ("idempotency-key", &key)];
    let path = format!("/v1/artifacts/{tool}/run");
    caller.send("POST", &path, &headers, body.as_bytes()).status
}

fn running(caller: &Caller) -> usize {
    let listed = caller.get("/v1/runs?status=RUNNING&limit=100").expect(200);
    listed["items"].as_array().expect("items").len()
}

/// A run, or a look, and how long its answer took.
pub(super) fn call(caller: &Caller, tool: &str, number: usize) -> Duration {
    let asked_at = Instant::now();
    match number % 3 {
        0 | 1 => caller.run(tool, &json!({"input": {"markdown": "# Hello"}})),
        _ => caller.get(&format!("/v1/artifacts/{tool}")),
    }
    .expect(200);
    asked_at.elapsed()
}
