//! Small files that cost a compiler much: each is admitted or named, in bounded time, at nobody else's cost.

use super::*;
use crate::bytes::{MODULE, leb, section};
use serde_json::{Value, json};
use std::time::Instant;
use tollgate_runtime::{Run, Tool};
use tollgate_tests::{output, wat_bytes};

/// Five seconds of processor time, at the lowest priority beside all other tests.
const BUDGET: Duration = Duration::from_secs(300);
/// What a parent holds of a bomb: its bytes, and what the checks note of a million functions.
const GROWTH_BYTES_MAX: u64 = 128 << 20;

fn body(instructions: &str) -> Vec<u8> {
    wat_bytes(&format!(
        r#"(module (memory (export "memory") 1) (func (export "_start") {instructions}))"#
    ))
}

/// A function of loops in loops.
pub(crate) fn nested_loops(count: usize) -> Vec<u8> {
    body(&("loop ".repeat(count) + &"end ".repeat(count)))
}

/// So many functions that do nothing; the first is the command.
fn empty_functions(count: usize) -> Vec<u8> {
    let vector = |items: &[u8]| [leb(count), items.repeat(count)].concat();
    [
        MODULE,
        &section(1, b"\x01\x60\0\0"),
        &section(3, &vector(b"\0")),
        &section(5, b"\x01\0\x01"),
        &section(7, b"\x02\x06_start\0\0\x06memory\x02\0"),
        &section(10, &vector(b"\x02\0\x0b")),
    ]
    .concat()
}

/// A function of so many locals that are all alive at once, across a loop.
fn live_locals(count: usize) -> Vec<u8> {
    let set: String = (0..count)
        .map(|local| {
            format!(
                "(local.set {local} (i64.load (i32.const {})))",
                8 * (local % 8000)
            )
        })
        .collect();
    let used: String = (0..count)
        .map(|local| format!("(i64.store (i32.const 8) (local.get {local}))"))
        .collect();
    let locals = "i64 ".repeat(count);
    body(&format!(
        "(local {locals}) (loop {set} (br_if 0 (i32.load (i32.const 0))) {used})"
    ))
}

/// A component whose types stand for far more than its bytes: tuples that double at each of so many levels, passed
/// from one component to another.
fn doubling_types(levels: usize) -> Vec<u8> {
    let types: String = (1..=levels)
        .map(|level| {
            let inner = format!("$t{}", level - 1);
            format!("(type $t{level} (tuple {inner} {inner}))")
        })
        .collect();
    let types = format!("(type $t0 (result u8 (error string))) {types}");
    let top = format!("$t{levels}");
    wat_bytes(&format!(
        r#"(component
            {types}
            (component $inner
                (core module $m
                    (memory (export "memory") 1)
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                    (func (export "f") (param i32)))
                (core instance $m (instantiate $m))
                (alias outer 1 {top} (type $top))
                (func (export "f") (param "x" $top)
                    (canon lift (core func $m "f") (memory $m "memory") (realloc (func $m "realloc")))))
            (instance $a (instantiate $inner))
            (core module $libc
                (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
            (core instance $libc (instantiate $libc))
            (core func $lowered (canon lower (func $a "f") (memory $libc "memory")
                (realloc (func $libc "realloc"))))
            (core module $main
                (import "" "f" (func $f (param i32)))
                (func (export "go") (call $f (i32.const 0))))
            (core instance $main (instantiate $main (with "" (instance (export "f" (func $lowered))))))
            (func (export "go") (canon lift (core func $main "go"))))"#
    ))
}

/// A component whose instance types share their parts: `width` to the third exports when written out, which the parser
/// compares again at each instantiation.
pub(super) fn shared_instance_types(width: usize, instantiations: usize) -> Vec<u8> {
    let exports = |of: &str| -> String {
        (0..width)
            .map(|it| format!(r#"(export "e{it}" {of})"#))
            .collect()
    };
    let ty = (0..2).fold(
        format!("(instance {})", exports("(func)")),
        |inner, level| {
            let shared = exports(&format!("(instance (type $t{level}))"));
            format!("(instance (type $t{level} {inner}) {shared})")
        },
    );
    let made = r#"(instance (instantiate $c (with "x" (instance $x))))"#.repeat(instantiations);
    wat_bytes(&format!(
        r#"(component
            (type $T {ty})
            (import "x" (instance $x (type $T)))
            (component $c (alias outer 1 $T (type $V)) (import "x" (instance (type $V))))
            {made})"#
    ))
}

/// As many jump tables as blocks, each with a way out of each of them.
pub(super) fn jump_tables(count: usize) -> Vec<u8> {
    let targets: String = (0..count).map(|it| format!("{it} ")).collect();
    let table = format!(
        "(if (i32.load (i32.const 0)) (then (br_table {targets} (i32.load (i32.const 4)))))"
    );
    let (open, close) = ("block ".repeat(count), "end ".repeat(count));
    body(&format!("{open} {} {close}", table.repeat(count)))
}

pub(crate) fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("20,000 nested loops", nested_loops(20_000)),
        (
            "50,000 locals",
            body(&format!("(local {})", "i64 ".repeat(50_000))),
        ),
        ("20,000 locals alive at once", live_locals(20_000)),
        ("a million empty functions", empty_functions(1_000_000)),
        (
            "a jump table of a million",
            body(&format!(
                "block i32.const 0 br_table {} end",
                "0 ".repeat(1_000_000)
            )),
        ),
        (
            "a thousand jump tables out of a thousand blocks",
            jump_tables(1000),
        ),
        ("types that double at 17 levels", doubling_types(17)),
        (
            "calls of everything by everything",
            wat_bytes(&format!(
                r#"(module (memory (export "memory") 1) {} (func (export "_start")))"#,
                format!("(func {})", "call 0 ".repeat(300)).repeat(10_000)
            )),
        ),
    ]
}

