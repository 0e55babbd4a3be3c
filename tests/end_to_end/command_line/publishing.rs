//! `tollgate publish` against a server: a script reads its standard output, people the rest.

use std::fs;
use std::path::Path;
use tollgate_tests::server::Server;
use tollgate_tests::{Ended, command, ended, json, start};

const TOOL: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;

fn publish(server: &Server, key: &str, folder: &Path, more: &[&str]) -> Ended {
    let (url, folder) = (
        format!("http://{}", server.address),
        folder.to_string_lossy(),
    );
    let mut program = command(&[&["publish", &folder, "--server", &url], more].concat());
    program.env("TOLLGATE_API_KEY", key);
    ended(start(program))
}

#[test]
fn gives_a_script_json_alone_and_says_what_widens() {
    let server = Server::start();
    let key = server.org("seller").key.clone();
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("tool.wat"), TOOL).expect("a file");
    let manifest = |text: &str| {
        let text = format!("name = \"silent\"\n{text}");
        fs::write(folder.join("tool.toml"), text).expect("a file");
    };

    manifest("version = \"1.0.0\"");
    let first = publish(&server, &key, folder, &["--json"]);
    assert_eq!(first.code, Some(0), "{first:?}");
    assert_eq!(json(&first.stdout)["version"], "1.0.0");
    assert!(first.stderr.contains("[undocumented]"), "{first:?}");

    let same = publish(&server, &key, folder, &["--json"]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert_eq!(json(&same.stdout)["id"], json(&first.stdout)["id"]);

    manifest("version = \"1.0.0\"\nprice = 5");
    let again = publish(&server, &key, folder, &["--json"]);
    assert_eq!(again.code, Some(3), "{again:?}");
    assert_eq!(json(&again.stdout)["code"], "version_exists");

    manifest("version = \"1.1.0\"\nprice = 5");
    let wider = publish(&server, &key, folder, &[]);
    assert_eq!(wider.code, Some(0), "{wider:?}");
    assert!(wider.stdout.contains("widens price: 0 → 5"), "{wider:?}");

    manifest("price = 5");
    let counted = publish(&server, &key, folder, &["--json"]);
    assert_eq!(json(&counted.stdout)["version"], "0.0.3", "{counted:?}");
    let same = publish(&server, &key, folder, &["--json"]);
    assert_eq!(json(&same.stdout)["version"], "0.0.3", "{same:?}");

    manifest("prise = 5");
    let none = publish(&server, &key, folder, &["--json"]);
    assert_eq!((none.code, none.stdout.as_str()), (Some(3), ""));
    assert!(none.stderr.contains("did you mean `price`"), "{none:?}");
}
