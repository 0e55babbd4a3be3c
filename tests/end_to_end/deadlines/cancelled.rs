//! Runs whose future is dropped. Limits are generous, as the machine may be busy; what was seen is printed.

use super::{Crowd, SOON, runtime};
use crate::guests;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tollgate_runtime::{Outcome, ProcessLimits, Refused, Run, Runtime, Tool};
use tollgate_tests::{holds_within, load, output, seconds, wat_bytes};

const AT_ONCE: Duration = Duration::from_millis(500);

type Running = JoinHandle<Result<Outcome, Refused>>;

fn start(tool: &Tool, owner: &str) -> Running {
    let (tool, run) = (tool.clone(), Run::only(json!(3_600_000)).owner(owner));
    tokio::spawn(async move { tool.run(run.limits(seconds(30.0))).await })
}

async fn spins_and_sleeps(runtime: &Runtime) -> [(&'static str, Tool); 2] {
    let opens = "(drop (call $open (i32.const 97)))";
    let spins = guests::command(&format!("{opens} (loop $again (br $again))"));
    let sleeps = guests::command(&format!("{opens} (call $sleep (i32.const 3600000))"));
    [
        ("running", load(runtime, &wat_bytes(&spins)).await),
        ("suspended", load(runtime, &wat_bytes(&sleeps)).await),
    ]
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// The folders of runs, which have one each.
fn folders(scratch: &Path) -> Vec<PathBuf> {
    let roots = entries(scratch);
    let within = roots.iter().flat_map(|root| entries(root));
    within.filter(|path| path.is_dir()).collect()
}

/// A guest that has made its file is surely running.
fn have_started(scratch: &Path, runs: usize) -> bool {
    let files = || folders(scratch).iter().flat_map(|it| entries(it)).count();
    holds_within(SOON, || files() == runs)
}

fn are_gone(runtime: &Runtime, scratch: &Path) -> bool {
    runtime.runs() == 0 && folders(scratch).is_empty()
}

/// Cancels runs and says how long it took until nothing was left of them.
fn cancel(runs: &[Running], runtime: &Runtime, scratch: &Path) -> Duration {
    let cancelled = Instant::now();
    runs.iter().for_each(JoinHandle::abort);
    let patience = cancelled + SOON;
    while !are_gone(runtime, scratch) && Instant::now() < patience {
        std::thread::sleep(Duration::from_micros(200));
    }
    cancelled.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
async fn are_gone_at_once_running_or_suspended() {
    let scratch = tempfile::tempdir().expect("a folder");
    let runtime = runtime(ProcessLimits::default(), scratch.path());
    for (label, tool) in spins_and_sleeps(&runtime).await {
        let mut taken = Vec::new();
        for _ in 0..5 {
            let run = start(&tool, "one");
            assert!(have_started(scratch.path(), 1), "{label}");
            taken.push(cancel(&[run], &runtime, scratch.path()));
        }
        taken.sort();
        println!("{label}: gone after {taken:?}");
        assert!(taken[2] < AT_ONCE, "{label}: {taken:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn are_gone_at_once_a_hundred_together() {
    let scratch = tempfile::tempdir().expect("a folder");
    let runtime = runtime(ProcessLimits::default(), scratch.path());
    let tools = spins_and_sleeps(&runtime).await;
    let runs: Vec<_> = (0..100)
        .map(|index| start(&tools[index % 2].1, &format!("owner {}", index % 10)))
        .collect();
    assert!(have_started(scratch.path(), 100));
    assert_eq!(runtime.runs(), 100);
    let taken = cancel(&runs, &runtime, scratch.path());
    println!("a hundred: gone after {taken:?}");
    assert!(taken < SOON, "{} are left", runtime.runs());
    assert!(are_gone(&runtime, scratch.path()));
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_is_gone_at_once_while_fifty_others_spin() {
    let scratch = tempfile::tempdir().expect("a folder");
    let runtime = runtime(ProcessLimits::default(), scratch.path());
    let [(_, spins), (_, sleeps)] = spins_and_sleeps(&runtime).await;
    let run = start(&sleeps, "one");
    assert!(have_started(scratch.path(), 1));
    let crowd = Crowd::new(&spins);
    assert!(holds_within(SOON, || runtime.runs() == 51));
    let cancelled = Instant::now();
    run.abort();
    assert!(holds_within(SOON, || runtime.runs() == 50));
    let taken = cancelled.elapsed();
    println!("beside fifty: gone after {taken:?}");
    assert!(taken < SOON);
    drop(crowd);
    assert!(holds_within(SOON, || are_gone(&runtime, scratch.path())));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_queued_leave_their_place_in_the_queue() {
    let scratch = tempfile::tempdir().expect("a folder");
    let one_and_one = ProcessLimits {
        runs: 1,
        queue: 1,
        wait: Duration::from_secs(30),
        ..ProcessLimits::default()
    };
    let runtime = runtime(one_and_one, scratch.path());
    let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
    let sleep = |input: Value| sleeps.run(Run::only(input).owner("one").limits(seconds(30.0)));

    let first = start(&sleeps, "first");
    assert!(holds_within(SOON, || runtime.runs() == 1));
    for _ in 0..5 {
        let mut queued = Box::pin(sleep(json!(1)));
        let waited = tokio::time::timeout(Duration::from_millis(20), &mut queued).await;
        assert!(waited.is_err(), "there is no place: {waited:?}");
        let refused = sleep(json!(1)).await;
        assert!(matches!(refused, Err(Refused::AtCapacity)), "{refused:?}");
        drop(queued);
    }
    first.abort();
    assert_eq!(output(sleep(json!(1)).await), json!(""));
}
