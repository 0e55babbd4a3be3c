//! Bodies: as large, as late and as crooked as a stranger can send them.

pub(super) mod raw;

use super::rows::{BAD_REQUEST, FILE_TOO_LARGE, INPUT_INVALID, REQUEST_TIMEOUT, violations};
use super::small::{published, quick, text};
use crate::bytes::leb;
use raw::{Chunks, answered, endless, head};
use tollgate_tests::server::{Caller, JSON, Server};

/// A part of a form: its name and its bytes.
type Part<'a> = (&'a str, &'a [u8]);

const TOOL_BYTES_MAX: usize = 20_971_520;
const JSON_BYTES_MAX: usize = 64 * 1024;

/// The tool with a custom section that makes it so large.
fn padded(wasm: &[u8], bytes: usize) -> Vec<u8> {
    let content = bytes - wasm.len() - 1 - leb(TOOL_BYTES_MAX - 1024).len();
    let mut padded = [wasm, &[0], &leb(content), &[3], b"pad"].concat();
    padded.resize(bytes, 0);
    padded
}

fn is_alive(caller: &Caller) {
    caller.get("/v1/artifacts").expect(200);
}

#[test]
fn a_tool_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    let server = Server::start();
    let seller = server.org("seller");
    let largest = padded(&quick("largest", "1.0.0"), TOOL_BYTES_MAX);
    let made = seller.upload(&largest).expect(201);
    assert_eq!(made["draft"]["size_bytes"], TOOL_BYTES_MAX, "{made}");
    let verdict = seller.validate(&text(&made, "id"));
    assert_eq!(verdict["status"], "ADMITTED", "{verdict}");
    let beyond = head("POST", "/v1/artifacts", &seller, "application/wasm");
    let beyond = format!("{beyond}content-length: {}\r\n\r\n", TOOL_BYTES_MAX + 1);
    let answer = answered(server.address, beyond.as_bytes());
    FILE_TOO_LARGE.is("said beforehand", answer);
    is_alive(&seller);
}

