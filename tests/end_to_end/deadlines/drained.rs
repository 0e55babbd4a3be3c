//! A runtime that is to stop: what runs may end, what waits is refused, and nothing begins.

use super::{SOON, runtime};
use crate::guests;
use serde_json::json;
use std::time::Duration;
use tollgate_runtime::{ProcessLimits, Refused, Run};
use tollgate_tests::{holds_within, load, seconds, wat_bytes};

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_waits_and_lets_end_what_runs() {
    let scratch = tempfile::tempdir().expect("a folder");
    let one_at_once = ProcessLimits {
        runs: 1,
        wait: Duration::from_secs(30),
        ..ProcessLimits::default()
    };
    let runtime = runtime(one_at_once, scratch.path());
    let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
    let start = |milliseconds: u64| {
        let (tool, run) = (sleeps.clone(), Run::only(json!(milliseconds)));
        tokio::spawn(async move { tool.run(run.limits(seconds(30.0))).await })
    };
    let running = start(1500);
    assert!(holds_within(SOON, || runtime.runs() == 1));
    let waiting = start(1);
    let mut waiting = Box::pin(waiting);
    let waited = tokio::time::timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(waited.is_err(), "there is no place: {waited:?}");

    assert_eq!(
        runtime.drain(Duration::from_millis(50)).await,
        1,
        "too soon"
    );
    let refused = waiting.await.expect("no panic");
    assert!(matches!(refused, Err(Refused::AtCapacity)), "{refused:?}");
    assert!(!running.is_finished(), "refused before it ended");
    assert_eq!(runtime.drain(Duration::from_secs(20)).await, 0);
    let ended = running.await.expect("no panic").expect("it had started");
    assert!(ended.result.is_ok(), "{ended:?}");
    let later = start(1).await.expect("no panic");
    assert!(matches!(later, Err(Refused::AtCapacity)), "{later:?}");
}
