//! Bodies that are begun and not ended, by one org.

use crate::http::bodies::raw::head;
use crate::http::small::{published, quick, sleeper, text};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use tollgate_tests::holds_within;
use tollgate_tests::server::{JSON, Server};

/// What one org may hold is half of this.
const BODY_BYTES: &str = "134217728";
const SPANS_BYTES: usize = 4 << 20;
/// Far more than half of the room together, and some that are small.
const LARGE: usize = 40;
const SMALL: usize = 64;
/// The limit for all addresses together. Each address has half of it.
const CONNECTIONS: u8 = 32;
const SILENT: usize = 64;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn unfinished_bodies_of_one_org_leave_the_others_their_room() {
    let _machine = crate::MACHINE.blocking_lock();
    let server = Server::start_with(&[("TOLLGATE_BODY_BYTES", BODY_BYTES)]);
    let (noisy, quiet) = (server.org("noisy"), server.org("quiet"));
    let tool = published(&noisy, &sleeper("sleeper"));
    let honest = published(&quiet, &quick("quick", "1.0.0"));
    let headers = [JSON[0], ("prefer", "respond-async")];
    let path = format!("/v1/artifacts/{tool}/run");
    let run = noisy.send("POST", &path, &headers, br#"{"input": 25000}"#);
    let run = text(&run.expect(202), "run_id");
    let is_running = || noisy.get(&format!("/v1/runs/{run}")).expect(200)["status"] == "RUNNING";
    assert!(holds_within(PATIENCE, is_running));
    let spans = format!("/v1/runs/{run}/spans");
    let begun = |path: &str, length: usize| {
        let mut stream = TcpStream::connect(server.address).expect("a connection");
        let patience = Some(Duration::from_millis(300));
        stream.set_write_timeout(patience).expect("a timeout");
        let head = head("POST", path, &noisy, "application/json");
        let head = format!("{head}content-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("sent");
        // All but the last byte; the server stops reading where the org has its share.
        let _ = stream.write_all(&vec![b' '; length - 1]);
        stream
    };
    let held: Vec<_> = (0..LARGE)
        .map(|_| begun(&spans, SPANS_BYTES))
        .chain((0..SMALL).map(|_| begun("/v1/keys", 60_000)))
        .collect();
    for _ in 0..5 {
        let began = Instant::now();
        let body = json!({"input": null, "external_id": "x".repeat(200)});
        quiet.run(&honest, &body).expect(200);
        assert!(
            began.elapsed() < Duration::from_secs(2),
            "{:?}",
            began.elapsed()
        );
    }
    // The share is full: the server refuses the bodies above it and waits for the others.
    let refused: Vec<_> = held.into_iter().filter_map(answered).collect();
    let count = refused.len();
    assert!((1..LARGE + SMALL).contains(&count), "{count} are refused");
    let is_refusal = |line: &String| line.starts_with("HTTP/1.1 503");
    assert!(refused.iter().all(is_refusal), "{refused:?}");
}

/// The status line of the answer, if there is one by now.
fn answered(stream: TcpStream) -> Option<String> {
    let patience = Some(Duration::from_millis(10));
    stream.set_read_timeout(patience).expect("a timeout");
    let mut line = String::new();
    let read = BufReader::new(stream).read_line(&mut line);
    read.is_ok_and(|bytes| bytes > 0).then_some(line)
}

/// Sockets of one machine that say nothing.
#[test]
fn silent_connections_of_one_address_leave_the_others_their_places() {
    let server = Server::start_with(&[
        ("TOLLGATE_CONNECTIONS", &CONNECTIONS.to_string()),
        ("TOLLGATE_HEADER_TIMEOUT_MS", "60000"),
    ]);
    let caller = server.org("an org");
    let tokio = tokio::runtime::Runtime::new().expect("a runtime");
    let silent = |_| {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        // Another loopback address is another machine, as far as the server knows.
        socket
            .bind("127.0.0.2:0".parse().expect("an address"))
            .expect("bound");
        tokio
            .block_on(socket.connect(server.address))
            .expect("a connection")
    };
    let held: Vec<_> = (0..SILENT).map(silent).collect();
    for _ in 0..5 {
        caller.get("/v1/artifacts").expect(200);
    }
    // The server has closed the address's other connections.
    let open = || {
        let is_open = |it: &&tokio::net::TcpStream| {
            let mut answer = [0; 4096];
            while it.try_read(&mut answer).is_ok_and(|read| read > 0) {}
            let again = it.try_read(&mut answer);
            again.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        };
        held.iter().filter(is_open).count()
    };
    let share = usize::from(CONNECTIONS / 2);
    assert!(
        holds_within(PATIENCE, || open() == share),
        "{} are open",
        open()
    );
}
