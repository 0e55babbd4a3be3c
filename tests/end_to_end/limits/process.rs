//! What all runs of a process together may hold: what is not there ends a run as nobody's failure, and the next
//! one works.

use super::{call, end, only};
use crate::guests;
use serde_json::{Value, json};
use tollgate_runtime::{FailureKind, Limits, ProcessLimits, Refused, Runtime, RuntimeConfig, Tool};
use tollgate_tests::{failure, load, output, packed, wat_bytes};

const PAGE: u64 = 65_536;
const ERRNO_NO_SPACE: u32 = 51;

fn with(process: ProcessLimits) -> Runtime {
    Runtime::new(RuntimeConfig {
        process,
        ..RuntimeConfig::default()
    })
    .expect("the runtime starts")
}

fn is_at_capacity<T>(ended: Result<T, Refused>) -> bool {
    matches!(ended, Err(Refused::AtCapacity))
}

#[tokio::test(flavor = "multi_thread")]
async fn guest_memory_that_is_not_there_ends_a_run_as_nobody_s_failure() {
    let runtime = with(ProcessLimits {
        guest_memory_bytes: 16 * PAGE,
        ..ProcessLimits::default()
    });
    let tool = load(&runtime, &wat_bytes(&guests::grows(1))).await;
    for _ in 0..3 {
        let within = call(&tool, "grow", json!({"by": 15}), Limits::default()).await;
        assert_eq!(output(within), json!(1));
        let past = call(&tool, "grow", json!({"by": 16}), Limits::default()).await;
        assert!(is_at_capacity(past));
    }
    let larger = load(&runtime, &wat_bytes(&guests::grows(17))).await;
    let never = call(&larger, "grow", json!({"by": 0}), Limits::default()).await;
    assert!(is_at_capacity(never), "it could never start");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_the_memory_it_starts_with() {
    let runtime = with(ProcessLimits {
        guest_memory_bytes: 60 * PAGE,
        ..ProcessLimits::default()
    });
    let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
    let (first, second) = tokio::join!(
        only(&sleeps, json!(300), Limits::default()),
        only(&sleeps, json!(1), Limits::default()),
    );
    assert_eq!((end(&first), end(&second)), (None, None));
    let queued_us = second.expect("it ran").usage.queue_us;
    assert!(queued_us >= 250_000, "queued for {queued_us} µs");
}

#[tokio::test(flavor = "multi_thread")]
async fn buffers_the_host_lacks_end_a_run_as_nobody_s_failure() {
    let runtime = with(ProcessLimits {
        host_buffer_bytes: 16 * 4096,
        ..ProcessLimits::default()
    });
    let copies = packed(&guests::copies_to_stdout(), guests::TEXT_IS_STDIN);
    let copies = load(&runtime, &copies).await;
    let text = |bytes: usize| json!({"text": "a".repeat(bytes)});
    for _ in 0..3 {
        let within = only(&copies, text(10_000), Limits::default()).await;
        assert_eq!(end(&within), None, "10 kB in, 10 kB out");
        for bytes in [50_000, 70_000] {
            let past = only(&copies, text(bytes), Limits::default()).await;
            assert!(is_at_capacity(past), "{bytes} bytes in, as many out");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scratch_that_is_not_there_is_an_errno_for_the_guest() {
    let runtime = with(ProcessLimits {
        scratch_bytes: 8192,
        ..ProcessLimits::default()
    });
    let writes = guests::command(
        "(call $write (call $open (i32.const 97)) (global.get $input) (call $slurp))",
    );
    let writes = load(&runtime, &packed(&writes, guests::TEXT_IS_STDIN)).await;
    let text = |bytes: usize| json!({"text": "a".repeat(bytes)});
    for _ in 0..3 {
        assert_eq!(
            end(&only(&writes, text(8192), Limits::default()).await),
            None
        );
        let failure = failure(only(&writes, text(8193), Limits::default()).await);
        assert_eq!(
            (failure.kind, failure.exit_code),
            (FailureKind::Exit, Some(ERRNO_NO_SPACE))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_too_many_at_once_is_refused_and_not_failed() {
    let runtime = with(ProcessLimits {
        runs: 2,
        queue: 0,
        ..ProcessLimits::default()
    });
    let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
    let run = |milliseconds: u64| run(&sleeps, json!(milliseconds));
    let (one, other, third) = tokio::join!(run(500), run(500), run(500));
    let refused = [&one, &other, &third]
        .into_iter()
        .filter(|ended| matches!(ended, Err(Refused::AtCapacity)))
        .count();
    let good = [&one, &other, &third]
        .into_iter()
        .filter(|ended| ended.as_ref().is_ok_and(|outcome| outcome.result.is_ok()))
        .count();
    assert_eq!((good, refused), (2, 1), "{one:?}\n{other:?}\n{third:?}");
    let (one, other) = tokio::join!(run(1), run(1));
    assert_eq!((end(&one), end(&other)), (None, None));
}

async fn run(tool: &Tool, input: Value) -> Result<tollgate_runtime::Outcome, Refused> {
    only(tool, input, Limits::default()).await
}
