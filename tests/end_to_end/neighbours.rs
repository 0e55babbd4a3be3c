//! Tools that never end, beside tools that work: each ends at its limit, and the others do not notice.

use crate::guests;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tollgate_fixtures::packed_bytes;
use tollgate_runtime::{
    FailureKind, Limits, ProcessLimits, Refused, Run, Runtime, RuntimeConfig, Tool,
};
use tollgate_tests::{holds_within, load, output, seconds, wat_bytes};

const ENDLESS: [&str; 3] = ["spin", "sleep-hour", "poll-never"];
/// Two cores, and others work on them, too.
const MARGIN: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(10);

fn runtime_in(scratch: &Path, process: ProcessLimits) -> Runtime {
    Runtime::new(RuntimeConfig {
        scratch_folder: scratch.to_owned(),
        process,
        ..RuntimeConfig::default()
    })
    .expect("the runtime starts")
}

async fn endless_tools(runtime: &Runtime) -> Vec<(&'static str, Tool)> {
    let mut tools = Vec::new();
    for name in ENDLESS {
        tools.push((name, load(runtime, &packed_bytes(name)).await));
    }
    tools
}

/// Runs until the limit and says how long that took.
async fn times_out(name: &str, tool: &Tool, limits: Limits) -> Duration {
    let started = Instant::now();
    let input = if tool.kind().is_command() {
        json!(null)
    } else {
        json!({})
    };
    let outcome = tool
        .run(Run::only(input).owner(name).limits(limits))
        .await
        .expect("it starts");
    let failure = outcome.result.expect_err(name);
    assert_eq!(failure.kind, FailureKind::Timeout, "{name}: {failure:?}");
    started.elapsed()
}

/// The folders of runs that are under way, or not cleaned up yet.
fn run_folders(scratch: &Path) -> usize {
    let roots = entries(scratch);
    let runs = roots.iter().flat_map(|root| entries(root));
    runs.filter(|path| path.is_dir()).count()
}

/// The files that guests made: one that has made one is surely running.
fn files(scratch: &Path) -> usize {
    let roots = entries(scratch);
    let runs = roots.iter().flat_map(|root| entries(root));
    runs.flat_map(|run| entries(&run)).count()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_seven_end_at_their_limit_while_a_quick_tool_is_called() {
    let scratch = tempfile::tempdir().expect("a folder");
    let runtime = runtime_in(scratch.path(), ProcessLimits::default());
    let tools = endless_tools(&runtime).await;
    let markdown = load(&runtime, &packed_bytes("markdown")).await;
    let are_over = AtomicBool::new(false);

    let endless = async {
        let mut running = Vec::new();
        for (name, tool) in tools.iter().cycle().take(9 * ENDLESS.len()).cloned() {
            running.push(tokio::spawn(async move {
                (name, times_out(name, &tool, seconds(1.0)).await)
            }));
        }
        for run in running {
            let (name, taken) = run.await.expect("no panic");
            let limit = Duration::from_secs(1);
            assert!(
                taken >= limit && taken < limit + MARGIN,
                "{name} took {taken:?}"
            );
        }
        are_over.store(true, Ordering::Relaxed);
    };
    let quick = async {
        let mut calls = 0;
        while !are_over.load(Ordering::Relaxed) {
            let run = Run::new("render", json!({"markdown": "*a*"})).owner("quick");
            assert_eq!(
                output(markdown.run(run).await),
                json!("<p><em>a</em></p>\n")
            );
            calls += 1;
        }
        calls
    };
    let ((), calls) = tokio::join!(endless, quick);
    assert!(calls >= 20, "only {calls} quick calls came through");
    assert!(
        holds_within(SOON, || run_folders(scratch.path()) == 0),
        "{} scratch folders are left",
        run_folders(scratch.path())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn three_end_at_the_true_thirty_seconds() {
    let scratch = tempfile::tempdir().expect("a folder");
    let runtime = runtime_in(scratch.path(), ProcessLimits::default());
    let tools = endless_tools(&runtime).await;
    let [spin, sleep, poll] = &tools[..] else {
        panic!("three tools")
    };
    let defaults = Limits::default;
    let (spin, sleep, poll) = tokio::join!(
        times_out(spin.0, &spin.1, defaults()),
        times_out(sleep.0, &sleep.1, defaults()),
        times_out(poll.0, &poll.1, defaults()),
    );
    for (name, taken) in ENDLESS.iter().zip([spin, sleep, poll]) {
        let expected = Duration::from_secs(29)..Duration::from_secs(33);
        assert!(expected.contains(&taken), "{name} took {taken:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_gives_back_its_place_and_its_scratch() {
    let opens = "(drop (call $open (i32.const 97)))";
    let cases = [
        (
            "sleeping",
            guests::command(&format!("{opens} (call $sleep (i32.const 3600000))")),
        ),
        (
            "spinning",
            guests::command(&format!("{opens} (loop $again (br $again))")),
        ),
    ];
    for (label, text) in cases {
        let scratch = tempfile::tempdir().expect("a folder");
        let one_at_once = ProcessLimits {
            runs: 1,
            ..ProcessLimits::default()
        };
        let runtime = runtime_in(scratch.path(), one_at_once);
        let endless = load(&runtime, &wat_bytes(&text)).await;
        let copies = load(&runtime, &wat_bytes(&guests::copies_to_stdout())).await;
        let answer = async || copies.run(Run::only(json!(7))).await;

        let running = tokio::spawn(async move { endless.run(Run::only(json!(null))).await });
        let is_running = || files(scratch.path()) == 1;
        assert!(holds_within(SOON, is_running), "{label}: it never started");
        let refused = answer().await;
        assert!(
            matches!(refused, Err(Refused::AtCapacity)),
            "{label}: {refused:?}"
        );

        running.abort();
        assert!(
            running.await.is_err_and(|error| error.is_cancelled()),
            "{label}"
        );
        let deadline = Instant::now() + SOON;
        let mut ended = answer().await;
        while matches!(ended, Err(Refused::AtCapacity)) && Instant::now() < deadline {
            ended = answer().await;
        }
        assert_eq!(output(ended), json!(7), "{label}: its place");
        let is_quiet = holds_within(SOON, || run_folders(scratch.path()) == 0);
        assert!(is_quiet, "{label}: its scratch");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_dropped_while_it_waits_takes_nothing() {
    let scratch = tempfile::tempdir().expect("a folder");
    let one_at_once = ProcessLimits {
        guest_memory_bytes: 60 * 65_536,
        ..ProcessLimits::default()
    };
    let runtime = runtime_in(scratch.path(), one_at_once);
    let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
    let sleep =
        |milliseconds: u64| sleeps.run(Run::only(json!(milliseconds)).limits(seconds(20.0)));
    let first = sleep(300);
    let waits = async {
        tokio::time::timeout(Duration::from_millis(50), sleep(1))
            .await
            .expect_err("no room yet");
        sleep(1).await
    };
    let (first, third) = tokio::join!(first, waits);
    assert!(first.is_ok_and(|outcome| outcome.result.is_ok()));
    assert!(third.is_ok_and(|outcome| outcome.result.is_ok()));
}
