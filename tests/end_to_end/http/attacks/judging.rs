//! A draft whose judging ends the server is not judged for ever.

use crate::compiling::{Seen, nested_loops};
use crate::http::small::text;
use std::time::Duration;
use tollgate_tests::holds_within;
use tollgate_tests::server::{Server, WASM};

/// A compilation that is still under way when the server is killed.
const LOOPS: usize = 20_000;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_draft_whose_judging_died_twice_is_rejected() {
    let _machine = crate::MACHINE.blocking_lock();
    let mut server = Server::start();
    let seller = server.org("seller");
    let made = seller.send(
        "POST",
        "/v1/artifacts?name=deadly",
        WASM,
        &nested_loops(LOOPS),
    );
    let id = text(&made.expect(201), "id");
    let path = format!("/v1/artifacts/{id}/draft/validation");
    seller.send("POST", &path, &[], b"").expect(202);
    for _ in 0..2 {
        Seen::below(server.id());
        server = Server::start_in(server.kill(), &[]);
    }
    let seller = server.caller(&seller.key);
    let mut verdict = seller.get(&path).expect(200);
    let is_judged = holds_within(PATIENCE, || {
        verdict = seller.get(&path).expect(200);
        verdict["status"] != "PENDING"
    });
    assert!(is_judged && verdict["status"] == "REJECTED", "{verdict}");
    assert_eq!(
        verdict["violations"][0]["code"], "check_failed",
        "{verdict}"
    );
    // A server that ends on purpose does not count.
    let made = seller.send(
        "POST",
        "/v1/artifacts?name=slow",
        WASM,
        &nested_loops(LOOPS),
    );
    let id = text(&made.expect(201), "id");
    let path = format!("/v1/artifacts/{id}/draft/validation");
    seller.send("POST", &path, &[], b"").expect(202);
    for _ in 0..3 {
        Seen::below(server.id());
        server.signal("TERM");
        assert_eq!(server.exit_within(PATIENCE), Some(0), "{}", server.log());
        server = Server::start_in(server.folder(), &[]);
    }
    Seen::below(server.id());
    let status = server.caller(&seller.key).get(&path).expect(200);
    assert_eq!(status["status"], "PENDING", "{status}");
}
