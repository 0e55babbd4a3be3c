//! `new`, `diff`, `run --watch`, `completions`: what sellers have beside `run` and `validate`.

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tollgate_runtime::manifest::Manifest;
use tollgate_tests::{json, program, tollgate};

const ONE: &str = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1) (data (i32.const 16) "one")
  (func (export "_start") (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 3))
    (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

fn new(folder: &TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let ran = Command::new(program())
        .arg("new")
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .expect("it starts");
    (
        ran.status.code(),
        String::from_utf8_lossy(&ran.stderr).into_owned(),
    )
}

#[test]
fn new_makes_a_folder_for_each_language_and_touches_nothing_that_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    for language in ["rust", "javascript", "python"] {
        let name = format!("my-{language}");
        assert_eq!(new(&folder, &[&name, "--lang", language]).0, Some(0));
        let made = folder.path().join(&name);
        let manifest = fs::read_to_string(made.join("tool.toml")).expect("a manifest");
        let manifest = Manifest::parse(&manifest).expect("a readable one");
        assert_eq!((manifest.name, manifest.examples.len()), (name.clone(), 2));
        let readme = fs::read_to_string(made.join("README.md")).expect("a README");
        assert!(
            readme.lines().count() <= 10 && readme.contains(&name),
            "{readme}"
        );
        for (path, bytes) in tollgate_tests::server::files_below(&made) {
            let text = String::from_utf8(bytes).expect("text");
            assert!(!text.contains("@NAME@"), "{path:?}");
        }
        let before = tollgate_tests::server::files_below(&made);
        let (code, said) = new(&folder, &[&name, "--lang", "rust"]);
        assert_eq!(
            (code, said.contains("is there already")),
            (Some(2), true),
            "{said}"
        );
        assert_eq!(tollgate_tests::server::files_below(&made), before);
    }
    for (arguments, said) in [
        (&["A b", "--lang", "rust"][..], "`A b` is not"),
        (&["../up", "--lang", "rust"], "`../up` is not"),
        (&["tool", "--lang", "cobol"], "cobol"),
        (&["tool"], "--lang"),
    ] {
        let (code, error) = new(&folder, arguments);
        assert_eq!(
            (code, error.contains(said)),
            (Some(2), true),
            "{arguments:?}: {error}"
        );
    }
}

fn echo(folder: &TempDir, name: &str, more: &str) -> String {
    let tool = folder.path().join(name);
    fs::create_dir(&tool).expect("a new folder");
    fs::write(tool.join("tool.toml"), format!("name = \"echo\"\n{more}")).expect("written");
    fs::write(tool.join("tool.wat"), ONE).expect("written");
    tool.to_string_lossy().into_owned()
}

#[test]
fn diff_marks_what_asks_more_of_subscribers() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = echo(&folder, "old", "version = \"1.0.0\"\nprice = 5\n");
    let new = echo(
        &folder,
        "new",
        "version = \"1.1.0\"\nprice = 7\n[limits]\nmemory = \"64MiB\"\n",
    );
    let ended = tollgate(&["diff", &old, &new]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for line in [
        "echo 1.0.0 → echo 1.1.0",
        "~ price: 5 → 7 widens",
        "~ limit memory: 128 MiB → 64 MiB",
    ] {
        assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
    }
    let changes = json(&tollgate(&["diff", &old, &new, "--json"]).stdout);
    let price = &changes["changes"][0];
    assert_eq!(
        (&price["what"], &price["widens"]),
        (&Value::from("price"), &Value::from(true))
    );
    let same = tollgate(&["diff", &old, &old]);
    assert!(
        same.stdout.contains("nothing that users see changes"),
        "{same:?}"
    );
    let broken = tollgate(&["diff", &old, "fixtures/tools/malformed"]);
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert_eq!(tollgate(&["diff", &old, "/nonexistent"]).code, Some(2));
}

#[test]
fn watch_runs_again_after_each_change_until_it_is_interrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = echo(
        &folder,
        "tool",
        "[build]\ncommand = \"echo built\"\noutput = \"tool.wat\"\n",
    );
    let mut watching = Command::new(program())
        .args(["run", &tool, "--watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut output = BufReader::new(watching.stdout.take().expect("piped")).lines();
    let mut said = BufReader::new(watching.stderr.take().expect("piped")).lines();
    let mut line = || output.next().expect("a line").expect("UTF-8");
    let mut waits = || {
        while !said
            .next()
            .expect("a line")
            .expect("UTF-8")
            .contains("waiting")
        {}
    };
    assert_eq!(line(), "one");
    waits();
    // One that does not build does not end it.
    let wat = std::path::Path::new(&tool).join("tool.wat");
    fs::write(&wat, "(module").expect("written");
    waits();
    fs::write(&wat, ONE.replace("\"one\"", "\"two\"")).expect("written");
    assert_eq!(line(), "two");
    waits();
    let was_there = interrupted(watching.id());
    assert!(was_there, "it was there to be interrupted");
    assert_eq!(watching.wait().expect("it ends").code(), Some(130));
}

fn interrupted(id: u32) -> bool {
    let kill = Command::new("kill")
        .args(["-INT", &id.to_string()])
        .status();
    kill.is_ok_and(|status| status.success())
}

#[test]
fn watch_says_what_it_cannot_watch() {
    for (arguments, said) in [
        (
            &["run", "fixtures/tools/spin/spin.wat", "--watch"][..],
            "is no folder",
        ),
        (
            &["run", "fixtures/tools/wordcount", "--watch", "-i", "-"],
            "standard input",
        ),
        (
            &["run", "fixtures/tools/wordcount", "--watch", "--json"],
            "--json",
        ),
    ] {
        let ended = tollgate(arguments);
        assert_eq!(
            (ended.code, ended.stderr.contains(said)),
            (Some(2), true),
            "{ended:?}"
        );
    }
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = tollgate(&["completions", shell]);
        assert_eq!(ended.code, Some(0));
        assert!(ended.stdout.contains("rotate-master-key"), "{shell}");
    }
    assert_eq!(tollgate(&["completions", "csh"]).code, Some(2));
}

#[test]
fn a_failure_says_what_to_try_next_in_at_most_ten_lines() {
    for (tool, arguments, said) in [
        (
            "fixtures/tools/panics",
            &["-i", r#"{"month":13}"#][..],
            "try: a panic: standard error, above, says",
        ),
        (
            "fixtures/tools/panics",
            &["-i", r#"{"month":13}"#],
            "  at panics::name_of (panics/src/lib.rs:30)",
        ),
        (
            "fixtures/tools/spin",
            &["--timeout", "200ms"],
            "`--profile OUT.json`",
        ),
        ("fixtures/tools/memory-hog", &[], "try:"),
        (
            "fixtures/tools/exit-three",
            &[],
            "the program did not say why: standard error is empty",
        ),
    ] {
        let ended = tollgate(&[&["run", tool][..], arguments].concat());
        let help: Vec<_> = ended
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("error:"))
            .collect();
        assert!(
            help.iter().any(|line| line.contains(said)),
            "{tool}: {}",
            ended.stderr
        );
        assert!(help.len() <= 10, "{tool}: {}", ended.stderr);
    }
}
