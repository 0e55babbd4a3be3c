//! `pack`: the one file says and does what the folder does.

use serde_json::Value;
use std::fs;
use std::path::Path;
use tollgate_runtime::manifest::{Manifest, SECTION};
use tollgate_tests::{json, repository, tollgate};

fn good(arguments: &[&str]) -> String {
    let ended = tollgate(arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.stdout
}

fn pack(tool: &str, output: &Path) {
    let printed = good(&["pack", tool, "-o", &output.to_string_lossy()]);
    assert!(
        printed.is_empty(),
        "a file is written, nothing printed: {printed}"
    );
}

fn inspected(tool: &str) -> Value {
    json(&good(&["inspect", tool, "--json"]))
}

/// The status, and the codes and pointers of the notes: their texts have times in them, their lines are the text's.
fn verdict(tool: &str) -> Vec<String> {
    let verdict = json(&good(&["validate", tool, "--json"]));
    let notes = verdict["notes"].as_array().expect("a list").iter();
    let notes = notes.map(|note| format!("{} {}", note["code"], note["place"]["pointer"]));
    notes.chain([verdict["status"].to_string()]).collect()
}

#[test]
fn one_file_is_judged_and_runs_as_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let cases = [
        ("fixtures/tools/csv-stats", r#"{"csv":"a,b\n1,2\n3,\n"}"#),
        ("fixtures/tools/wordcount", r#"{"text":"a b"}"#),
        ("fixtures/tools/pixels", r##"{"rows":"#.\n"}"##),
    ];
    for (tool, input) in cases {
        let file = folder.path().join("packed.wasm");
        pack(tool, &file);
        let file = file.to_string_lossy();
        assert_eq!(inspected(tool), inspected(&file), "{tool}");
        assert_eq!(verdict(tool), verdict(&file), "{tool}");
        assert_eq!(
            good(&["run", tool, "--input", input]),
            good(&["run", &file, "--input", input]),
            "{tool}"
        );
    }
}

#[test]
fn packing_what_is_packed_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = repository().join("fixtures/tools/forecast/tool.toml");
    let wit = repository().join("fixtures/tools/forecast/wit");
    let (once, again) = (
        folder.path().join("forecast.wasm"),
        folder.path().join("again"),
    );
    pack("fixtures/tools/forecast", &once);
    fs::copy(manifest, folder.path().join("tool.toml")).expect("a copy");
    fs::create_dir(folder.path().join("wit")).expect("a folder");
    for entry in fs::read_dir(wit).expect("a folder of WIT").flatten() {
        fs::copy(
            entry.path(),
            folder.path().join("wit").join(entry.file_name()),
        )
        .expect("a copy");
    }
    pack(&folder.path().to_string_lossy(), &again);
    let (once, again) = (
        fs::read(once).expect("a file"),
        fs::read(again).expect("a file"),
    );
    assert!(once == again, "{} bytes became {}", once.len(), again.len());
}

#[test]
fn how_to_build_it_is_the_sellers_own_affair() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("packed.wasm");
    pack("fixtures/tools/markdown", &file);
    let bytes = fs::read(file).expect("a file");
    let name = find(&bytes, SECTION.as_bytes()).expect("the manifest's section");
    let text = String::from_utf8_lossy(&bytes[name + SECTION.len()..]);
    let end = text.find('\0').unwrap_or(text.len());
    assert!(text[..end].contains("[limits]"), "{}", &text[..end]);
    assert!(!text[..end].contains("build"), "{}", &text[..end]);
    let source = repository().join("fixtures/tools/markdown/tool.toml");
    let source = fs::read_to_string(source).expect("a manifest");
    assert!(Manifest::parse(&source).expect("readable").build.is_some());
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[test]
fn what_would_not_be_admitted_is_not_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = folder.path().join("tool");
    fs::create_dir(&tool).expect("a folder");
    let output = folder.path().join("out.wasm");
    let wat = r#"(module (import "env" "nonesuch" (func)) (memory (export "memory") 1) (func (export "_start")))"#;
    let honest = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let cases = [
        ("an unknown import", wat, "name = \"tool\""),
        ("rubbish", "(module", "name = \"tool\""),
        ("an unknown key", honest, "name = \"tool\"\nprise = 5"),
        ("a name that is none", honest, "name = \"Not a name\""),
        (
            "a limit raised",
            honest,
            "name = \"tool\"\n[limits]\ntimeout = \"60s\"",
        ),
        (
            "a host that is none",
            honest,
            "name = \"tool\"\n[credentials.KEY]\nhosts = [\"*\"]",
        ),
    ];
    for (label, wat, manifest) in cases {
        fs::write(tool.join("tool.wat"), wat).expect("a file");
        fs::write(tool.join("tool.toml"), manifest).expect("a file");
        let (tool, out) = (tool.to_string_lossy(), output.to_string_lossy());
        let validated = tollgate(&["validate", &tool]);
        assert_eq!(validated.code, Some(1), "{label}: {validated:?}");
        let ended = tollgate(&["pack", &tool, "-o", &out]);
        assert_eq!(ended.code, Some(1), "{label}: {ended:?}");
        assert!(
            ended.stdout.is_empty() && !ended.stderr.is_empty(),
            "{label}: {ended:?}"
        );
        assert!(!output.exists(), "{label}: a file was written");
    }
    fs::write(tool.join("tool.wat"), honest).expect("a file");
    fs::write(tool.join("tool.toml"), "name = \"tool\"").expect("a file");
    pack(&tool.to_string_lossy(), &output);
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 2, "only the tool and the file");
}

#[test]
fn what_cannot_be_packed_is_an_error_of_usage() {
    let markdown = "fixtures/tools/markdown";
    let file = "fixtures/tools/markdown/markdown.wasm";
    for arguments in [
        &["pack", file, "-o", "/tmp/out.wasm"][..],
        &["pack", markdown, "-o", "/nowhere/out.wasm"],
        &["pack", "nowhere", "-o", "/tmp/out.wasm"],
        &["pack", markdown],
    ] {
        let ended = tollgate(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}: {ended:?}");
        assert!(
            ended.stdout.is_empty() && !ended.stderr.is_empty(),
            "{ended:?}"
        );
    }
}
