//! Where in its source a tool went wrong, from sections of debugging that mean no good.

use super::small::{manifest, published, text};
use crate::dwarf::{NO_NAME, files};
use serde_json::json;
use std::fs;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tollgate_tests::server::Server;
use tollgate_tests::{holds_within, packed};

/// As many as are read: they take some 100 MiB meanwhile.
const FILES: usize = 500_000;
const AT_ONCE: usize = 32;
/// An answer waits two seconds for it, on a machine that others use.
const READ: Duration = Duration::from_secs(30);
const KIB_MAX: u64 = 768 << 10;

#[test]
fn however_many_ask_at_once_a_server_takes_bounded_memory() {
    let _machine = crate::MACHINE.blocking_lock();
    let server = Server::start();
    let seller = Arc::new(server.org("seller"));
    let trapping = r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#;
    let wasm = packed(trapping, &manifest("large", "1.0.0"));
    let tool = published(&seller, &[wasm, files(FILES, NO_NAME)].concat());
    let failed = seller.run(&tool, &json!({"input": null}));
    let run = text(&failed.expect(502), "run_id");
    let path = format!("/v1/runs/{run}?source=true");
    let is_read = || seller.get(&path).expect(200)["failure"]["backtrace"][0]["line"].is_u64();
    assert!(holds_within(READ, is_read), "it is not read");

    let asking: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (seller, path) = (Arc::clone(&seller), path.clone());
            thread::spawn(move || seller.get(&path).expect(200))
        })
        .collect();
    for one in asking {
        // Those that waited too long get it without file and line.
        let record = one.join().expect("an answer");
        assert_eq!(record["failure"]["kind"], "trap", "{record}");
    }
    let failures = format!("/v1/artifacts/{tool}/failures?source=true");
    let is_read = || {
        let listed = seller.get(&failures).expect(200);
        listed["items"][0]["failure"]["backtrace"][0]["line"].is_u64()
    };
    assert!(holds_within(READ, is_read), "it is not read in a list");
    let peak = peak_kib(server.id());
    assert!(peak < KIB_MAX, "the server took {peak} KiB");
}

/// The most that was resident of a process.
fn peak_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("/proc");
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let number = line.and_then(|it| it.trim().strip_suffix(" kB"));
    number.expect("VmHWM").trim().parse().expect("a number")
}
