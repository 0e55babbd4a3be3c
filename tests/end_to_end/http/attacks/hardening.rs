//! What a server gives up before it serves, as the kernel says it.

use crate::compiling::{Seen, nested_loops};
use crate::http::small::{published, quick};
use serde_json::json;
use std::fs;
use tollgate_tests::server::{Server, WASM};

const MASTER: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const OPERATOR: &str = "tg_0123456789abcdefghijklmnopqrstuv";

fn status(pid: u32, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let line = status.lines().find(|line| line.starts_with(field));
    let line = line.unwrap_or_else(|| panic!("no {field}:\n{status}"));
    line[field.len()..]
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

#[test]
fn a_server_and_its_compile_children_have_given_up_what_they_do_not_need() {
    let _machine = crate::MACHINE.blocking_lock();
    let server = Server::start_with(&[
        ("TOLLGATE_MASTER_KEY", MASTER),
        ("TOLLGATE_OPERATOR_KEY", OPERATOR),
    ]);
    let operator = server.caller(OPERATOR);
    operator.get("/v1/artifacts").expect(200);
    let pid = server.id();
    assert_eq!(status(pid, "NoNewPrivs"), "1");
    assert_eq!(status(pid, "Seccomp"), "2");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it lives");
    let core = limits
        .lines()
        .find(|it| it.starts_with("Max core file size"));
    let core: Vec<_> = core
        .expect("a limit")
        .split_whitespace()
        .skip(4)
        .take(2)
        .collect();
    assert_eq!(core, ["0", "0"], "{limits}");
    let environment = fs::read(format!("/proc/{pid}/environ")).expect("root reads it");
    let environment = String::from_utf8_lossy(&environment);
    for secret in [MASTER, OPERATOR] {
        assert!(
            !environment.contains(secret),
            "a secret is still in the environment"
        );
    }
    let log = server.log();
    assert!(log.contains("hardening: no new privileges"), "{log}");
    let is_root = status(pid, "Uid").starts_with("0\t");
    assert_eq!(log.contains("the server runs as root"), is_root, "{log}");
    // It serves as before, and compiles.
    let tool = published(&operator, &quick("quick", "1.0.0"));
    operator.run(&tool, &json!({"input": null})).expect(200);
    let made = operator.send(
        "POST",
        "/v1/artifacts?name=slow",
        WASM,
        &nested_loops(20_000),
    );
    let id = made.expect(201)["id"].as_str().expect("an id").to_owned();
    operator
        .send(
            "POST",
            &format!("/v1/artifacts/{id}/draft/validation"),
            &[],
            b"",
        )
        .expect(202);
    let child = Seen::below(pid).id();
    let is_confined = tollgate_tests::holds_within(std::time::Duration::from_secs(20), || {
        // Two of its own beside the server's.
        status(child, "Seccomp_filters")
            .parse()
            .is_ok_and(|filters: u32| filters >= 3)
    });
    assert!(is_confined, "the compile child is not confined");
    if is_root {
        assert!(!status(child, "Uid").starts_with("0\t"), "it is root still");
        assert!(status(child, "Groups").is_empty(), "it has root's groups");
    }
    assert_eq!(status(child, "NoNewPrivs"), "1");
}

#[test]
fn a_server_that_is_not_to_confine_itself_says_so() {
    let server = Server::start_with(&[("TOLLGATE_HARDENING", "false")]);
    let log = server.log();
    assert!(log.contains("not confined (`hardening = false`)"), "{log}");
    assert_eq!(status(server.id(), "Seccomp"), "0");
    assert_eq!(status(server.id(), "NoNewPrivs"), "1");
}
