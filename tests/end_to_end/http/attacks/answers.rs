//! One org asks for many long answers at once.

use crate::guests::command;
use crate::http::bodies::raw::head;
use crate::http::small::{admitted, published, quick, sleeper, text};
use serde_json::json;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tollgate_tests::server::{Caller, JSON, Server};
use tollgate_tests::{holds_within, packed};

/// The budget for answers that clients have not read. One org may use half of it.
const UNREAD_BYTES: u64 = 64 << 20;
/// The number of requests, each for three megabytes.
const ASKED: usize = 400;
/// The most memory for that org's answers, including one answer in the making and the allocator's reserve.
const GROWTH_BYTES_MAX: u64 = 400 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn that_nobody_reads_take_no_more_than_the_org_s_share() {
    let _machine = crate::MACHINE.blocking_lock();
    let unread = UNREAD_BYTES.to_string();
    let server = Server::start_with(&[("TOLLGATE_PROCESS__HOST_BUFFER_BYTES", unread.as_str())]);
    let (noisy, quiet) = (server.org("noisy"), server.org("quiet"));
    let run = run_with_spans(&noisy);
    let other = published(&quiet, &quick("quick", "1.0.0"));
    let path = format!("/v1/runs/{run}/spans");
    are_bounded(&server, (&noisy, &[path]), (&quiet, &other));
}

/// Manifests of 250 KB that take 10 MB when they are parsed, and more of them than the cache holds.
#[test]
fn of_what_tools_say_take_no_more_than_the_org_s_share() {
    let _machine = crate::MACHINE.blocking_lock();
    let unread = UNREAD_BYTES.to_string();
    let server = Server::start_with(&[("TOLLGATE_PROCESS__HOST_BUFFER_BYTES", unread.as_str())]);
    let (noisy, quiet) = (server.org("noisy"), server.org("quiet"));
    let other = published(&quiet, &quick("quick", "1.0.0"));
    let paths: Vec<_> = (0..20)
        .map(|at| {
            let zeros = "0,".repeat(120_000);
            let about = format!("name = \"t{at}\"\n[[examples]]\ninput = {{ a = [{zeros}] }}\n");
            let tool = admitted(&noisy, &packed(&command(""), &about));
            format!("/v1/artifacts/{tool}")
        })
        .collect();
    are_bounded(&server, (&noisy, &paths), (&quiet, &other));
}

/// A tool of 200 bytes whose `err` is 116,000 records: a megabyte as JSON, and forty times that as parsed values.
const LARGE_ERROR: &str = r#"(component
    (core module $m
        (memory (export "mem") 8)
        (func (export "f") (result i32)
            (i32.store8 (i32.const 0) (i32.const 1))
            (i32.store (i32.const 4) (i32.const 16))
            (i32.store (i32.const 8) (i32.const 116000))
            (i32.const 0)))
    (core instance $i (instantiate $m))
    (type $t (record (field "a" u8)))
    (export $r "r" (type $t))
    (type $ft (func (result (result (error (list $r))))))
    (func $f (type $ft) (canon lift (core func $i "f") (memory $i "mem")))
    (export "f" (func $f)))"#;

/// As parsed values, these errors take more than a gigabyte together.
#[test]
fn of_runs_that_fail_take_the_memory_of_their_text() {
    const RUNS: usize = 60;
    let _machine = crate::MACHINE.blocking_lock();
    let server = Server::start();
    let (noisy, quiet) = (server.org("noisy"), server.org("quiet"));
    let tool = published(&noisy, &packed(LARGE_ERROR, "name = \"failing\"\n"));
    let other = published(&quiet, &quick("quick", "1.0.0"));
    noisy.run(&tool, &json!({"input": {}})).expect(502);
    let (before, most) = (resident_bytes(&server), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let failing: Vec<_> = (0..RUNS)
            .map(|_| scope.spawn(|| noisy.run(&tool, &json!({"input": {}})).status))
            .collect();
        while failing.iter().any(|run| !run.is_finished()) {
            quiet.run(&other, &json!({"input": null})).expect(200);
            most.fetch_max(resident_bytes(&server), Ordering::Relaxed);
        }
        for run in failing {
            assert_eq!(run.join().expect("no panic"), 502);
        }
    });
    let growth = most.into_inner().saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "{} MiB", growth >> 20);
    let failures = noisy
        .get(&format!("/v1/artifacts/{tool}/failures"))
        .expect(200);
    let failure = &failures["items"][0]["failure"];
    assert!(failure["kind"] == "error" && failure["error"].is_array());
}

/// One org requests these paths many times and reads no answer, while another org runs a tool.
fn are_bounded(
    server: &Server,
    (noisy, paths): (&Caller, &[String]),
    (quiet, tool): (&Caller, &str),
) {
    let before = resident_bytes(server);
    let held: Vec<_> = (0..ASKED)
        .map(|at| {
            let path = &paths[at % paths.len()];
            let request = head("GET", path, noisy, "application/json") + "\r\n";
            let mut stream = TcpStream::connect(server.address).expect("a connection");
            stream.write_all(request.as_bytes()).expect("sent");
            stream
        })
        .collect();
    let (began, mut most) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(10) {
        let asked = Instant::now();
        quiet.run(tool, &json!({"input": null})).expect(200);
        assert!(asked.elapsed() < Duration::from_secs(5));
        most = most.max(resident_bytes(server));
    }
    drop(held);
    let growth = most.saturating_sub(before);
    assert!(growth < GROWTH_BYTES_MAX, "{} MiB", growth >> 20);
    let is_given_again = || noisy.get(&paths[0]).status == 200;
    assert!(holds_within(PATIENCE, is_given_again));
}

/// A run with three megabytes of spans, which goes on for a while.
fn run_with_spans(caller: &Caller) -> String {
    let tool = published(caller, &sleeper("sleeper"));
    let headers = [JSON[0], ("prefer", "respond-async")];
    let path = format!("/v1/artifacts/{tool}/run");
    let run = caller.send("POST", &path, &headers, br#"{"input": 25000}"#);
    let run = text(&run.expect(202), "run_id");
    let is_running = || caller.get(&format!("/v1/runs/{run}")).expect(200)["status"] == "RUNNING";
    assert!(holds_within(PATIENCE, is_running));
    let span = |at: usize| {
        json!({"span_id": format!("{:016x}", 4096 + at), "parent_id": "0000000000000004", "name": "a",
            "started_at": "2026-11-23T21:13:57.741Z", "ended_at": "2026-11-23T21:13:58.002Z",
            "attributes": {"text": "x".repeat(15_000)}})
    };
    let spans: Vec<_> = (0..200).map(span).collect();
    let path = format!("/v1/runs/{run}/spans");
    caller.post(&path, &json!({"spans": spans})).expect(201);
    run
}

fn resident_bytes(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"));
    let kib = line.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.expect("a number") * 1024
}
