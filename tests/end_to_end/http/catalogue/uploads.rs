//! Uploads that are no tool, and drafts that no verdict admits.

use crate::bytes::{MODULE, section};
use crate::http::rows::{BAD_REQUEST, NOT_VALIDATED, UNPROCESSABLE};
use crate::http::small::{admitted, quick, rejected, text, uploaded};
use serde_json::json;
use tollgate_tests::server::{JSON, Server, WASM};

/// A label, a path, headers, a body, and the violation it is refused for.
type Sent<'a> = (
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a [u8],
    &'a str,
);

#[test]
fn what_is_no_tool_at_all_is_refused_at_once_with_the_reason() {
    let server = Server::start();
    let seller = server.org("seller");
    let half = quick("half", "1.0.0");
    let half = &half[..half.len() / 2];
    let rows: &[(&str, &[u8], &str)] = &[
        (
            "an ELF program",
            b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0",
            "format_unknown",
        ),
        (
            "a web page",
            b"<!DOCTYPE html><html><body>404</body></html>",
            "format_unknown",
        ),
        (
            "a ZIP archive",
            b"PK\x03\x04\x14\0\0\0\x08\0",
            "format_unknown",
        ),
        ("gzip", b"\x1f\x8b\x08\0\0\0\0\0", "format_unknown"),
        ("nothing", b"", "file_empty"),
        ("seven bytes", &MODULE[..7], "format_unknown"),
        ("half of a tool", half, "format_malformed"),
        (
            "a header of another version",
            b"\0asm\x02\0\0\0",
            "format_unknown",
        ),
        ("WebAssembly text", b"(module)", "format_unknown"),
    ];
    for (label, bytes, violation) in rows {
        let answer = seller.send("POST", "/v1/artifacts?name=tool", WASM, bytes);
        BAD_REQUEST.is_for(violation, label, answer);
    }
    let listed = seller.get("/v1/artifacts?mine=true").expect(200);
    assert_eq!(listed["items"], json!([]), "something was kept");
}

/// Where sections begin and end can be read: what is in them takes longer than a sender waits.
#[test]
fn what_is_no_tool_though_it_can_be_read_is_refused_by_its_verdict() {
    let server = Server::start();
    let seller = server.org("seller");
    let unknown = [MODULE, &section(99, &[0])].concat();
    let made = seller.send("POST", "/v1/artifacts?name=tool", WASM, &unknown);
    let verdict = seller.validate(&text(&made.expect(201), "id"));
    assert_eq!(verdict["status"], "REJECTED", "{verdict}");
    let first = &verdict["violations"][0];
    assert_eq!(first["code"], "format_malformed", "{verdict}");
}

#[test]
fn an_upload_says_its_name_once_and_its_content_type() {
    let server = Server::start();
    let seller = server.org("seller");
    let (named, unnamed) = (
        quick("named", "1.0.0"),
        tollgate_tests::wat_bytes("(module)"),
    );
    let rows: &[Sent<'_>] = &[
        ("no name", "/v1/artifacts", WASM, &unnamed, "name_missing"),
        (
            "two names",
            "/v1/artifacts?name=other",
            WASM,
            &named,
            "query_invalid",
        ),
        (
            "a bad name",
            "/v1/artifacts?name=Bad%20Name",
            WASM,
            &unnamed,
            "query_invalid",
        ),
        (
            "an empty name",
            "/v1/artifacts?name=",
            WASM,
            &unnamed,
            "query_invalid",
        ),
        (
            "JSON",
            "/v1/artifacts?name=named",
            JSON,
            &named,
            "content_type",
        ),
        (
            "no content type",
            "/v1/artifacts?name=named",
            &[],
            &named,
            "content_type",
        ),
    ];
    for (label, path, headers, bytes, violation) in rows {
        let answer = seller.send("POST", path, headers, bytes);
        BAD_REQUEST.is_for(violation, label, answer);
    }
    let id = admitted(&seller, &named);
    let draft = format!("/v1/artifacts/{id}/draft");
    seller.delete(&draft).expect(204);
    let answer = seller.send("POST", &draft, WASM, &quick("renamed", "1.0.0"));
    UNPROCESSABLE.is_for("name_changed", "another name", answer);
}

#[test]
fn what_no_verdict_admits_is_neither_run_nor_published() {
    let server = Server::start();
    let seller = server.org("seller");
    let (unasked, refused) = (
        uploaded(&seller, &quick("unasked", "1.0.0")),
        uploaded(&seller, &rejected("refused")),
    );
    let verdict = seller.validate(&refused);
    assert_eq!(verdict["status"], "REJECTED", "{verdict}");
    assert_eq!(
        verdict["violations"][0]["code"], "import_unknown",
        "{verdict}"
    );
    for call in ["run", "draft/run", "publish"] {
        let body = match call {
            "publish" => json!({}),
            _ => json!({"input": null}),
        };
        let path = |id: &str| format!("/v1/artifacts/{id}/{call}");
        let answer = seller.post(&path(&unasked), &body);
        NOT_VALIDATED.is_for("validation_missing", call, answer);
        let said = NOT_VALIDATED.is(call, seller.post(&path(&refused), &body));
        assert_eq!(said["violations"], verdict["violations"], "{call}");
    }
    let path = format!("/v1/artifacts/{unasked}/draft/validation");
    NOT_VALIDATED.is_for("validation_missing", "the verdict", seller.get(&path));
}
