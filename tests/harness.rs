//! What the end-to-end tests say in a sentence each: run the program, load a fixture, run it, judge its end.

pub mod server;

use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use tollgate_fixtures::{End, Fixture, Run as Expected, Source, Verdict as ExpectedVerdict};
use tollgate_runtime::value::{is_equal, strict};
use tollgate_runtime::{
    CompileChild, CompileLimits, Credential, Credentials, Failure, Limits, Outcome, Refused, Run,
    Runtime, RuntimeConfig, Tool,
};
use tollgate_validator::pack::pack;
use tollgate_validator::{Verdict, validate};

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed as its result.
    pub stdout: String,
    /// Everything else it printed.
    pub stderr: String,
}

/// The program, as built with these tests.
///
/// # Panics
///
/// Where it is not there: it is built by `cargo test --workspace`.
pub fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("the test's own path");
    let program = tests
        .ancestors()
        .nth(2)
        .expect("target/PROFILE/deps/TEST")
        .join("tollgate");
    assert!(
        program.is_file(),
        "{} is not built: run `cargo test --workspace`",
        program.display()
    );
    program
}

/// Runs the program with arguments, in the repository.
pub fn tollgate(arguments: &[&str]) -> Ended {
    tollgate_with_input(arguments, b"")
}

/// Runs the program with arguments and standard input.
pub fn tollgate_with_input(arguments: &[&str], input: &[u8]) -> Ended {
    let mut child = start(command(arguments));
    // A program that refuses early does not read its input.
    let _ = child.stdin.take().expect("piped").write_all(input);
    ended(child)
}

/// The program with arguments, in the repository, all of its streams piped; not started yet.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command
        .args(arguments)
        .current_dir(repository())
        .env("XDG_CACHE_HOME", cache_folder())
        // The tests' own: to the program it is a setting that there is not.
        .env_remove("TOLLGATE_KILLS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What compiles tools in children of the tests' process, as the program does.
pub fn compile_child(limits: CompileLimits) -> CompileChild {
    CompileChild {
        program: program(),
        arguments: vec!["compile-tool".into()],
        limits,
    }
}

/// A cache folder of these tests' own: what the user's holds is another program's.
fn cache_folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let made = FOLDER.get_or_init(|| TempDir::new().expect("a folder"));
    made.path()
}

/// Starts a program.
///
/// # Panics
///
/// Where it cannot be started.
pub fn start(mut command: Command) -> Child {
    command.spawn().expect("the program starts")
}

/// Waits for a program, for a minute at most.
///
/// # Panics
///
/// Where it does not end.
pub fn ended(mut child: Child) -> Ended {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let stdout = std::thread::spawn(move || text(stdout));
    let stderr = std::thread::spawn(move || text(stderr));
    let code = exit_within(&mut child, Duration::from_secs(60));
    Ended {
        code,
        stdout: stdout.join().expect("read to its end"),
        stderr: stderr.join().expect("read to its end"),
    }
}

/// Waits for a program's exit code; one that does not end is killed.
///
/// # Panics
///
/// Where it does not end in time.
pub fn exit_within(child: &mut Child, time: Duration) -> Option<i32> {
    let mut status = None;
    let is_over = holds_within(time, || {
        status = child.try_wait().expect("a child of ours");
        status.is_some()
    });
    if !is_over {
        let _ = child.kill();
        panic!("the program was not over within {time:?}");
    }
    status.and_then(|status| status.code())
}

/// Whether a condition comes true in time.
pub fn holds_within(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn text(stream: Option<impl Read>) -> String {
    let mut text = String::new();
    let mut stream = stream.expect("piped");
    stream.read_to_string(&mut text).expect("UTF-8");
    text
}

/// The folder the README's commands are typed in.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// One runtime for all tests of a process: its budgets and threads are shared, as in a server.
///
/// # Panics
///
/// Where it cannot be started.
pub fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(RuntimeConfig::default()).expect("the runtime starts"))
}

/// The gate's verdict of a fixture, packed as its seller would.
pub async fn judge(name: &str) -> Verdict {
    static VERDICTS: Mutex<BTreeMap<String, Arc<OnceCell<Verdict>>>> = Mutex::new(BTreeMap::new());
    let verdict = {
        let mut verdicts = VERDICTS.lock().expect("no test panics with it");
        Arc::clone(verdicts.entry(name.to_owned()).or_default())
    };
    // Each is compiled once a process, however many tests ask: the large tools take seconds.
    let judged = verdict
        .get_or_init(async || validate(runtime(), &tollgate_fixtures::packed_bytes(name)).await);
    judged.await.clone()
}

/// A fixture that the gate admits.
///
/// # Panics
///
/// Where it does not.
pub async fn tool(name: &str) -> Tool {
    let verdict = judge(name).await;
    verdict
        .tool
        .unwrap_or_else(|| panic!("{name} is rejected: {:?}", verdict.violations))
}

/// A tool given as WebAssembly text.
///
/// # Panics
///
/// Where it is not admitted.
pub async fn tool_of(text: &str) -> Tool {
    load(runtime(), &wat_bytes(text)).await
}

