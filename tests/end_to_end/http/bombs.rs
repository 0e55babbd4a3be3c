//! What one org has compiled is not felt by another, and is not held against itself afterwards.

use crate::compiling::{Seen, nested_loops};
use crate::http::neighbours::{ROUNDS, WORST, call, round};
use crate::http::small::{published, quick, text};
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_tests::holds_within;
use tollgate_tests::server::{Server, WASM};

/// Far more than ten seconds of processor time, of 60 that a compilation has.
const LOOPS: usize = 20_000;
/// A compilation has two minutes, and nine times as many to wait for a busy machine.
const JUDGED: Duration = Duration::from_secs(21 * 60);

#[test]
fn a_bomb_is_compiled_while_another_org_calls_and_its_sender_goes_on_afterwards() {
    let machine = crate::MACHINE.blocking_lock();
    let server = Server::start();
    let (noisy, quiet) = (server.org("noisy"), server.org("quiet"));
    let markdown = quiet.published("markdown");
    // What is loaded once is not what is measured.
    call(&quiet, &markdown, 0);
    let bomb = nested_loops(LOOPS);
    let made = noisy.send("POST", "/v1/artifacts?name=bomb", WASM, &bomb);
    let id = text(&made.expect(201), "id");
    let path = format!("/v1/artifacts/{id}/draft/validation");
    noisy.send("POST", &path, &[], b"").expect(202);
    Seen::below(server.id());
    // Other tests make noise, too: a server that lets compiling be felt does so in every round.
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round(&quiet, &markdown)).collect();
    let status = noisy.get(&path).expect(200)["status"].clone();
    assert_eq!(status, "PENDING", "it was not compiled throughout");
    drop(machine);
    eprintln!("median and worst of calls beside a compilation: {rounds:?}");
    assert!(rounds.iter().any(|(_, worst)| *worst < WORST), "{rounds:?}");

    let mut verdict = Value::Null;
    let is_judged = holds_within(JUDGED, || {
        verdict = noisy.get(&path).expect(200);
        verdict["status"] != "PENDING"
    });
    assert!(is_judged, "the bomb was not judged");
    let is_named = verdict["violations"][0]["code"] == "compile_budget";
    assert!(verdict["status"] == "ADMITTED" || is_named, "{verdict}");
    server.caller("").get("/healthz").expect(200);
    let honest = published(&noisy, &quick("honest", "1.0.0"));
    let answer = noisy.run(&honest, &json!({"input": null}));
    assert_eq!(answer.expect(200)["output"], "");
}
