//! Small files that would cost a compiler or an engine much: refused, or admitted in bounded time.

use super::{has_code, judged, violations, violations_beside_a_neighbour, within};
use crate::bytes::{COMPONENT, custom, section};
use crate::compiling;
use std::fs;
use std::time::Duration;
use tollgate_runtime::Run;
use tollgate_tests::{seconds, tollgate, wat_bytes};

/// Five seconds of processor time, at the lowest priority beside all other tests.
pub(super) const COMPILE_BUDGET: Duration = Duration::from_secs(300);
pub(super) const SOON: Duration = Duration::from_secs(1);

fn command(fields: &str) -> Vec<u8> {
    wat_bytes(&format!("(module (memory (export \"memory\") 1) {fields})"))
}

pub(super) fn body(instructions: &str) -> Vec<u8> {
    command(&format!("(func (export \"_start\") {instructions})"))
}

#[tokio::test(flavor = "multi_thread")]
async fn for_the_compiler_are_refused_or_compiled() {
    let empty = "(func (export \"_start\"))";
    let cases = [
        (
            "20,000 loops",
            body(&("loop ".repeat(20_000) + &"end ".repeat(20_000))),
        ),
        (
            "20,000 blocks",
            body(&("block ".repeat(20_000) + &"end ".repeat(20_000))),
        ),
        (
            "5,000 ifs",
            body(&("i32.const 1 if ".repeat(5_000) + &"end ".repeat(5_000))),
        ),
        (
            "50,000 locals",
            body(&format!("(local {})", "i64 ".repeat(50_000))),
        ),
        (
            "100,000 functions",
            command(&(empty.to_owned() + &"(func)".repeat(100_000))),
        ),
        (
            "a jump table of a million",
            body(&format!(
                "block i32.const 0 br_table {} end",
                "0 ".repeat(1_000_000)
            )),
        ),
        (
            "a million additions",
            body(&format!(
                "i32.const 1 {} drop",
                "i32.const 1 i32.add ".repeat(1_000_000)
            )),
        ),
        (
            "a call of everything by everything",
            command(&format!(
                "{} (func (export \"_start\"))",
                format!("(func {})", "call 0 ".repeat(300)).repeat(1_000)
            )),
        ),
    ];
    let runtime = compiling::limited(compiling::low());
    for (label, bytes) in cases {
        let judging = compiling::judged(&runtime, "org", &bytes);
        let verdict = within(label, COMPILE_BUDGET, judging).await;
        let codes: Vec<_> = verdict.violations.iter().map(|it| it.code).collect();
        let is_either = verdict.is_admitted() == codes.is_empty();
        assert!(
            is_either && !codes.contains(&"check_failed"),
            "{label}: {codes:?}"
        );
        let Some(tool) = verdict.tool else { continue };
        let run = Run::only(serde_json::Value::Null).limits(seconds(1.0));
        let ended = tool.run(run).await.expect("it starts");
        assert_ne!(
            ended
                .result
                .as_ref()
                .err()
                .map(|failure| failure.kind.name()),
            Some("internal"),
            "{label}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_formats_own_bounds_are_malformed() {
    let cases = [
        (
            "50,001 locals",
            body(&format!("(local {})", "i64 ".repeat(50_001))),
        ),
        (
            "1,001 parameters",
            command(&format!("(func (param {}))", "i32 ".repeat(1_001))),
        ),
    ];
    for (label, bytes) in cases {
        let found = within(label, SOON, violations(label, &bytes)).await;
        assert!(has_code(&found, "format_malformed"), "{label}: {found:?}");
    }
}

/// A component that is instantiated twice at each level.
fn doubling(levels: usize) -> String {
    let mut text = "(component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    for level in 1..=levels {
        let inner = level - 1;
        text.push_str(&format!(
            "(component $c{level} (alias outer 1 $c{inner} (component $i))
              (instance (instantiate $i)) (instance (instantiate $i)))"
        ));
    }
    format!("(component {text} (instance (instantiate $c{levels})))")
}

pub(super) fn nests() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let nested = |depth: usize| "(component ".repeat(depth) + &")".repeat(depth);
    let components = |depth: usize| {
        (0..depth).fold(COMPONENT.to_vec(), |inner, _| {
            [COMPONENT, &section(4, &inner)].concat()
        })
    };
    let modules = format!(
        "(component (core module) {})",
        "(core instance (instantiate 0))".repeat(999)
    );
    vec![
        (
            "doubling at 13 levels",
            wat_bytes(&doubling(13)),
            "nested_too_many",
        ),
        (
            "doubling at 24 levels",
            wat_bytes(&doubling(24)),
            "instances_too_many",
        ),
        (
            "doubling at 400 levels",
            wat_bytes(&doubling(400)),
            "instances_too_many",
        ),
        (
            "components 90 deep",
            wat_bytes(&nested(90)),
            "nested_too_many",
        ),
        ("components 100 deep", components(100), "nested_too_many"),
        (
            "components 2,000 deep",
            components(2_000),
            "nested_too_many",
        ),
        ("999 instances", wat_bytes(&modules), "instances_too_many"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn that_nest_are_refused_within_a_second() {
    for (label, bytes, code) in nests() {
        let found = violations_beside_a_neighbour(label, SOON, bytes).await;
        assert!(has_code(&found, code), "{label}: {found:?}");
    }
}

#[test]
fn as_text_are_refused_by_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tool.wat");
    let cases = [
        ("components", "(component ".repeat(100_000)),
        (
            "blocks",
            format!("(module (func {}", "(block ".repeat(100_000)),
        ),
        (
            "types",
            format!("(component {}", "(type (instance ".repeat(100_000)),
        ),
        (
            "lists",
            format!("(component (type {}", "(list ".repeat(100_000)),
        ),
        ("comments", "(;".repeat(100_000)),
    ];
    for (label, text) in cases {
        fs::write(&path, text).expect("a file");
        let ended = tollgate(&["validate", &path.to_string_lossy(), "--json"]);
        assert_eq!(ended.code, Some(1), "{label}: {:.400}", ended.stderr);
        let verdict = tollgate_tests::json(&ended.stdout);
        assert_eq!(
            verdict["violations"][0]["code"], "format_malformed",
            "{label}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ballast_are_admitted_and_run() {
    let ballast = [&body("")[..], &custom("ballast", &vec![7; 19_000_000])].concat();
    let verdict = within("19 MB of ballast", COMPILE_BUDGET, judged(&ballast)).await;
    let tool = verdict.tool.expect("admitted");
    let ended = tool
        .run(Run::only(serde_json::Value::Null))
        .await
        .expect("it starts");
    assert!(ended.result.is_ok(), "{:?}", ended.result);
}
