//! Clients that leave, dawdle, or only hold a connection.

use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use tollgate_tests::holds_within;
use tollgate_tests::server::{Caller, Server};

const PATIENCE: Duration = Duration::from_secs(60);
const IDLE: usize = 10_000;

/// A request for a run, as bytes.
fn request(caller: &Caller, tool: &str, body: &Value) -> String {
    let (key, name, body) = (&caller.key, &body["external_id"], body.to_string());
    format!(
        "POST /v1/artifacts/{tool}/run HTTP/1.1\r\nhost: tests\r\nx-api-key: {key}\r\n\
         content-type: application/json\r\nidempotency-key: {name}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn send(server: &Server, bytes: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("the server listens");
    stream.write_all(bytes.as_bytes()).expect("it reads");
    stream
}

#[test]
fn clients_that_leave_in_any_phase_harm_nobody_and_a_started_run_is_recorded() {
    let server = Server::start();
    let caller = server.org("hasty");
    let markdown = caller.published("markdown");
    let slow = caller.published("sleep-hour");
    let quick = json!({"input": {"markdown": "# unread"}, "external_id": "unread"});
    let long = json!({"input": null, "timeout_ms": 1500, "external_id": "left"});
    let whole = request(&caller, &markdown, &quick);
    let head = whole.find("\r\n\r\n").expect("a head") + 4;
    for end in [0, 1, 20, head - 2, head, head + 5, whole.len() - 1] {
        for _ in 0..5 {
            drop(send(&server, &whole[..end]));
        }
    }
    // Nothing of these was a run.
    let listed = caller.get("/v1/runs").expect(200);
    assert_eq!(listed["items"], json!([]));
    // Before the answer is read: the run may have been taken back, or it is recorded; never both.
    drop(send(&server, &whole));
    // While it runs.
    let leaving = send(&server, &request(&caller, &slow, &long));
    let with = |status: &str| {
        let listed = caller.get(&format!("/v1/runs?external_id=left&status={status}"));
        listed.expect(200)["items"].as_array().map(Vec::len)
    };
    assert!(holds_within(PATIENCE, || with("RUNNING") == Some(1)));
    drop(leaving);
    assert!(holds_within(PATIENCE, || with("TIMED_OUT") == Some(1)));
    let unread = || {
        let listed = caller.get("/v1/runs?external_id=unread").expect(200);
        let runs = listed["items"].as_array().cloned().unwrap_or_default();
        runs.len() <= 1 && runs.iter().all(|run| run["status"] == "SUCCEEDED")
    };
    assert!(holds_within(PATIENCE, unread));
    let hello = json!({"input": {"markdown": "# Hello"}});
    caller.run(&markdown, &hello).expect(200);
}

#[test]
fn a_client_whose_headers_never_end_is_cut() {
    let server = Server::start_with(&[("TOLLGATE_HEADER_TIMEOUT_MS", "1000")]);
    for begin in [
        "",
        "GET /healthz HT",
        "GET /healthz HTTP/1.1\r\nhost: a\r\n",
    ] {
        let mut stream = send(&server, begin);
        let limit = Some(Duration::from_secs(30));
        stream.set_read_timeout(limit).expect("a socket");
        let sent_at = Instant::now();
        let mut said = Vec::new();
        match stream.read_to_end(&mut said) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{begin:?}"),
        }
        let took = sent_at.elapsed();
        let is_cut = (Duration::from_millis(900)..Duration::from_secs(10)).contains(&took);
        assert!(is_cut, "{begin:?} was cut after {took:?}");
    }
    server.caller("").get("/healthz").expect(200);
}

/// Lets this process have as many files as it may, and gives how many those are.
fn files_max() -> usize {
    let pid = std::process::id().to_string();
    let limit = |arguments: &[&str]| {
        let mut command = Command::new("prlimit");
        let ran = command.args(["--pid", &pid]).args(arguments).output();
        String::from_utf8(ran.expect("prlimit is there").stdout).expect("UTF-8")
    };
    let hard = limit(&["--nofile", "--noheadings", "--raw", "--output", "HARD"]);
    let hard = hard.trim().parse().expect("a number");
    limit(&[&format!("--nofile={hard}:{hard}")]);
    hard
}

#[test]
fn ten_thousand_idle_connections_slow_nobody() {
    let _machine = crate::MACHINE.blocking_lock();
    let files = files_max();
    if files < IDLE + 2000 {
        eprintln!("SKIPPED: this process may open {files} files, {IDLE} connections need more");
        return;
    }
    let server = Server::start_with(&[
        ("TOLLGATE_HEADER_TIMEOUT_MS", "120000"),
        ("TOLLGATE_CONNECTIONS_PER_ADDRESS", "16384"),
    ]);
    let caller = server.org("busy");
    let tool = caller.published("markdown");
    let hello = json!({"input": {"markdown": "# Hello"}});
    caller.run(&tool, &hello).expect(200);
    let idle: Vec<_> = (0..IDLE).map(|_| send(&server, "")).collect();
    let descriptors = format!("/proc/{}/fd", server.id());
    let open = || std::fs::read_dir(&descriptors).map_or(0, Iterator::count);
    assert!(holds_within(PATIENCE, || open() >= IDLE), "{}", open());
    let mut times: Vec<_> = (0..200)
        .map(|_| {
            let asked_at = Instant::now();
            caller.run(&tool, &hello).expect(200);
            asked_at.elapsed()
        })
        .collect();
    assert!(open() >= IDLE, "{} are left", open());
    times.sort_unstable();
    let (median, worst) = (times[100], times[199]);
    eprintln!("beside {IDLE} idle connections: median {median:?}, worst {worst:?}");
    assert!(worst < Duration::from_millis(500), "{worst:?}");
    drop(idle);
    assert!(holds_within(PATIENCE, || open() < 500), "{} stay", open());
}
