//! What a server has compiled is there when the next one starts.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;
use tollgate_tests::holds_within;
use tollgate_tests::server::{Caller, Server};

const PATIENCE: Duration = Duration::from_secs(30);

fn compilations(server: &Server) -> usize {
    server.log().matches("a tool was compiled").count()
}

fn refusals(server: &Server) -> usize {
    server.log().matches("is not what was kept").count()
}

fn files(server: &Server) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(server.data().join("compiled")) else {
        return Vec::new();
    };
    let files = entries.map(|entry| entry.expect("an entry").path());
    files
        .filter(|path| path.extension().is_some_and(|it| it == "compiled"))
        .collect()
}

fn markdown(caller: &Caller, tool: &str) {
    let body = json!({"input": {"markdown": "# kept"}});
    let answer = caller.run(tool, &body).expect(200);
    assert_eq!(answer["output"], Value::from("<h1>kept</h1>\n"));
}

#[test]
fn a_restart_compiles_nothing_and_a_damaged_file_is_compiled_again() {
    let server = Server::start();
    let caller = server.org("kept");
    let tool = caller.published("markdown");
    markdown(&caller, &tool);
    assert_eq!(compilations(&server), 1, "the verdict's is the runs'");
    let mode = |path: PathBuf| {
        let about = fs::metadata(path).expect("it is there");
        about.permissions().mode() & 0o777
    };
    let data = server.data();
    assert_eq!(mode(data.join("compiled")), 0o700);
    assert_eq!(mode(data.join("compiled.key")), 0o600);
    let file = files(&server).remove(0);
    assert_eq!(mode(file.clone()), 0o600);

    let server = Server::start_in(server.kill(), &[]);
    let caller = server.caller(&caller.key);
    markdown(&caller, &tool);
    assert_eq!((compilations(&server), refusals(&server)), (0, 0));

    let folder = server.kill();
    let mut bytes = fs::read(&file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).expect("written");
    let server = Server::start_in(folder, &[]);
    let caller = server.caller(&caller.key);
    markdown(&caller, &tool);
    markdown(&caller, &tool);
    assert_eq!((compilations(&server), refusals(&server)), (1, 1));

    let server = Server::start_in(server.kill(), &[]);
    let caller = server.caller(&caller.key);
    markdown(&caller, &tool);
    assert_eq!((compilations(&server), refusals(&server)), (0, 0));
}

#[test]
fn what_is_not_compiled_is_compiled_before_anybody_asks() {
    let server = Server::start();
    let caller = server.org("upgraded");
    let tools = ["markdown", "wordcount"].map(|name| caller.published(name));
    for _ in 0..3 {
        markdown(&caller, &tools[0]);
    }
    let folder = server.kill();
    fs::remove_dir_all(folder.path().join("data/compiled")).expect("ours");
    let server = Server::start_in(folder, &[]);
    assert!(holds_within(PATIENCE, || files(&server).len() == 2));
    assert!(holds_within(PATIENCE, || compilations(&server) == 2));
    let caller = server.caller(&caller.key);
    markdown(&caller, &tools[0]);
    assert_eq!(compilations(&server), 2);
    let server = Server::start_in(server.kill(), &[]);
    let caller = server.caller(&caller.key);
    markdown(&caller, &tools[0]);
    assert_eq!(compilations(&server), 0);
}

#[test]
fn a_folder_that_cannot_be_written_stops_no_run() {
    let server = Server::start();
    let caller = server.org("blocked");
    let tool = caller.published("markdown");
    let folder = server.kill();
    let compiled = folder.path().join("data/compiled");
    fs::remove_dir_all(&compiled).expect("ours");
    fs::write(&compiled, "a file where the folder belongs").expect("written");
    let server = Server::start_in(folder, &[]);
    let caller = server.caller(&caller.key);
    markdown(&caller, &tool);
    markdown(&caller, &tool);
    assert_eq!(compilations(&server), 1);
    let is_said = || server.log().contains("could not be kept");
    assert!(holds_within(PATIENCE, is_said), "{}", server.log());
}
