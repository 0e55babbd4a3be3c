//! Small manifests that cost much to read, compare or carry out. The gate refuses each, and other orgs do not notice.

use crate::bytes::custom;
use crate::guests;
use crate::http::small::{published, text};
use serde_json::json;
use tollgate_tests::server::{Server, WASM};
use tollgate_tests::{tollgate, wat_bytes};

/// A tool with an unchecked manifest.
fn tool(manifest: &str) -> Vec<u8> {
    let section = custom("tollgate.manifest", manifest.as_bytes());
    [wat_bytes(&guests::command("")), section].concat()
}

const NAMED: &str = "name = \"hostile\"\nversion = \"1.0.0\"\n";

/// 4,900 levels: each of 70 inline tables has a key of 70 parts. A reader that recurses overflows its stack.
fn deep() -> String {
    let key = vec!["a"; 70].join(".");
    let open = format!("{key} = {{ ").repeat(70);
    format!("[[examples]]\ninput = {{ {open}{} }}\n", "}".repeat(70))
}

fn hosts(count: usize) -> String {
    let hosts: Vec<_> = (0..count).map(|it| format!("h{it}.example")).collect();
    format!("[credentials.KEY]\nhosts = {hosts:?}\n")
}

fn methods(count: usize) -> String {
    format!(
        "[egress]\nallow = [\"{}https://a.example\"]\n",
        "GET ".repeat(count)
    )
}

fn parts(count: usize) -> String {
    let args = "{a} ".repeat(count / 2);
    format!("[command]\nargs = [\"{args}\"]\n[command.input]\nproperties.a = {{}}\n")
}

fn folders(files: usize, levels: usize) -> String {
    let files = (0..files).map(|it| format!("\"d{it}/{}f\" = \"x\"\n", "x/".repeat(levels - 2)));
    format!(
        "[command]\nargs = []\n[command.files]\n{}",
        files.collect::<String>()
    )
}

fn long_key() -> String {
    let half = "A".repeat(60_000);
    format!("\"{half}`{half}`x\" = 1\n")
}

#[test]
fn that_cost_too_much_are_refused_by_name() {
    let server = Server::start();
    let other = server.org("other");
    for (label, rules, named) in [
        ("depth", deep(), "nests deeper than 128 levels"),
        ("hosts", hosts(33), "at most 32 hosts"),
        ("methods", methods(17), "at most 16 methods"),
        ("parts", parts(1200), "at most 1000 are allowed"),
        ("levels", folders(1, 17), "at most 16 levels"),
        ("folders", folders(100, 12), "at most 1024 are allowed"),
        ("a key", long_key(), "there is no key `AAAA"),
    ] {
        let manifest = format!("{NAMED}{rules}");
        let manifest = match label {
            // A key of the top level comes before the first table.
            "a key" => format!("{rules}{NAMED}"),
            _ => manifest,
        };
        let seller = server.org("seller");
        // A manifest that cannot be read gives no name.
        let made = seller.send("POST", "/v1/artifacts?name=hostile", WASM, &tool(&manifest));
        let id = text(&made.expect(201), "id");
        let verdict = seller.validate(&id);
        assert_eq!(verdict["status"], "REJECTED", "{label}: {verdict}");
        let said = verdict["violations"].to_string();
        assert!(said.contains(named), "{label}: {said}");
        other.get("/v1/artifacts").expect(200);
    }
    // The same values at their limits are admitted.
    let most = format!("{NAMED}{}{}", methods(16), hosts(32));
    published(&other, &tool(&most));
}

#[test]
fn a_deep_one_is_refused_on_the_seller_s_machine_and_beside_the_file_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hostile.wasm");
    std::fs::write(&path, tool(&format!("{NAMED}{}", deep()))).expect("written");
    let ended = tollgate(&["validate", path.to_str().expect("a path")]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let said = ended.stdout + &ended.stderr;
    assert!(said.contains("nests deeper"), "{said}");
}

/// The default hosts of a secret are the release's, within the same bounds as those that a buyer names.
#[test]
fn a_secret_s_default_hosts_are_bounded() {
    let server = Server::start();
    let seller = server.org("seller");
    let id = published(&seller, &tool(&format!("{NAMED}{}", hosts(32))));
    let body = json!({"value": "0123456789", "artifact_id": id});
    let set = seller.put("/v1/environment/KEY", &body).expect(200);
    assert_eq!(set["hosts"].as_array().map(Vec::len), Some(32), "{set}");
}
