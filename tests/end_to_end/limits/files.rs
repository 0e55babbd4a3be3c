//! Bytes written to `/scratch` and entries made in it, for modules and components alike.

use super::{end, only};
use crate::guests;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;
use tollgate_fixtures::packed_bytes;
use tollgate_runtime::{FailureKind, Limits, Runtime, RuntimeConfig};
use tollgate_tests::{failure, load, output, packed, runtime, tool_of};

const WORLDS: [&str; 2] = ["hostile-files", "hostile-files-component"];
const MIB: u64 = 1 << 20;

/// Disks stall for longer than runs may take, and here it is bytes that are counted.
const PATIENCE: Duration = Duration::from_secs(300);

fn patient_runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let limits = Limits {
            timeout: PATIENCE,
            ..Limits::default()
        };
        let config = RuntimeConfig {
            limits,
            ..RuntimeConfig::default()
        };
        Runtime::new(config).expect("the runtime starts")
    })
}

async fn attack(world: &str, name: &str, limits: &Limits) -> (u64, Value) {
    let tool = load(patient_runtime(), &packed_bytes(world)).await;
    let limits = Limits {
        timeout: PATIENCE,
        ..limits.clone()
    };
    let ended = output(only(&tool, json!(name), limits).await);
    let done = ended["done"].as_u64().expect("a number");
    (done, ended["error"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_written_up_to_the_limit() {
    let _machine = crate::MACHINE.lock().await;
    for world in WORLDS {
        for name in ["fill", "overwrite", "append"] {
            let limits = |scratch_bytes| Limits {
                scratch_bytes,
                ..Limits::default()
            };
            for (bytes, steps) in [(3 * MIB, 3), (3 * MIB - 1, 2), (64 * MIB, 64)] {
                let (done, error) = attack(world, name, &limits(bytes)).await;
                assert_eq!(done, steps, "{world}, {name}, {bytes} bytes: {error}");
                assert!(error.is_string(), "{world}, {name}: nothing stopped it");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_work_needs_five_bytes_and_three_entries() {
    for world in WORLDS {
        for (bytes, entries, is_enough) in [(5, 3, true), (4, 3, false), (5, 2, false)] {
            let limits = Limits {
                scratch_bytes: bytes,
                scratch_entries: entries,
                ..Limits::default()
            };
            let (done, error) = attack(world, "honest", &limits).await;
            assert_eq!(error.is_null(), is_enough, "{world}: {done} steps, {error}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_made_up_to_the_limit_and_removing_gives_nothing_back() {
    for world in WORLDS {
        for entries in [7, 1024] {
            let limits = Limits {
                scratch_entries: entries,
                ..Limits::default()
            };
            for name in ["many-files", "create-and-remove"] {
                let (done, error) = attack(world, name, &limits).await;
                assert_eq!(done, entries, "{world}, {name}: {error}");
                assert!(error.is_string(), "{world}, {name}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_counts_what_was_written() {
    let manifest = guests::TEXT_IS_STDIN;
    let writes = guests::command(
        "(call $write (call $open (i32.const 97)) (global.get $input) (call $slurp))",
    );
    let tool = load(runtime(), &packed(&writes, manifest)).await;
    let limits = Limits {
        scratch_bytes: 1000,
        ..Limits::default()
    };
    let text = |bytes: usize| json!({"text": "a".repeat(bytes)});
    let outcome = only(&tool, text(1000), limits.clone())
        .await
        .expect("it starts");
    assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    assert_eq!(outcome.usage.scratch_bytes, 1000);
    let failure = failure(only(&tool, text(1001), limits).await);
    assert_eq!(
        failure.kind,
        FailureKind::Exit,
        "an errno, and the tool's own end: {failure:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_bytes_there_are_no_files() {
    let opens = tool_of(&guests::command("(drop (call $open (i32.const 97)))")).await;
    for (scratch_bytes, kind) in [(1, None), (0, Some(FailureKind::Exit))] {
        let limits = Limits {
            scratch_bytes,
            ..Limits::default()
        };
        let ended = only(&opens, json!(null), limits).await;
        assert_eq!(end(&ended).map(|(kind, _)| kind), kind, "{scratch_bytes}");
    }
}
