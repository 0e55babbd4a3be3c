//! A server ends in order, has its folder for itself, and finds what it had queued.

use crate::guests;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tollgate_tests::server::{Caller, JSON, Server, files_below, refused_start};
use tollgate_tests::{holds_within, packed};

const PATIENCE: Duration = Duration::from_secs(60);

/// Starts a run that is listed while it runs, and waits for its answer.
fn run_listed(caller: &Caller, tool: &str, key: &str, timeout_ms: u32) -> u16 {
    let path = format!("/v1/artifacts/{tool}/run");
    let input = if key.starts_with("spin") {
        json!({})
    } else {
        Value::Null
    };
    let body = json!({"input": input, "timeout_ms": timeout_ms}).to_string();
    let headers = [JSON[0], ("idempotency-key", key)];
    caller.send("POST", &path, &headers, body.as_bytes()).status
}

fn running(caller: &Caller) -> usize {
    let listed = caller.get("/v1/runs?status=RUNNING&limit=100").expect(200);
    listed["items"].as_array().expect("items").len()
}

#[test]
fn a_server_told_to_stop_answers_what_is_under_way_and_ends_well() {
    let mut server = Server::start();
    let caller = server.org("stopped");
    let slow = ["sleep-hour", "spin"].map(|name| (name, caller.published(name)));
    let markdown = caller.published("markdown");
    let is_told = AtomicBool::new(false);
    let took = std::thread::scope(|scope| {
        let slow: Vec<_> = (0..8)
            .map(|number| {
                let (name, tool) = &slow[number % 2];
                let (caller, key) = (&caller, format!("{name}-{number}"));
                scope.spawn(move || run_listed(caller, tool, &key, 3000))
            })
            .collect();
        let quick: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| ask_until_refused(&caller, &markdown, &is_told)))
            .collect();
        let is_loaded = holds_within(PATIENCE, || running(&caller) == slow.len());
        assert!(is_loaded, "{} run", running(&caller));
        is_told.store(true, Ordering::SeqCst);
        server.signal("TERM");
        let told_at = Instant::now();
        assert_eq!(server.exit_within(PATIENCE), Some(0), "{}", server.log());
        let took = told_at.elapsed();
        for run in slow {
            assert_eq!(run.join().expect("an answer"), 504);
        }
        for quick in quick {
            assert!(quick.join().expect("answers") > 0);
        }
        took
    });
    assert!(took < Duration::from_secs(35), "it ended in {took:?}");
    eprintln!("told to stop under load, it ended in {took:?}");
    let server = Server::start_in(server.folder(), &[]);
    let caller = server.caller(&caller.key);
    let timed_out = caller.get("/v1/runs?status=TIMED_OUT").expect(200);
    assert_eq!(timed_out["items"].as_array().map(Vec::len), Some(8));
}

/// How many were answered 200. Nothing is refused, and no connection breaks, before the server is told to stop.
fn ask_until_refused(caller: &Caller, tool: &str, is_told: &AtomicBool) -> usize {
    let path = format!("/v1/artifacts/{tool}/run");
    let body = json!({"input": {"markdown": "# quick"}}).to_string();
    for answered in 0.. {
        match caller.try_send("POST", &path, JSON, body.as_bytes()) {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => {
                assert_eq!(answer.status, 503, "{}", answer.body);
                assert!(is_told.load(Ordering::SeqCst), "{}", answer.body);
                return answered;
            }
            Err(error) => {
                assert!(is_told.load(Ordering::SeqCst), "{error}");
                return answered;
            }
        }
    }
    0
}

#[test]
fn a_second_server_on_a_folder_refuses_to_start_and_names_it() {
    let server = Server::start();
    let data = server.data();
    let data = data.to_str().expect("UTF-8");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data", data];
    let second = refused_start(&arguments, &[]);
    assert_eq!(second.code, Some(2), "{second:?}");
    assert!(second.stderr.contains(data), "{second:?}");
    assert!(second.stderr.contains("in use"), "{second:?}");
    server.caller("").get("/readyz").expect(200);
    let folder = server.kill();
    let third = Server::start_in(folder, &[]);
    third.caller("").get("/readyz").expect(200);
}

#[test]
fn queued_runs_are_run_by_the_next_server() {
    let one_at_once = [("TOLLGATE_ASYNC_RUNS", "1")];
    let server = Server::start_with(&one_at_once);
    let caller = server.org("patient");
    let slow = caller.published("sleep-hour");
    let markdown = caller.published("markdown");
    let first = queue(&caller, &slow, &json!({"input": null}));
    let is_running = |caller: &Caller| {
        let run = caller.get(&format!("/v1/runs/{first}")).expect(200);
        run["status"] == "RUNNING"
    };
    assert!(holds_within(PATIENCE, || is_running(&caller)));
    let behind: Vec<_> = (0..5)
        .map(|number| {
            let markdown_text = format!("# {number}");
            let body = json!({"input": {"markdown": markdown_text}});
            queue(&caller, &markdown, &body)
        })
        .collect();
    for run in &behind {
        let run = caller.get(&format!("/v1/runs/{run}")).expect(200);
        assert_eq!(run["status"], "QUEUED", "{run}");
    }
    assert!(is_running(&caller));

    let server = Server::start_in(server.kill(), &one_at_once);
    let caller = server.caller(&caller.key);
    for (number, run) in behind.iter().enumerate() {
        let ended = super::ended(&caller, run);
        assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
        assert_eq!(ended["output"], format!("<h1>{number}</h1>\n"));
    }
    let lost = super::ended(&caller, &first);
    assert_eq!(
        (&lost["status"], &lost["failure"]["kind"], &lost["charged"]),
        (&json!("FAILED"), &json!("lost"), &json!(0))
    );
}

/// Makes a file, and waits.
const LITTERS: &str = "(drop (call $open (i32.const 97))) (call $sleep (i32.const 3600000))";

#[test]
fn what_a_killed_server_left_in_scratch_is_removed_by_the_next() {
    let server = Server::start();
    let caller = server.org("litters");
    let manifest = "name = \"litters\"\nversion = \"1.0.0\"\ndescription = \"Litters\"";
    let tool = caller.publish(&packed(&guests::command(LITTERS), manifest));
    for _ in 0..3 {
        queue(&caller, &tool, &json!({"input": null}));
    }
    let scratch = server.data().join("scratch");
    let folders = || {
        let folders = std::fs::read_dir(&scratch).expect("a folder").flatten();
        folders.map(|it| it.path()).collect::<Vec<_>>()
    };
    let [left] = &folders()[..] else {
        panic!("one folder for the server: {:?}", folders());
    };
    let litter = || {
        files_below(left)
            .iter()
            .filter(|(file, _)| file.ends_with("a"))
            .count()
    };
    assert!(
        holds_within(PATIENCE, || litter() == 3),
        "{:?}",
        files_below(left)
    );
    let folder = server.kill();
    assert_eq!(litter(), 3, "nobody was there to remove it");
    let _server = Server::start_in(folder, &[]);
    assert!(!left.exists() && folders().len() <= 1, "{:?}", folders());
}

fn queue(caller: &Caller, tool: &str, body: &Value) -> String {
    let path = format!("/v1/artifacts/{tool}/run");
    let headers = [JSON[0], ("prefer", "respond-async")];
    let body = body.to_string();
    let queued = caller.send("POST", &path, &headers, body.as_bytes());
    queued.expect(202)["run_id"]
        .as_str()
        .expect("an id")
        .to_owned()
}
