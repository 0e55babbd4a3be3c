//! Answers that nobody reads.

use super::rows::AT_CAPACITY;
use super::small::{manifest, published, quick};
use serde_json::json;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;
use tollgate_tests::server::{Caller, Server};
use tollgate_tests::{holds_within, packed};

/// More than the kernel takes of an answer that nobody reads.
const TEXT_BYTES: usize = 8_000_000;

/// Gives a long text.
fn talker(name: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (core module $guest
            (memory (export "memory") 130)
            (func (export "talk") (result i32)
              (memory.fill (i32.const 65536) (i32.const 97) (i32.const {TEXT_BYTES}))
              (i32.store (i32.const 0) (i32.const 65536))
              (i32.store (i32.const 4) (i32.const {TEXT_BYTES}))
              (i32.const 0)))
          (core instance $guest (instantiate $guest))
          (func (export "talk") (result string) (canon lift (core func $guest "talk") (memory $guest "memory"))))"#
    );
    packed(&text, &manifest(name, "1.0.0"))
}

/// Asks for a run and reads nothing.
fn asked(server: &Server, caller: &Caller, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    let body = r#"{"input": {}}"#;
    let request = format!(
        "POST /v1/artifacts/{id}/run HTTP/1.1\r\nhost: localhost\r\nx-api-key: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        caller.key,
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("sent");
    stream
}

#[test]
fn an_org_that_reads_none_of_its_answers_is_refused_more_and_its_neighbour_is_not() {
    let server = Server::start_with(&[
        ("TOLLGATE_LIMITS__OUTPUT_BYTES", "8388608"),
        // An org has half of it: four such answers, and what is asked for until they are there.
        ("TOLLGATE_PROCESS__HOST_BUFFER_BYTES", "67108864"),
    ]);
    let (silent, other) = (server.org("silent"), server.org("other"));
    let talker = published(&silent, &talker("talker"));
    let quick = published(&other, &quick("quick", "1.0.0"));
    for _ in 0..8 {
        let answer = silent.run(&talker, &json!({"input": {}})).expect(200);
        let text = answer["output"].as_str().expect("a text");
        assert_eq!(text.len(), TEXT_BYTES, "what is read is counted no more");
    }
    let unread: Vec<_> = (0..8).map(|_| asked(&server, &silent, &talker)).collect();
    let mut answer = silent.get("/v1/artifacts");
    let is_refused = holds_within(Duration::from_secs(30), || {
        answer = silent.get("/v1/artifacts");
        answer.status != 200
    });
    assert!(is_refused, "{answer:?}");
    AT_CAPACITY.is("answers that nobody reads", answer.clone());
    let hint = answer.body["hint"].as_str().expect("a hint");
    assert!(hint.contains("read them"), "{hint}");
    AT_CAPACITY.is("a run", silent.run(&talker, &json!({"input": {}})));
    other.run(&quick, &json!({"input": null})).expect(200);
    drop(unread);
    let goes_on = holds_within(Duration::from_secs(30), || {
        silent.get("/v1/artifacts").status == 200
    });
    assert!(goes_on, "{}", server.log());
    silent.run(&talker, &json!({"input": {}})).expect(200);
}