/// Resident memory of this process, which other tests share.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    1024 * kib
        .and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
}

/// In a process of its own, whose memory nothing else uses.
#[test]
fn cost_their_child_only() {
    let alone = std::process::Command::new(std::env::current_exe().expect("a path"))
        .args([
            "--exact",
            "--ignored",
            "--nocapture",
            "compiling::bombs::cost_little_here",
        ])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&alone.stderr);
    eprintln!("{said}");
    assert!(
        alone.status.success() && said.contains("calls of everything"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above"]
async fn cost_little_here() {
    let runtime = limited(low());
    let small = wat_bytes(r#"(module (memory (export "memory") 1) (func (export "_start")))"#);
    let small = judged(&runtime, "quiet", &small).await.tool;
    let small = small.expect("admitted");
    for (label, wasm) in bombs() {
        let before = resident_bytes();
        let started = Instant::now();
        let judging = {
            let runtime = runtime.clone();
            tokio::spawn(async move { judged(&runtime, "noisy", &wasm).await })
        };
        let mut peak = before;
        let mut runs = 0;
        while !judging.is_finished() {
            peak = peak.max(resident_bytes());
            quick(&small, label).await;
            runs += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took = started.elapsed();
        let verdict = judging.await.expect("no panic");
        let codes: Vec<_> = verdict.violations.iter().map(|it| it.code).collect();
        eprintln!(
            "{label}: {codes:?} in {took:?}, {runs} runs beside it, {} MiB more",
            (peak - before) >> 20
        );
        assert!(took < BUDGET, "{label} took {took:?}");
        let is_bomb = !codes.contains(&"format_malformed");
        assert!(is_bomb, "{label}: {:?}", verdict.violations);
        let is_named = codes == ["compile_budget"] || !codes.contains(&"check_failed");
        assert!(
            is_named && verdict.is_admitted() == codes.is_empty(),
            "{label}: {codes:?}"
        );
        assert!(
            peak - before < GROWTH_BYTES_MAX,
            "{label}: {} bytes",
            peak - before
        );
    }
}

/// A run of another's tool is not kept waiting.
async fn quick(tool: &Tool, label: &str) {
    let started = Instant::now();
    assert_eq!(
        output(tool.run(Run::only(Value::Null).owner("quiet")).await),
        json!("")
    );
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(2),
        "{label}: a run beside it took {took:?}"
    );
}