#[test]
fn json_of_exactly_its_limit_is_read_and_one_byte_more_is_not() {
    let server = Server::start();
    let caller = server.org("caller");
    let id = published(&caller, &quick("quick", "1.0.0"));
    let run = format!("/v1/artifacts/{id}/run");
    let run_bytes_max = 2 * 1024 * 1024 + 64 * 1024;
    let key = r#"{"name":"a","scopes":["run"]}"#;
    for (path, body, bytes_max, status) in [
        ("/v1/keys", key, JSON_BYTES_MAX, 201),
        (&run, r#"{"input":null}"#, run_bytes_max, 200),
    ] {
        let blanks = " ".repeat(bytes_max - body.len());
        let whole = format!("{blanks}{body}");
        caller
            .send("POST", path, JSON, whole.as_bytes())
            .expect(status);
        let request = head("POST", path, &caller, "application/json");
        let request = format!("{request}content-length: {}\r\n\r\n", bytes_max + 1);
        FILE_TOO_LARGE.is_for(
            "body_too_large",
            path,
            answered(server.address, request.as_bytes()),
        );
    }
}

#[test]
fn a_body_without_end_is_cut_at_its_limit() {
    let server = Server::start();
    let caller = server.org("caller");
    let id = published(&caller, &quick("quick", "1.0.0"));
    let run = format!("/v1/artifacts/{id}/run");
    // What stands between the two programs at most.
    let buffers = 16 << 20;
    for (path, content_type, bytes_max) in [
        ("/v1/artifacts", "application/wasm", TOOL_BYTES_MAX),
        (
            "/v1/artifacts",
            "multipart/form-data; boundary=b",
            TOOL_BYTES_MAX + (512 << 10),
        ),
        ("/v1/keys", "application/json", JSON_BYTES_MAX),
        (&run, "application/json", 3 << 20),
    ] {
        let head = head("POST", path, &caller, content_type);
        let Chunks { answer, sent } = endless(server.address, &head);
        FILE_TOO_LARGE.is(path, answer);
        assert!(
            sent < bytes_max + buffers,
            "{path}: {sent} bytes were taken"
        );
        is_alive(&caller);
    }
}

#[test]
fn a_body_that_stops_half_way_is_waited_for_and_then_refused() {
    let server = Server::start_with(&[("TOLLGATE_BODY_TIMEOUT_MS", "1000")]);
    let caller = server.org("caller");
    for (path, content_type, rest) in [
        (
            "/v1/keys",
            "application/json",
            "content-length: 100\r\n\r\n{\"name\":",
        ),
        (
            "/v1/keys",
            "application/json",
            "transfer-encoding: chunked\r\n\r\n8\r\n{\"name\":\r\n",
        ),
        (
            "/v1/keys",
            "application/json",
            "transfer-encoding: chunked\r\n\r\n8\r\n{\"na",
        ),
        (
            "/v1/artifacts",
            "application/wasm",
            "content-length: 100\r\n\r\n\0asm",
        ),
        (
            "/v1/artifacts",
            "application/wasm",
            "content-length: 100\r\n\r\n",
        ),
        (
            "/v1/keys",
            "application/json",
            "idempotency-key: k\r\ncontent-length: 100\r\n\r\n{",
        ),
    ] {
        let request = format!("{}{rest}", head("POST", path, &caller, content_type));
        let answer = answered(server.address, request.as_bytes());
        assert_eq!(answer.headers["connection"], "close", "{rest:?}");
        REQUEST_TIMEOUT.is(rest, answer);
    }
    is_alive(&caller);
}

#[test]
fn an_answer_that_leaves_the_body_unread_says_that_the_connection_closes() {
    let server = Server::start();
    let nobody = server.caller("");
    let head = head("POST", "/v1/keys", &nobody, "application/json");
    let answer = answered(
        server.address,
        format!("{head}content-length: 100\r\n\r\n").as_bytes(),
    );
    assert_eq!(answer.headers["connection"], "close");
    answer.expect(401);
}

#[test]
fn crooked_json_is_refused_and_the_server_goes_on() {
    let server = Server::start_with(&[("TOLLGATE_LIMITS__INPUT_BYTES", "8388608")]);
    let caller = server.org("caller");
    let id = published(&caller, &quick("quick", "1.0.0"));
    let run = format!("/v1/artifacts/{id}/run");
    let input = |value: &str| format!(r#"{{"input":{value}}}"#).into_bytes();
    let nested =
        |open: &str, close: &str| input(&(open.repeat(100_000) + "0" + &close.repeat(100_000)));
    let keys: Vec<_> = (0..1_000_000).map(|key| format!(r#""{key}":0"#)).collect();
    let twice: Vec<_> = (0..500_000)
        .map(|key| format!(r#""{}":0"#, key % 499_999))
        .collect();
    let refused: &[(&str, Vec<u8>)] = &[
        ("arrays, deep", nested("[", "]")),
        ("objects, deep", nested("{\"a\":", "}")),
        ("arrays, deep and open", input(&"[".repeat(100_000))),
        (
            "one of many keys twice",
            input(&format!("{{{}}}", twice.join(","))),
        ),
        ("invalid UTF-8", b"{\"input\":\"\xff\xfe\"}".to_vec()),
        ("half a surrogate", input(r#""\ud800""#)),
        ("a NUL", b"{\"input\":\"\0\"}".to_vec()),
        ("a number without end", input(&"-".repeat(1000))),
    ];
    for (label, body) in refused {
        let answer = caller.send("POST", &run, JSON, body);
        BAD_REQUEST.is_for("json_malformed", label, answer);
        is_alive(&caller);
    }
    let wide = input(&format!("{{{}}}", keys.join(",")));
    FILE_TOO_LARGE.is(
        "a million keys",
        caller.send("POST", "/v1/keys", JSON, &wide[..70_000]),
    );
    // 10 MB: more than an input may have, less than a body.
    let answer = caller.send("POST", &run, JSON, &wide);
    INPUT_INVALID.is("a million keys as input", answer);
    is_alive(&caller);
}

#[test]
fn a_form_brings_the_tool_and_its_manifest_and_nothing_else() {
    let server = Server::start();
    let seller = server.org("seller");
    let bare = tollgate_tests::wat_bytes(&crate::guests::command(""));
    let carrying = quick("carried", "1.0.0");
    let manifest = super::small::manifest("formed", "1.0.0").into_bytes();
    let send = |parts: &[Part<'_>]| {
        let mut body = Vec::new();
        for (name, bytes) in parts {
            let head = format!(
                "--b\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n"
            );
            body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
        }
        body.extend(b"--b--\r\n");
        let headers = [("content-type", "multipart/form-data; boundary=b")];
        seller.send("POST", "/v1/artifacts", &headers, &body)
    };
    let made = send(&[("wasm", &bare), ("manifest", &manifest)]).expect(201);
    assert_eq!(made["name"], "formed", "{made}");
    let verdict = seller.validate(&text(&made, "id"));
    assert_eq!(verdict["status"], "ADMITTED", "{verdict}");
    send(&[("wasm", &carrying)]).expect(201);
    let rows: &[(&str, &[Part<'_>], &str)] = &[
        (
            "two manifests, one inside",
            &[("wasm", &carrying), ("manifest", &manifest)],
            "manifest_duplicate",
        ),
        (
            "two manifests",
            &[
                ("wasm", &bare),
                ("manifest", &manifest),
                ("manifest", &manifest),
            ],
            "form_malformed",
        ),
        (
            "two tools",
            &[("wasm", &bare), ("wasm", &bare), ("manifest", &manifest)],
            "form_malformed",
        ),
        (
            "an unknown part",
            &[("wasm", &bare), ("manifest", &manifest), ("more", b"1")],
            "form_malformed",
        ),
        ("no tool", &[("manifest", &manifest)], "form_malformed"),
        ("nothing", &[], "form_malformed"),
        (
            "a manifest not UTF-8",
            &[("wasm", &bare), ("manifest", b"\xff")],
            "form_malformed",
        ),
        ("no manifest", &[("wasm", &bare)], "name_missing"),
    ];
    for (label, parts, violation) in rows {
        BAD_REQUEST.is_for(violation, label, send(parts));
    }
    for content_type in ["multipart/form-data", "multipart/form-data; boundary=other"] {
        let headers = [("content-type", content_type)];
        let answer = seller.send("POST", "/v1/artifacts", &headers, b"--b\r\n");
        BAD_REQUEST.is_for("form_malformed", content_type, answer);
    }
    let broken = send(&[("wasm", &bare), ("manifest", b"name = ")]);
    assert!(!violations(&BAD_REQUEST.is("a manifest that is no TOML", broken)).is_empty());
}
