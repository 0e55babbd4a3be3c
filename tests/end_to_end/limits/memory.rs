//! Linear memory over all memories of a run, and the elements of tables.

use super::{call, end};
use crate::guests;
use serde_json::json;
use tollgate_runtime::{FailureKind, Limits};
use tollgate_tests::{load, output, packed, runtime, tool_of};

const PAGE: u64 = 65_536;

#[tokio::test(flavor = "multi_thread")]
async fn grows_to_its_limit_and_not_a_page_further() {
    let tool = tool_of(&guests::grows(1)).await;
    let lowered = Limits {
        memory_bytes: 4 * PAGE,
        ..Limits::default()
    };
    let odd = Limits {
        memory_bytes: 4 * PAGE - 1,
        ..Limits::default()
    };
    let cases = [
        ("128 MiB", 2047, Limits::default(), true),
        ("a page more", 2048, Limits::default(), false),
        ("lowered", 3, lowered.clone(), true),
        ("lowered, a page more", 4, lowered, false),
        ("a byte less than the pages", 3, odd, false),
    ];
    for (label, by, limits, is_granted) in cases {
        let grown = call(&tool, "grow", json!({"by": by}), limits.clone()).await;
        let peak = grown.as_ref().expect("it starts").usage.memory_peak_bytes;
        assert_eq!(
            output(grown),
            json!(if is_granted { 1 } else { -1 }),
            "{label}"
        );
        let expected = if is_granted { (1 + by) * PAGE } else { PAGE };
        assert_eq!(peak, expected, "{label}");
        let ended = call(&tool, "must-grow", json!({"by": by}), limits).await;
        let refused = Some((FailureKind::MemoryLimit, Some("memory")));
        assert_eq!(
            end(&ended),
            if is_granted { None } else { refused },
            "{label}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn is_counted_over_all_memories_together() {
    let text = r#"(component
      (core module $guest
        (memory $one 1) (memory $other 1)
        (func (export "grow") (param i32 i32) (result i32)
          (if (result i32) (i32.eq (memory.grow $one (local.get 0)) (i32.const -1))
            (then (i32.const -1))
            (else (memory.grow $other (local.get 1))))))
      (core instance $guest (instantiate $guest))
      (func (export "grow") (param "one" u32) (param "other" u32) (result s32)
        (canon lift (core func $guest "grow"))))"#;
    let tool = tool_of(text).await;
    for (one, other, expected) in [
        (1023, 1023, 1),
        (2046, 0, 1),
        (1023, 1024, -1),
        (2047, 0, -1),
    ] {
        let input = json!({"one": one, "other": other});
        let grown = call(&tool, "grow", input, Limits::default()).await;
        assert_eq!(
            output(grown),
            json!(expected),
            "{one} and {other} pages more"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn that_a_tool_starts_with_counts_against_what_the_caller_lowered() {
    let tool = tool_of(&guests::grows(4)).await;
    for (pages, expected) in [
        (4, None),
        (3, Some((FailureKind::MemoryLimit, Some("memory")))),
    ] {
        let limits = Limits {
            memory_bytes: pages * PAGE,
            ..Limits::default()
        };
        let ended = call(&tool, "grow", json!({"by": 0}), limits).await;
        assert_eq!(end(&ended), expected, "{pages} pages");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_lowers_it() {
    let manifest = "name = \"grows\"\n[limits]\nmemory = \"256KiB\"";
    let tool = load(runtime(), &packed(&guests::grows(1), manifest)).await;
    for (by, expected) in [(3, 1), (4, -1)] {
        let grown = call(&tool, "grow", json!({"by": by}), Limits::default()).await;
        assert_eq!(output(grown), json!(expected), "{by}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_grows_to_its_elements_and_no_further() {
    let text = r#"(component
      (core module $guest
        (table $table 10 funcref)
        (func (export "grow") (param i32) (result i32) (table.grow $table (ref.null func) (local.get 0)))
        (func (export "must-grow") (param i32)
          (if (i32.eq (table.grow $table (ref.null func) (local.get 0)) (i32.const -1)) (then (unreachable)))))
      (core instance $guest (instantiate $guest))
      (func (export "grow") (param "by" u32) (result s32) (canon lift (core func $guest "grow")))
      (func (export "must-grow") (param "by" u32) (canon lift (core func $guest "must-grow"))))"#;
    let tool = tool_of(text).await;
    let over = Some((FailureKind::MemoryLimit, Some("table")));
    for (by, expected, ended) in [(99_990, 10, None), (99_991, -1, over)] {
        let grown = call(&tool, "grow", json!({"by": by}), Limits::default()).await;
        assert_eq!(output(grown), json!(expected), "{by}");
        let must_grow = call(&tool, "must-grow", json!({"by": by}), Limits::default()).await;
        assert_eq!(end(&must_grow), ended, "{by}");
    }
}
