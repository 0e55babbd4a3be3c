//! Ctrl-C, whatever the program is doing, ends it with 130 and leaves nothing behind.

use crate::guests;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;
use tollgate_tests::{command, exit_within, holds_within, start};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn while_a_tool_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = folder.path().join("sleeps.wat");
    let temporary = folder.path().join("tmp");
    fs::create_dir(&temporary).expect("a folder");
    fs::write(&tool, guests::sleeps()).expect("a file");
    let mut run = command(&["run", &tool.to_string_lossy(), "--input", "3600000"]);
    run.env("TMPDIR", &temporary);
    let mut child = start(run);
    assert!(
        holds_within(SOON, || has_a_run(&temporary)),
        "the run never made its scratch folder"
    );
    interrupt(&child);
    assert_eq!(exit_within(&mut child, SOON), Some(130));
    let left = fs::read_dir(&temporary).expect("still there").count();
    assert_eq!(
        left,
        0,
        "scratch folders are left in {}",
        temporary.display()
    );
}

#[test]
fn while_it_reads_an_input_nobody_types() {
    let mut child = start(command(&[
        "run",
        "fixtures/tools/wordcount",
        "--input",
        "-",
    ]));
    assert!(holds_within(SOON, || catches_interrupts(&child)));
    interrupt(&child);
    assert_eq!(exit_within(&mut child, SOON), Some(130));
}

#[test]
fn while_it_compiles_what_takes_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = folder.path().join("loops.wat");
    let loops = "loop ".repeat(20_000) + &"end ".repeat(20_000);
    fs::write(&tool, guests::command(&loops)).expect("a file");
    let mut child = start(command(&["validate", &tool.to_string_lossy()]));
    assert!(holds_within(SOON, || catches_interrupts(&child)));
    interrupt(&child);
    assert_eq!(exit_within(&mut child, Duration::from_secs(5)), Some(130));
}

#[test]
fn while_it_builds() {
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = "name = \"slow\"\n[build]\ncommand = \"touch started; exec sleep 3600\"\n";
    fs::write(folder.path().join("tool.toml"), manifest).expect("a file");
    let mut child = start(command(&[
        "run",
        &folder.path().to_string_lossy(),
        "--build",
    ]));
    let started = folder.path().join("started");
    assert!(holds_within(SOON, || started.is_file()));
    interrupt(&child);
    assert_eq!(exit_within(&mut child, SOON), Some(130));
}

fn interrupt(child: &Child) {
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .expect("kill starts");
    assert!(status.success(), "kill ended with {status}");
}

fn has_a_run(temporary: &Path) -> bool {
    let entries = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    entries(temporary)
        .iter()
        .flat_map(|root| entries(root))
        .any(|path| path.is_dir())
}

/// Until then an interrupt would end the process before it could say a word.
fn catches_interrupts(child: &Child) -> bool {
    const SIGINT: u64 = 1 << 1;
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    caught.is_some_and(|mask| {
        u64::from_str_radix(mask.trim(), 16).is_ok_and(|mask| mask & SIGINT != 0)
    })
}
