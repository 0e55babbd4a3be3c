//! What is read as a tool, and what is executed: nothing, unless it is asked for.

use crate::guests;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tollgate_tests::{tollgate, wat_bytes};

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    fs::write(folder.join(name), content).expect("a file");
}

#[test]
fn a_folder_that_is_no_tool_says_what_it_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_string_lossy().into_owned();
    let check = |label: &str, named: &str| {
        for command in ["run", "validate", "inspect"] {
            let ended = tollgate(&[command, &path]);
            assert_eq!(ended.code, Some(2), "{label}, {command}: {ended:?}");
            assert!(ended.stdout.is_empty(), "{label}, {command}: {ended:?}");
            assert!(
                ended.stderr.contains(named),
                "{label}, {command}: {ended:?}"
            );
        }
    };
    check("empty", "tool.toml");
    write(folder.path(), "tool.toml", "name = \"tool\"");
    check("nothing built", "no .wasm");
    let build = "[build]\ncommand = \"make the tool\"\noutput = \"out/tool.wasm\"";
    write(
        folder.path(),
        "tool.toml",
        format!("name = \"tool\"\n{build}"),
    );
    check("its output is missing", "make the tool");
    check("its output is missing", "out/tool.wasm");
    write(folder.path(), "tool.toml", "name = \"tool\"");
    write(folder.path(), "one.wasm", wat_bytes("(module)"));
    write(folder.path(), "two.wasm", wat_bytes("(module)"));
    check("two to choose from", "[build].output");
}

#[test]
fn a_wasm_a_wat_and_a_folder_are_one_tool() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = guests::copies_to_stdout();
    write(folder.path(), "tool.wat", &text);
    write(
        folder.path(),
        "tool.toml",
        "name = \"tool\"\n[build]\noutput = \"tool.wat\"",
    );
    write(folder.path(), "tool.wasm", wat_bytes(&text));
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    for tool in [path("tool.wat"), path("tool.wasm"), path("")] {
        let ended = tollgate(&["run", &tool, "-i", "[1, 2]"]);
        assert_eq!(ended.code, Some(0), "{tool}: {ended:?}");
        assert_eq!(
            tollgate_tests::json(&ended.stdout),
            serde_json::json!([1, 2]),
            "{tool}"
        );
    }
}

#[test]
fn a_build_command_runs_only_when_it_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_string_lossy().into_owned();
    let ran = folder.path().join("ran");
    let manifest = "name = \"tool\"\n[build]\noutput = \"built.wasm\"\n\
        command = \"touch ran; echo building noise; cp source.wasm built.wasm\"\n";
    write(folder.path(), "tool.toml", manifest);
    write(
        folder.path(),
        "source.wasm",
        wat_bytes(&guests::copies_to_stdout()),
    );
    let out = folder.path().join("out").to_string_lossy().into_owned();
    let quiet: &[&[&str]] = &[
        &["run", &path],
        &["validate", &path],
        &["inspect", &path],
        &["pack", &path, "-o", &out],
    ];
    let unbuilt = [Some(2); 4];
    assert_eq!(
        quiet.iter().map(|it| tollgate(it).code).collect::<Vec<_>>(),
        unbuilt
    );
    assert!(!ran.exists());

    let ended = tollgate(&["run", &path, "--build", "-i", "[1]"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(tollgate_tests::json(&ended.stdout), serde_json::json!([1]));
    assert!(ended.stderr.contains("building noise"), "{ended:?}");
    fs::remove_file(&ran).expect("it ran");

    let built = [Some(0); 4];
    assert_eq!(
        quiet.iter().map(|it| tollgate(it).code).collect::<Vec<_>>(),
        built
    );
    assert!(!ran.exists());
}

#[test]
fn a_build_that_fails_runs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_string_lossy().into_owned();
    write(folder.path(), "tool.wat", guests::copies_to_stdout());
    for (label, build, named) in [
        ("it fails", "[build]\ncommand = \"exit 7\"", "exit 7"),
        (
            "it calls what is not there",
            "[build]\ncommand = \"no-such-program\"",
            "is not installed",
        ),
        ("there is none", "", "[build].command"),
    ] {
        write(
            folder.path(),
            "tool.toml",
            format!("name = \"tool\"\n{build}"),
        );
        let ended = tollgate(&["run", &path, "--build", "-i", "[1]"]);
        assert_eq!(ended.code, Some(2), "{label}: {ended:?}");
        assert!(
            ended.stdout.is_empty() && ended.stderr.contains(named),
            "{label}: {ended:?}"
        );
    }
}

/// What strangers wrote must not steer the terminal it is shown on.
#[test]
fn control_characters_of_a_seller_are_not_printed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_string_lossy().into_owned();
    write(folder.path(), "tool.wat", guests::copies_to_stdout());
    let manifest = "name = \"tool\"\ndescription = \"a\\u001B[2Jb\"\nversion = \"1.0.0\"\n\
        [credentials.KEY]\nhosts = [\"a.example.com\"]\ndescription = \"c\\u001B]0;d\\u0007\"\n";
    write(folder.path(), "tool.toml", manifest);
    for arguments in [
        &["inspect", &path][..],
        &["validate", &path],
        &["run", &path],
    ] {
        let ended = tollgate(arguments);
        let printed = ended.stdout + &ended.stderr;
        let forbidden = printed.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(forbidden, None, "{arguments:?}: {printed}");
    }
}

#[test]
fn control_characters_of_a_tool_do_not_reach_a_terminal() {
    let tool = |name: &str| {
        let program = tollgate_tests::program();
        let program = program.display();
        format!("{program} run fixtures/tools/hostile-output --input '\"{name}\"'")
    };
    let on_a_terminal = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--command",
            &tool("control"),
            "/dev/null",
        ])
        .current_dir(tollgate_tests::repository())
        .stdin(Stdio::null())
        .output();
    let Ok(printed) = on_a_terminal else {
        eprintln!("SKIP: without `script` (util-linux) there is no terminal to print on");
        return;
    };
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(printed.contains("red"), "{printed:?}");
    for sequence in ["\x1b[2J", "\x1b]0;", "\x07"] {
        assert!(!printed.contains(sequence), "{printed:?}");
    }
}
