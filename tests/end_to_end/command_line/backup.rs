//! `tollgate backup`: of a server under load, and of what cannot be copied.

use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tollgate_tests::server::{Caller, Server, files_below};
use tollgate_tests::{Ended, holds_within, tollgate};

fn backup(out: &Path, data: &Path, more: &[&str]) -> Ended {
    let out = out.to_str().expect("a path");
    let data = data.to_str().expect("a path");
    tollgate(&[&["backup", out, "--data", data], more].concat())
}

fn folder() -> Arc<TempDir> {
    Arc::new(TempDir::new().expect("a folder"))
}

/// A server with a tool, a credential for it, and nothing else.
fn with_a_credential() -> (Server, Caller, String) {
    let server = Server::start();
    let caller = server.org("caller");
    let tool = caller.published("forecast");
    let entry = json!({"value": "a-secret-of-mine", "artifact_id": tool});
    caller
        .put("/v1/environment/OPENWEATHER_API_KEY", &entry)
        .expect(200);
    (server, caller, tool)
}

fn uses_its_credential(caller: &Caller, tool: &str) {
    let answer = caller.run(tool, &json!({"input": {"city": "Oslo"}}));
    assert_eq!(answer.expect(200)["output"]["key-characters"], 16);
}

/// What a caller was told.
#[derive(Default)]
struct Told {
    runs: Mutex<Vec<String>>,
    keys: Mutex<Vec<String>>,
    count: AtomicUsize,
}

impl Told {
    fn ask(&self, caller: &Caller, tool: &str) {
        let run = caller
            .run(tool, &json!({"input": {"city": "Oslo"}}))
            .expect(200);
        let run = run["run_id"].as_str().expect("an id").to_owned();
        let key = caller.post("/v1/keys", &json!({"name": "k", "scopes": ["run"]}));
        let key = key.expect(201)["key"].as_str().expect("a key").to_owned();
        self.runs.lock().expect("a list").push(run);
        self.keys.lock().expect("a list").push(key);
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

#[test]
fn everything_acknowledged_before_is_in_a_copy_that_a_server_starts_on() {
    let (server, caller, tool) = with_a_credential();
    let picture = caller
        .get(&format!("/v1/artifacts/{tool}/cover"))
        .expect(200);
    let (told, is_over) = (Arc::new(Told::default()), Arc::new(AtomicBool::new(false)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (told, is_over) = (Arc::clone(&told), Arc::clone(&is_over));
            let (caller, tool) = (caller.clone(), tool.clone());
            std::thread::spawn(move || {
                while !is_over.load(Ordering::Acquire) {
                    told.ask(&caller, &tool);
                }
            })
        })
        .collect();
    let count = || told.count.load(Ordering::Acquire);
    assert!(holds_within(Duration::from_secs(30), || count() >= 40));
    let runs = told.runs.lock().expect("a list").clone();
    let keys = told.keys.lock().expect("a list").clone();
    let copy = folder();
    let before = count();
    let ended = backup(&copy.path().join("data"), &server.data(), &[]);
    let during = count() - before;
    is_over.store(true, Ordering::Release);
    for thread in load {
        thread.join().expect("every request was answered well");
    }
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("The master key is in it"),
        "{ended:?}"
    );
    assert!(ended.stderr.is_empty(), "no terminal: {ended:?}");
    assert!(during > 0, "there was no load");
    caller.get("/readyz").expect(200);
    drop(server);

    let copied = Server::start_in(copy, &[]);
    assert!(copied.operator.is_none(), "it began anew");
    let caller = copied.caller(&caller.key);
    caller.get("/readyz").expect(200);
    assert!(runs.len() >= 40);
    for run in runs {
        let record = caller.get(&format!("/v1/runs/{run}")).expect(200);
        assert_eq!(record["status"], "SUCCEEDED", "{record}");
    }
    for key in keys {
        caller.with_key(&key).get("/v1/runs?limit=1").expect(200);
    }
    uses_its_credential(&caller, &tool);
    let shown = caller
        .get(&format!("/v1/artifacts/{tool}/cover"))
        .expect(200);
    assert_eq!(shown, picture);
}

#[test]
fn without_the_master_key_the_copy_says_so_and_needs_it() {
    let (server, caller, tool) = with_a_credential();
    let key = fs::read_to_string(server.data().join("master.key")).expect("a key");
    let copy = folder();
    let data = copy.path().join("data");
    // An empty folder that is there does as well.
    fs::create_dir(&data).expect("a folder");
    let ended = backup(&data, &server.data(), &["--without-master-key"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stdout.contains("The master key is NOT in it"),
        "{ended:?}"
    );
    for (path, bytes) in files_below(&data) {
        for secret in [key.trim(), "a-secret-of-mine"] {
            let is_there = bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes());
            assert!(!is_there, "a secret is in {}", path.display());
        }
    }
    drop(server);
    let copied = Server::start_in(Arc::clone(&copy), &[("TOLLGATE_MASTER_KEY", &key)]);
    uses_its_credential(&copied.caller(&caller.key), &tool);
    drop(copied);
    let path = data.to_str().expect("a path");
    let refused = tollgate(&["serve", "--listen", "127.0.0.1:0", "--data", path]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("the master key is not the one"),
        "{refused:?}"
    );
}

#[test]
fn what_cannot_be_copied_leaves_nothing_behind() {
    let (server, _, _) = with_a_credential();
    let (out, data) = (folder(), server.data());
    let refused = |label: &str, out: &Path, data: &Path, said: &str| {
        let ended = backup(out, data, &[]);
        assert_eq!(ended.code, Some(2), "{label}: {ended:?}");
        assert!(ended.stderr.contains(said), "{label}: {ended:?}");
        assert!(ended.stdout.is_empty(), "{label}: {ended:?}");
    };
    let copy = out.path().join("copy");
    let is_nothing = |label: &str| {
        let left = fs::read_dir(out.path()).expect("a folder").count();
        assert_eq!(left, 0, "{label}");
    };
    refused("no data", &copy, out.path(), "holds no data");
    refused(
        "no folder for it",
        &copy.join("deep"),
        &data,
        "No such file",
    );
    is_nothing("refused");
    refused("its own folder", &data, &data, "not an empty folder");

    fs::write(&copy, "mine").expect("a file");
    refused("a file", &copy, &data, "not an empty folder");
    assert_eq!(fs::read_to_string(&copy).expect("a file"), "mine");
    fs::remove_file(&copy).expect("removed");
    fs::create_dir(&copy).expect("a folder");
    fs::write(copy.join("mine"), "mine").expect("a file");
    refused("a full folder", &copy, &data, "not an empty folder");
    assert_eq!(files_below(&copy).len(), 1);
    fs::remove_dir_all(&copy).expect("removed");

    let tools = files_below(&data.join("tools"));
    let (tool, bytes) = tools.first().expect("a tool");
    for damage in [Some(b"another".as_slice()), None] {
        match damage {
            Some(damage) => fs::write(tool, damage).expect("a file"),
            None => fs::remove_file(tool).expect("removed"),
        }
        refused("a damaged tool", &copy, &data, "the tool sha256:");
        is_nothing("a damaged tool");
        fs::create_dir(&copy).expect("a folder");
        refused("into an empty folder", &copy, &data, "the tool sha256:");
        assert_eq!(fs::read_dir(&copy).expect("a folder").count(), 0);
        fs::remove_dir(&copy).expect("removed");
    }
    fs::write(tool, bytes).expect("a file");
    let ended = backup(&copy, &data, &[]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
}
