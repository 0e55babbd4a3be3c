//! `run --profile`: a file for a profiler, ten lines for a terminal, whatever the end of the run.

use crate::guests;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tollgate_tests::{Ended, tollgate};

/// A command that spends its time in one of its functions, and one that does nothing, with names that try to steer.
fn command() -> String {
    let functions = r#"
        (func $idle)
        (func $"\1b[31mhot" (loop $again (br $again)))"#;
    guests::command_with(functions, r#"(call $idle) (call $"\1b[31mhot")"#)
}

fn run(folder: &Path, arguments: &[&str]) -> (Ended, Option<Value>) {
    let out = folder.join("profile.json");
    let path = out.to_string_lossy();
    let mut all = vec!["run"];
    all.extend_from_slice(arguments);
    all.extend_from_slice(&["--profile", &path]);
    let ended = tollgate(&all);
    let profile = fs::read(&out).ok();
    (
        ended,
        profile.map(|it| serde_json::from_slice(&it).expect("JSON")),
    )
}

/// The lines of the table, and whether they fit a terminal.
fn table(stderr: &str) -> Vec<&str> {
    let lines: Vec<_> = stderr.lines().collect();
    let header = lines
        .iter()
        .position(|line| line.trim_start().starts_with("self"))
        .unwrap_or_else(|| panic!("no table: {stderr}"));
    let table = lines[header..].to_vec();
    for line in &table {
        assert!(line.chars().count() <= 80, "too wide: {line}");
        assert!(!line.contains(|it: char| it.is_control()), "{line:?}");
    }
    assert!(table.len() <= 11, "more than ten: {stderr}");
    table
}

/// What every profile must have for a profiler to open it.
fn assert_is_processed_format(profile: &Value) {
    assert!(profile["meta"]["interval"].is_number(), "{profile}");
    assert!(profile["meta"]["preprocessedProfileVersion"].is_number());
    assert!(profile["libs"].is_array());
    let thread = &profile["threads"][0];
    let samples = thread["samples"]["length"].as_u64().expect("a count");
    let stacks = thread["samples"]["stack"].as_array().expect("a list");
    assert!(samples > 0 && stacks.len() as u64 == samples, "{samples}");
    for table in ["frameTable", "funcTable", "stackTable"] {
        assert!(thread[table]["length"].as_u64() > Some(0), "{table}");
    }
}

fn names(profile: &Value) -> Vec<&str> {
    let names = profile["threads"][0]["stringArray"].as_array();
    names
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

/// A sample or two may fall on what is around the function, above all on a busy machine.
fn assert_is_nearly_all(row: &str) {
    let share = row.split('%').next().unwrap_or_default().trim();
    let share: f64 = share.parse().expect("a number");
    assert!(share > 90.0, "{row:?}");
}

#[test]
fn of_a_component_in_rust_names_its_functions_and_the_hottest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    // Long enough for what is around it, on a busy machine, to be little.
    let input = r#"{"below": 100000}"#;
    let (ended, profile) = run(folder.path(), &["fixtures/tools/primes", "--input", input]);
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "9592"));
    let profile = profile.expect("written");
    assert_is_processed_format(&profile);
    for name in ["primes::smallest_divisor", "primes::is_prime"] {
        assert!(names(&profile).contains(&name), "{:?}", names(&profile));
    }
    let table = table(&ended.stderr);
    assert!(table[1].ends_with("primes::smallest_divisor"), "{table:?}");
    assert_is_nearly_all(table[1]);
}

#[test]
fn of_a_command_that_times_out_is_written_too_and_its_names_steer_no_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = folder.path().join("hot.wat");
    fs::write(&tool, command()).expect("a file");
    let tool = tool.to_string_lossy();
    let (ended, profile) = run(folder.path(), &[&tool, "--timeout", "1s"]);
    assert_eq!(ended.code, Some(124), "{ended:?}");
    let profile = profile.expect("written");
    assert_is_processed_format(&profile);
    let table = table(&ended.stderr);
    assert_is_nearly_all(table[1]);
    assert!(table[1].contains("[31mhot"), "{table:?}");
    let text = names(&profile).concat();
    assert!(!text.contains(char::is_control), "{text:?}");
}

#[test]
fn of_a_run_that_traps_is_written_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = folder.path().join("traps.wat");
    let body = "(local $turns i32)
        (loop $again
          (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $turns) (i32.const 40000000))))
        unreachable";
    fs::write(&tool, guests::command(body)).expect("a file");
    let (ended, profile) = run(folder.path(), &[&tool.to_string_lossy()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_is_processed_format(&profile.expect("written"));
    assert!(table(&ended.stderr).len() > 1);
}

#[test]
fn that_cannot_be_written_is_said_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let is_a_folder = folder.path().to_string_lossy();
    for out in ["/nowhere/profile.json", &is_a_folder] {
        // It would run for its thirty seconds.
        let ended = tollgate(&["run", "fixtures/tools/sleep-hour", "--profile", out]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        let expected = format!("cannot write {out}");
        assert!(ended.stderr.contains(&expected), "{ended:?}");
    }
}

#[test]
fn of_a_run_that_is_refused_leaves_what_was_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("profile.json");
    fs::write(&out, "\"mine\"").expect("a file");
    let (ended, profile) = run(
        folder.path(),
        &["fixtures/tools/primes", "--input", r#"{"under": 9}"#],
    );
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert_eq!(profile, Some(Value::from("mine")));
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 1, "nothing beside it");
}
