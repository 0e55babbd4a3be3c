//! A disk that is full, and a database that somebody else has locked: nothing runs whose record cannot be written.

use crate::http::rows::AT_CAPACITY;
use crate::http::small::{published, sleeper, text};
use rusqlite::Connection;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tollgate_tests::holds_within;
use tollgate_tests::server::{Caller, Server};

/// A run that sleeps as long is seen to have run.
const SLEEP_MS: u64 = 1500;
/// The longest time of a refusal. Other tests make noise, so the quickest of five counts.
const AT_ONCE: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// A file system of its own, unmounted when it is dropped.
struct SmallDisk<'p>(&'p Path);

impl<'p> SmallDisk<'p> {
    /// `None` where nothing can be mounted here.
    fn mount(folder: &'p Path) -> Option<Self> {
        fs::create_dir_all(folder).expect("a folder");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=40m", "tmpfs"])
            .arg(folder);
        let is_mounted = mount.status().is_ok_and(|it| it.success());
        is_mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn sleeps(caller: &Caller, tool: &str) -> (tollgate_tests::server::Answer, Duration) {
    let began = Instant::now();
    let answer = caller.run(tool, &json!({"input": SLEEP_MS}));
    (answer, began.elapsed())
}

/// Nothing ran, and nobody waited.
fn is_refused_at_once(caller: &Caller, tool: &str) {
    let times = (0..5).map(|_| {
        let (answer, took) = sleeps(caller, tool);
        AT_CAPACITY.is("refused", answer);
        assert!(took < Duration::from_millis(SLEEP_MS), "it ran: {took:?}");
        took
    });
    let quickest = times.min().expect("some");
    assert!(quickest < AT_ONCE, "{quickest:?}");
    assert_eq!(caller.get("/readyz").status, 503);
    caller.get("/healthz").expect(200);
    caller.get("/v1/runs").expect(200);
}

fn goes_on(caller: &Caller, tool: &str) {
    let is_good = holds_within(PATIENCE, || caller.get("/readyz").status == 200);
    assert!(is_good, "it never took writes again");
    sleeps(caller, tool).0.expect(200);
}

#[test]
fn on_a_full_disk_nothing_runs_until_there_is_room() {
    let folder = Arc::new(TempDir::new().expect("a folder"));
    let data = folder.path().join("data");
    let Some(disk) = SmallDisk::mount(&data) else {
        eprintln!("SKIP: no file system can be mounted here: a full disk is not tried");
        return;
    };
    let mut server = Server::start_in(Arc::clone(&folder), &[]);
    let caller = server.org("caller");
    let tool = published(&caller, &sleeper("sleeper"));
    sleeps(&caller, &tool).0.expect(200);
    // Whatever is left.
    let filler = data.join("filler");
    let mut dd = Command::new("dd");
    dd.args(["if=/dev/zero", "bs=4096"])
        .arg(format!("of={}", filler.display()));
    assert!(dd.stderr(std::process::Stdio::null()).status().is_ok());
    // The log of the database has some room left, perhaps.
    let is_refusing = holds_within(PATIENCE, || {
        let headers = [
            ("content-type", "application/json"),
            ("prefer", "respond-async"),
        ];
        let path = format!("/v1/artifacts/{tool}/run");
        let body = json!({"input": 0, "external_id": "x".repeat(200)}).to_string();
        caller.send("POST", &path, &headers, body.as_bytes()).status == 503
    });
    assert!(is_refusing, "it took everything");
    is_refused_at_once(&caller, &tool);
    fs::remove_file(&filler).expect("removed");
    goes_on(&caller, &tool);
    server.signal("TERM");
    assert_eq!(server.exit_within(PATIENCE), Some(0), "{}", server.log());
    drop(disk);
}

#[test]
fn beside_a_lock_a_run_that_ended_says_so_and_others_do_not_start() {
    let _machine = crate::MACHINE.blocking_lock();
    let server = Server::start();
    let (seller, buyer) = (server.org("seller"), server.org_with("buyer", 100));
    let paid = tollgate_tests::packed(
        &crate::guests::sleeps(),
        "name = \"sleeper\"\nversion = \"1.0.0\"\nprice = 7\n",
    );
    let tool = published(&seller, &paid);
    buyer.subscribe(&tool);
    sleeps(&buyer, &tool).0.expect(200);
    let database = fs::read_dir(server.data()).expect("a folder");
    let database = database.flatten().map(|it| it.path());
    let database = database.filter(|it| {
        it.extension()
            .is_some_and(|it| it == "db" || it == "sqlite")
    });
    let database = database.last().expect("a database");
    let lock = Connection::open(database).expect("a connection");
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock");
    let (unrecorded, took) = sleeps(&buyer, &tool);
    let body = unrecorded.expect(503);
    assert!(text(&body, "hint").contains("was not charged"), "{body}");
    assert_eq!(
        (&body["charged"], &body["retryable"]),
        (&json!(0), &json!(false)),
        "{body}"
    );
    assert!(took > Duration::from_millis(SLEEP_MS));
    is_refused_at_once(&buyer, &tool);
    lock.execute_batch("ROLLBACK").expect("released");
    drop(lock);
    goes_on(&buyer, &tool);
    assert_eq!(buyer.get("/v1/wallet").expect(200)["posted"], 100 - 2 * 7);
}