/// A tool that the gate admits.
///
/// # Panics
///
/// Where it does not.
pub async fn load(runtime: &Runtime, bytes: &[u8]) -> Tool {
    let verdict = validate(runtime, bytes).await;
    verdict
        .tool
        .unwrap_or_else(|| panic!("rejected: {:?}", verdict.violations))
}

/// WebAssembly text as bytes.
///
/// # Panics
///
/// Where it is not well-formed.
pub fn wat_bytes(text: &str) -> Vec<u8> {
    tollgate_validator::source::assemble(text).expect("valid WebAssembly text")
}

/// A tool given as WebAssembly text, packed with a manifest.
///
/// # Panics
///
/// Where either cannot be read.
pub fn packed(text: &str, manifest: &str) -> Vec<u8> {
    pack(&wat_bytes(text), manifest, None).expect("a readable manifest")
}

/// The output of a run.
///
/// # Panics
///
/// Where it has none.
pub fn output(ended: Result<Outcome, Refused>) -> Value {
    match ended.map(|outcome| outcome.result) {
        Ok(Ok(output)) => output.value(),
        other => panic!("no output: {other:?}"),
    }
}

/// The failure of a run.
///
/// # Panics
///
/// Where it did not fail.
pub fn failure(ended: Result<Outcome, Refused>) -> Failure {
    match ended.map(|outcome| outcome.result) {
        Ok(Err(failure)) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

/// Limits for a run of a test.
pub fn seconds(seconds: f64) -> Limits {
    Limits {
        timeout: Duration::from_secs_f64(seconds),
        ..Limits::default()
    }
}

/// JSON text as a value.
///
/// # Panics
///
/// Where it is none.
pub fn json(text: &str) -> Value {
    strict::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Runs a fixture as the table says.
pub async fn run_as_expected(tool: &Tool, expected: &Expected) -> Result<Outcome, Refused> {
    let input = json(expected.input);
    let run = match expected.function {
        Some(function) => Run::new(function, input),
        None => Run::only(input),
    };
    let credentials =
        expected
            .credentials
            .iter()
            .fold(Credentials::new(), |credentials, (name, value)| {
                credentials.with(
                    *name,
                    Credential::new(*value)
                        .expect("a valid secret")
                        .allow_expose(),
                )
            });
    let mut limits = Limits::default();
    if let Some(timeout_ms) = expected.timeout_ms {
        limits.timeout = Duration::from_millis(timeout_ms);
    }
    tool.run(run.owner("tests").credentials(credentials).limits(limits))
        .await
}

/// What is wrong with a run's end, if anything.
pub fn difference(expected: End, ended: &Result<Outcome, Refused>) -> Option<String> {
    let is_expected = match (expected, ended) {
        (
            End::Output(text),
            Ok(Outcome {
                result: Ok(output), ..
            }),
        ) => is_equal(&output.value(), &json(text)),
        (
            End::OutputHas(part),
            Ok(Outcome {
                result: Ok(output), ..
            }),
        ) => output.to_string().contains(part),
        (
            End::Failed { kind, detail },
            Ok(Outcome {
                result: Err(failure),
                ..
            }),
        ) => {
            let text = serde_json::to_string(failure).expect("a failure is JSON");
            failure.kind.name() == kind
                && (detail.is_empty()
                    || failure.exit_code.map(|code| code.to_string()).as_deref() == Some(detail)
                    || failure.trap.as_deref() == Some(detail)
                    || failure.limit == Some(detail)
                    || failure.exit_code.is_none() && text.contains(detail))
        }
        (
            End::TimedOut,
            Ok(Outcome {
                result: Err(failure),
                ..
            }),
        ) => failure.kind.name() == "timeout",
        (End::Refused(code), Err(refused)) => refusal(refused) == code,
        _ => false,
    };
    (!is_expected).then(|| match ended {
        Ok(outcome) => {
            let mut text = format!("{:?}", outcome.result);
            text.truncate(text.floor_char_boundary(2000));
            format!("expected {expected:?}, ended {text}")
        }
        Err(refused) => format!("expected {expected:?}, refused {refused:?}"),
    })
}

/// The refusal's code.
pub fn refusal(refused: &Refused) -> &'static str {
    match refused {
        Refused::FunctionUnknown(_) => "unprocessable",
        Refused::InputInvalid(_) => "input_invalid",
        Refused::CredentialsMissing(_) => "credentials_missing",
        Refused::AtCapacity => "at_capacity",
        Refused::Internal => "internal",
    }
}

/// What is wrong with a verdict, if anything.
pub fn verdict_difference(fixture: &Fixture, verdict: &Verdict) -> Option<String> {
    let codes: Vec<_> = verdict
        .violations
        .iter()
        .map(|violation| violation.code)
        .collect();
    let is_expected = match fixture.verdict {
        ExpectedVerdict::Admitted => verdict.is_admitted(),
        ExpectedVerdict::Rejected(code) => !verdict.is_admitted() && codes.contains(&code),
    };
    (!is_expected).then(|| {
        format!(
            "{}: expected {:?}, judged {:?}",
            fixture.name, fixture.verdict, verdict.violations
        )
    })
}

/// Whether a fixture's file is there. The large ones are built by the check script.
pub fn is_built(fixture: &Fixture) -> bool {
    let file = tollgate_fixtures::folder(fixture.name).join(format!("{}.wasm", fixture.name));
    fixture.source != Source::Large || file.is_file()
}
