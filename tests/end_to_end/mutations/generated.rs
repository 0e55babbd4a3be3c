//! Modules and components that wasm-smith makes up: valid ones, mostly, whose code is anything at all.

use super::mutate::Random;
use super::{
    PANICS, RUN_TIME, Tally, WORKERS, assert_no_fault, check, count_panics, setting, tell,
};
use arbitrary::Unstructured;
use serde_json::Value;
use std::sync::atomic::Ordering;
use tollgate_runtime::{Limits, Outcome, Run};
use tollgate_tests::{refusal, runtime, wat_bytes};
use tollgate_validator::validate;
use wasm_smith::{Component, Config, Module};

const GENERATED: u64 = 2_000;
/// What a module is made from.
const SEED_BYTES: usize = 2048;

/// The exports of a WASI 0.1 command, so that many a module is one.
const COMMAND: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
const IMPORTS: &str = r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;

/// `TOLLGATE_GENERATED=1000000` makes more than the usual number; `TOLLGATE_MUTATIONS_SEED` repeats a run.
#[tokio::test(flavor = "multi_thread")]
async fn never_harm_the_host() {
    count_panics();
    let generated = setting("TOLLGATE_GENERATED", GENERATED);
    let seed = setting("TOLLGATE_MUTATIONS_SEED", super::SEED);
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let random = Random::new(seed.wrapping_add(worker));
            tokio::spawn(generate_and_judge(random, generated / WORKERS))
        })
        .collect();
    let mut tally = Tally::new();
    for worker in workers {
        for (end, count) in worker.await.expect("a worker ends") {
            *tally.entry(end).or_default() += count;
        }
    }
    tell(&format!("{generated} generated from seed {seed}"), &tally);
    assert_eq!(
        PANICS.load(Ordering::Relaxed),
        0,
        "the host panicked: {tally:?}"
    );
    assert_no_fault(&tally);
    let ran = tally.get("ran").copied().unwrap_or_default();
    assert!(ran > generated / 20, "too few ran: {tally:?}");
}

async fn generate_and_judge(mut random: Random, count: u64) -> Tally {
    let (exports, imports) = (wat_bytes(COMMAND), wat_bytes(IMPORTS));
    let mut tally = Tally::new();
    for index in 0..count {
        let bytes: Vec<_> = (0..SEED_BYTES / 8)
            .flat_map(|_| random.next().to_le_bytes())
            .collect();
        let mut unstructured = Unstructured::new(&bytes);
        let wasm = match index % 4 {
            // With everything that there is, offered here or not.
            0 => Module::new(everything(), &mut unstructured).map(|it| it.to_bytes()),
            1 => Component::new(everything(), &mut unstructured).map(|it| it.to_bytes()),
            _ => {
                Module::new(command(&exports, &imports), &mut unstructured).map(|it| it.to_bytes())
            }
        };
        let Ok(wasm) = wasm else { continue };
        let end = judge_and_run(&wasm).await;
        *tally.entry(end).or_default() += 1;
    }
    tally
}

fn everything() -> Config {
    Config {
        threads_enabled: true,
        memory64_enabled: true,
        gc_enabled: true,
        exceptions_enabled: true,
        max_memories: 12,
        max_tables: 20,
        ..Config::default()
    }
}

fn command(exports: &[u8], imports: &[u8]) -> Config {
    Config {
        exports: Some(exports.to_vec()),
        available_imports: Some(imports.to_vec()),
        // Among them is `externref`, which belongs to garbage collection.
        reference_types_enabled: false,
        threads_enabled: false,
        memory64_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        shared_everything_threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        max_memory32_bytes: 64 << 20,
        max_table_elements: 1000,
        allow_start_export: true,
        ..Config::default()
    }
}

async fn judge_and_run(wasm: &[u8]) -> String {
    let verdict = validate(runtime(), wasm).await;
    let Some(tool) = verdict.tool else {
        check(&verdict.violations, "a generated one");
        return format!("rejected {}", verdict.violations[0].code);
    };
    let limits = Limits {
        timeout: RUN_TIME,
        ..Limits::default()
    };
    let run = match tool.interface().functions().first() {
        Some(function) => Run::new(&function.name, Value::Null),
        None => Run::only(Value::Null),
    };
    match tool.run(run.limits(limits)).await {
        Ok(Outcome {
            result: Err(failure),
            ..
        }) if failure.kind.name() == "internal" => "failed internal".to_owned(),
        Ok(_) => "ran".to_owned(),
        Err(refused) => format!("refused {}", refusal(&refused)),
    }
}
