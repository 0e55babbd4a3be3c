//! 404: what is not there, each by its name.

use crate::http::rows::{
    ARTIFACT_NOT_FOUND, DRAFT_NOT_FOUND, KEY_NOT_FOUND, RELEASE_NOT_FOUND, RUN_NOT_FOUND, Row,
    SESSION_NOT_FOUND,
};
use crate::http::small::{admitted, publish, published, quick};
use serde_json::json;
use tollgate_tests::server::{JSON, Server};

#[test]
fn what_is_not_there_is_said_by_its_name() {
    let server = Server::start();
    let caller = server.org("caller");
    let id = published(&caller, &quick("quick", "1.0.0"));
    let own = format!("/v1/artifacts/{id}");
    let id_of = |kind: &str| format!("{kind}_06bqk8m0000000000000000000");
    let (run, key, release) = (id_of("run"), id_of("key"), id_of("rel"));
    let none = format!("/v1/artifacts/{}", id_of("art"));
    let session = format!("/v1/sessions/{}", id_of("ses"));
    let input = r#"{"input":null}"#;
    let release_id = format!(r#"{{"release_id":"{release}"}}"#);
    let rows: &[(&str, String, &str, Row)] = &[
        ("GET", none.clone(), "", ARTIFACT_NOT_FOUND),
        ("POST", format!("{none}/run"), input, ARTIFACT_NOT_FOUND),
        ("POST", format!("{none}/publish"), "", ARTIFACT_NOT_FOUND),
        ("DELETE", format!("{own}/draft"), "", DRAFT_NOT_FOUND),
        (
            "POST",
            format!("{own}/draft/validation"),
            "",
            DRAFT_NOT_FOUND,
        ),
        (
            "GET",
            format!("{own}/draft/validation"),
            "",
            DRAFT_NOT_FOUND,
        ),
        ("POST", format!("{own}/draft/run"), input, DRAFT_NOT_FOUND),
        ("POST", format!("{own}/publish"), "", DRAFT_NOT_FOUND),
        (
            "GET",
            format!("{own}/releases/{release}/log"),
            "",
            RELEASE_NOT_FOUND,
        ),
        (
            "GET",
            format!("{own}/releases/nonsense/log"),
            "",
            RELEASE_NOT_FOUND,
        ),
        (
            "POST",
            format!("{own}/rollback"),
            &release_id,
            RELEASE_NOT_FOUND,
        ),
        (
            "POST",
            format!("{own}/rollback"),
            r#"{"release_id":"x"}"#,
            RELEASE_NOT_FOUND,
        ),
        ("GET", format!("/v1/runs/{run}"), "", RUN_NOT_FOUND),
        ("GET", format!("/v1/runs/{run}/logs"), "", RUN_NOT_FOUND),
        ("GET", format!("/v1/runs/{run}/spans"), "", RUN_NOT_FOUND),
        (
            "POST",
            format!("/v1/runs/{run}/spans"),
            r#"{"spans":[]}"#,
            RUN_NOT_FOUND,
        ),
        ("POST", format!("/v1/runs/{run}/cancel"), "", RUN_NOT_FOUND),
        ("DELETE", format!("/v1/keys/{key}"), "", KEY_NOT_FOUND),
        ("POST", format!("/v1/keys/{key}/rotate"), "", KEY_NOT_FOUND),
        ("GET", session.clone(), "", SESSION_NOT_FOUND),
        ("GET", format!("{session}/runs"), "", SESSION_NOT_FOUND),
        ("DELETE", session, "", SESSION_NOT_FOUND),
    ];
    for (method, path, body, row) in rows {
        let headers = if body.is_empty() { &[][..] } else { JSON };
        let answer = caller.send(method, path, headers, body.as_bytes());
        row.is(&format!("{method} {path}"), answer);
    }
}

#[test]
fn a_release_is_found_through_its_own_artifact_only() {
    let server = Server::start();
    let (seller, other) = (server.org("seller"), server.org("other"));
    let ids = [
        admitted(&seller, &quick("one", "1.0.0")),
        admitted(&seller, &quick("two", "1.0.0")),
        admitted(&other, &quick("one", "1.0.0")),
    ];
    let releases = [
        publish(&seller, &ids[0]),
        publish(&seller, &ids[1]),
        publish(&other, &ids[2]),
    ];
    for (label, release) in [
        ("a neighbour's", &releases[1]),
        ("a stranger's", &releases[2]),
    ] {
        let own = format!("/v1/artifacts/{}", ids[0]);
        let log = seller.get(&format!("{own}/releases/{release}/log"));
        RELEASE_NOT_FOUND.is(label, log);
        let body = json!({"release_id": release});
        let rollback = seller.post(&format!("{own}/rollback"), &body);
        RELEASE_NOT_FOUND.is(label, rollback);
    }
    let own = format!("/v1/artifacts/{}/releases/{}/log", ids[0], releases[0]);
    seller.get(&own).expect(200);
}
