//! How a child is started, and what each of its ends means.

use super::bombs::{jump_tables, nested_loops, shared_instance_types};
use super::*;
use crate::bytes::custom;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use tollgate_runtime::{FailureKind, Run};
use tollgate_tests::{
    command, compile_child, ended, failure, holds_within, output, program, run_as_expected, start,
    wat_bytes,
};

/// Long enough to be looked at, in every build and on every machine; it ends when its parent does.
const SOON: Duration = Duration::from_secs(20);

fn shell(script: &str) -> CompileChild {
    CompileChild {
        program: PathBuf::from("/bin/sh"),
        arguments: vec!["-c".into(), script.into()],
        limits: low(),
    }
}

fn small() -> Vec<u8> {
    wat_bytes(r#"(module (memory (export "memory") 1) (func (export "_start")))"#)
}

/// A tool that keeps one core busy for more than ten seconds.
fn slow() -> Vec<u8> {
    nested_loops(10_000)
}

/// So many functions of 300 calls each, which are some KiB of code.
fn calling(functions: usize) -> Vec<u8> {
    let calls = format!("(func {})", "call 0 ".repeat(300)).repeat(functions);
    wat_bytes(&format!(
        r#"(module (memory (export "memory") 1) {calls} (func (export "_start")))"#
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_makes_is_what_this_process_would_have_made() {
    let here = limited(CompileLimits::default());
    for name in ["markdown", "wordcount", "roundtrip", "spin"] {
        let fixture = tollgate_fixtures::fixture(name);
        let tool = here.load(&tollgate_fixtures::packed_bytes(name)).await;
        let tool = tool.expect(name);
        for expected in fixture.runs {
            let ended = run_as_expected(&tool, expected).await;
            let difference = tollgate_tests::difference(expected.end, &ended);
            assert_eq!(difference, None, "{name}: {}", expected.label);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_cannot_do_its_work_admits_nothing() {
    let missing = CompileChild {
        program: PathBuf::from("/nonexistent"),
        ..shell("")
    };
    let cases = [
        ("not there", missing),
        ("killed", shell("kill -KILL $$")),
        ("told to end", shell("kill -TERM $$")),
        ("another end", shell("exit 1")),
        ("usage", compile_child_with("no-such-command")),
        ("a good end without code", shell("exit 0")),
        ("it does not read", shell("exec 0<&-; exit 1")),
    ];
    for (label, child) in cases {
        let found = violation(&runtime(child), &small()).await;
        assert_eq!(found.code, "check_failed", "{label}: {found}");
    }
}

fn compile_child_with(command: &str) -> CompileChild {
    CompileChild {
        arguments: vec![command.into()],
        ..compile_child(low())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_passed_is_named() {
    let ample = CompileLimits {
        cpu: Duration::from_secs(60),
        time: Duration::from_secs(300),
        ..low()
    };
    let cases = [
        (
            jump_tables(1000),
            CompileLimits {
                address_space_bytes: 256 << 20,
                ..ample.clone()
            },
            "256 MiB of memory",
        ),
        (
            slow(),
            CompileLimits {
                cpu: Duration::from_secs(1),
                ..ample.clone()
            },
            "1 s of processor time",
        ),
        (
            slow(),
            CompileLimits {
                time: Duration::from_millis(200),
                ..ample.clone()
            },
            "longer than 0.2 s",
        ),
        (
            calling(1000),
            CompileLimits {
                code_bytes: 1 << 20,
                ..ample
            },
            "1 MiB of native code",
        ),
    ];
    for (wasm, limits, named) in cases {
        let found = violation(&limited(limits), &wasm).await;
        assert_eq!(found.code, "compile_budget", "{named}: {found}");
        assert!(found.message.contains(named), "{found}");
    }
}

/// Without a limit, the parser needs more than a minute for this file of some KiB.
#[tokio::test(flavor = "multi_thread")]
async fn checks_that_take_too_long_are_ended_and_named() {
    let limits = CompileLimits {
        checks_cpu: Duration::from_secs(1),
        ..low()
    };
    let wasm = shared_instance_types(90, 250);
    assert!(wasm.len() < 16 << 10);
    let found = violation(&limited(limits), &wasm).await;
    assert_eq!(found.code, "check_budget", "{found}");
    assert!(found.message.contains("1 s of processor time"), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_finds_what_this_process_would_have_found() {
    let (here, there) = (
        Runtime::new(RuntimeConfig::default()).expect("a runtime"),
        limited(CompileLimits::default()),
    );
    let mut rejected = 0;
    for fixture in tollgate_fixtures::FIXTURES {
        if fixture.source == tollgate_fixtures::Source::Large {
            continue;
        }
        let wasm = tollgate_fixtures::packed_bytes(fixture.name);
        let (one, other) = (here.admit(&wasm).await, there.admit(&wasm).await);
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "{}", fixture.name);
        rejected += usize::from(one.is_err());
    }
    assert!(rejected > 0, "some fixtures are refused");
    for wasm in [&b""[..], b"PK", b"\0asm\x01\0\0\0\x01"] {
        let (one, other) = (here.admit(wasm).await, there.admit(wasm).await);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}

/// A compile child of somebody's, as the kernel tells.
pub(crate) struct Seen {
    id: u32,
}

impl Seen {
    /// The child whose command line has `mark`.
    fn of(mark: &str) -> Self {
        let mut found = None;
        let is_there = holds_within(SOON, || {
            found = ids().find(|id| {
                let line = fs::read_to_string(format!("/proc/{id}/cmdline"));
                let is_ours =
                    line.is_ok_and(|line| line.contains(mark) && line.contains("compile-tool"));
                is_ours && Self { id: *id }.compiles()
            });
            found.is_some()
        });
        assert!(is_there, "no child of {mark}");
        Self {
            id: found.expect("found"),
        }
    }

    /// The compile child that a process has started.
    pub(crate) fn below(parent: u32) -> Self {
        let mut found = None;
        let is_there = holds_within(SOON, || {
            found = ids().find(|id| {
                let child = Self { id: *id };
                child.field(1) == parent.to_string() && child.compiles()
            });
            found.is_some()
        });
        assert!(is_there, "no child of {parent}");
        Self {
            id: found.expect("found"),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// A child that only judges has less processor time.
    fn compiles(&self) -> bool {
        self.limit("Max cpu time") == "60"
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.id)).unwrap_or_default()
    }

    /// A field of `stat`, counted from the one behind the name.
    fn field(&self, index: usize) -> String {
        let stat = self.read("stat");
        let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        let field = fields.split(' ').nth(index);
        field.unwrap_or_default().to_owned()
    }

    fn limit(&self, name: &str) -> String {
        let limits = self.read("limits");
        let line = limits.lines().find(|line| line.starts_with(name));
        let values = line.map(|line| line[name.len()..].split_whitespace().next());
        values.flatten().unwrap_or_default().to_owned()
    }

    fn kill(&self) {
        let id = self.id.to_string();
        let killed = Command::new("kill").args(["-KILL", &id]).status();
        assert!(killed.expect("kill is there").success());
    }
}

fn ids() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether a descriptor was here before us, and goes to every program that is started.
fn is_for_all(descriptor: &OsStr) -> bool {
    const CLOSED_ON_EXEC: u32 = 0o2_000_000;
    let number: Option<u32> = descriptor.to_str().and_then(|it| it.parse().ok());
    let about = Path::new("/proc/self/fdinfo").join(descriptor);
    let about = fs::read_to_string(about).unwrap_or_default();
    let flags = about.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|it| u32::from_str_radix(it.trim(), 8).ok());
    number.is_none_or(|it| it > 2) && flags.is_some_and(|it| it & CLOSED_ON_EXEC == 0)
}

/// The program under a name of its own.
fn named(folder: &Path, name: &str) -> CompileChild {
    let link = folder.join(name);
    std::os::unix::fs::symlink(program(), &link).expect("a link");
    CompileChild {
        program: link,
        ..compile_child(CompileLimits::default())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_has_its_limits_and_nothing_of_its_parent_s() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = runtime(named(folder.path(), "looked-at"));
    let slow = slow();
    let judging = tokio::spawn(async move { judged(&runtime, "org", &slow).await });
    let child = Seen::of("looked-at");
    assert_eq!(child.limit("Max address space"), (2_u64 << 30).to_string());
    assert_eq!(child.limit("Max core file size"), "0");
    assert_eq!(child.limit("Max file size"), (256 << 20).to_string());
    assert!(holds_within(SOON, || child.field(16) == "19"), "niceness");
    let open: Vec<_> = fs::read_dir(format!("/proc/{}/fd", child.id))
        .expect("it lives")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    let ours = open.iter().filter(|it| !is_for_all(it)).collect::<Vec<_>>();
    assert_eq!(ours, ["0", "1", "2"]);
    let environment = child.read("environ");
    assert!(
        !environment.contains("PATH") && !environment.contains("HOME"),
        "{environment}"
    );
    child.kill();
    let verdict = judging.await.expect("no panic");
    let codes: Vec<_> = verdict.violations.iter().map(|it| it.code).collect();
    assert_eq!(codes, ["check_failed"]);
}

#[test]
fn a_check_that_could_not_be_run_is_1_of_validate_and_3_of_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = folder.path().join("slow.wasm");
    fs::write(&tool, slow()).expect("a file");
    let tool = tool.to_str().expect("UTF-8");
    for (arguments, code) in [(["validate", tool], 1), (["run", tool], 3)] {
        let child = start(command(&[arguments[0], arguments[1], "--json"]));
        Seen::below(child.id()).kill();
        let ended = ended(child);
        assert_eq!(ended.code, Some(code), "{ended:?}");
        let said = tollgate_tests::json(&ended.stdout);
        assert_eq!(said["violations"][0]["code"], "check_failed", "{said}");
    }
}

#[test]
fn it_ends_with_its_parent() {
    let folder = tempfile::tempdir().expect("a folder");
    let tool = folder.path().join("slow.wasm");
    fs::write(&tool, slow()).expect("a file");
    let mut parent = start(command(&["validate", tool.to_str().expect("UTF-8")]));
    let child = Seen::below(parent.id());
    parent.kill().expect("a child of ours");
    parent.wait().expect("it ends");
    // Nobody may be there to take leave of it.
    let is_gone = || matches!(child.field(0).as_str(), "" | "Z" | "X");
    let is_gone = holds_within(Duration::from_secs(2), is_gone);
    assert!(is_gone, "{}", child.read("stat"));
}

#[tokio::test(flavor = "multi_thread")]
async fn others_compile_while_one_owner_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let runtime = runtime(named(folder.path(), "one-of-many"));
    let mut waiting = Vec::new();
    for number in 0..3 {
        // Each another file.
        let wasm = [&slow()[..], &custom("number", &[number])].concat();
        let judged = runtime.judge(wasm.into()).await.expect("admissible");
        let runtime = runtime.clone();
        waiting.push(tokio::spawn(async move {
            runtime.compile("many", judged).await
        }));
    }
    Seen::of("one-of-many");
    let started = Instant::now();
    let tool = judged(&runtime, "other", &small()).await.tool;
    let took = started.elapsed();
    let run = tool.expect("admitted").run(Run::only(Value::Null)).await;
    assert_eq!(output(run), json!(""));
    let left = waiting.iter().filter(|it| !it.is_finished()).count();
    assert_eq!(left, 3, "the other's took {took:?}");
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_s_offsets_are_the_file_s() {
    let wasm =
        wat_bytes(r#"(module (memory (export "memory") 1) (func (export "_start") unreachable))"#);
    let mut offsets = Vec::new();
    for compiler in [
        Compiler::InProcess,
        Compiler::Child(compile_child(CompileLimits::default())),
    ] {
        let config = RuntimeConfig {
            compiler,
            ..RuntimeConfig::default()
        };
        let runtime = Runtime::new(config).expect("a runtime");
        let tool = runtime.load(&wasm).await.expect("admitted");
        // In one of some fifty runs the engine names the instruction behind the one that trapped.
        let mut first = u64::MAX;
        for _ in 0..20 {
            let failure = failure(tool.run(Run::only(Value::Null)).await);
            assert_eq!(failure.kind, FailureKind::Trap);
            first = first.min(failure.backtrace[0].offset);
        }
        offsets.push(first);
    }
    assert_eq!(offsets[0], offsets[1]);
}
