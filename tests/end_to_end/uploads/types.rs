//! Types that nest or multiply: small files that describe enormous things. Judged where nobody waits for the thread.

use super::{has_code, judged_beside_a_neighbour, violations_beside_a_neighbour};
use crate::bytes::{COMPONENT, section};
use std::fs;
use std::time::Duration;
use tollgate_tests::{tollgate, wat_bytes};

const SOON: Duration = Duration::from_secs(1);
/// What is admitted is compiled first, beside all other tests.
const COMPILED: Duration = Duration::from_secs(60);

/// Instance types in instance types, three bytes a level.
fn types_in_types(depth: usize) -> Vec<u8> {
    let content = [&[1][..], &[0x42, 1, 1].repeat(depth), &[0x42, 0]].concat();
    [COMPONENT, &section(7, &content)].concat()
}

/// A tool whose function takes lists of lists.
fn lists_in_lists(depth: usize) -> Vec<u8> {
    let lists: String = (1..depth)
        .map(|level| format!("(type $t{level} (list $t{}))", level - 1))
        .collect();
    wat_bytes(&format!(
        r#"(component
          (core module $guest
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "take") (param i32 i32)))
          (core instance $guest (instantiate $guest))
          (type $t0 (list bool)) {lists}
          (func (export "take") (param "value" $t{})
            (canon lift (core func $guest "take")
              (memory $guest "memory") (realloc (func $guest "realloc")))))"#,
        depth - 1
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn in_types_are_refused_however_deep() {
    for depth in [200, 2_000, 20_000, 200_000, 6_000_000] {
        let label = format!("{depth} levels");
        let found = violations_beside_a_neighbour(&label, SOON, types_in_types(depth)).await;
        assert_eq!(found[0].code, "nested_too_many", "{label}: {}", found[0]);
    }
}

#[test]
fn in_types_do_not_crash_the_program() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tool.wasm");
    fs::write(&path, types_in_types(200_000)).expect("a file");
    let path = path.to_string_lossy();
    for (command, code) in [("validate", 1), ("inspect", 1), ("run", 3)] {
        let ended = tollgate(&[command, &path]);
        assert_eq!(ended.code, Some(code), "{command}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_a_function_nest_as_deep_as_json_may() {
    // The last level is the element.
    let verdict = judged_beside_a_neighbour("63 lists", COMPILED, lists_in_lists(63)).await;
    assert!(verdict.is_admitted(), "{:?}", verdict.violations);
    // A component's types nest a hundred levels deep at most: beyond that it is not valid, whatever JSON may carry.
    for (depth, code) in [
        (64, "type_unsupported"),
        (65, "type_unsupported"),
        (90, "type_unsupported"),
        (1_000, "format_malformed"),
    ] {
        let label = format!("{depth} lists");
        let found = violations_beside_a_neighbour(&label, SOON, lists_in_lists(depth)).await;
        assert_eq!(found[0].code, code, "{label}: {}", found[0]);
        let place = &found[0].place;
        let is_placed =
            place.offset.is_some() && (place.function.is_some() || code == "format_malformed");
        assert!(is_placed, "{label}: {}", found[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn of_a_function_that_double_are_refused_soon() {
    let mut types = "(type $t0 (tuple u8 u8))".to_owned();
    for level in 1..40 {
        let inner = level - 1;
        types.push_str(&format!("(type $t{level} (tuple $t{inner} $t{inner}))"));
    }
    let bytes = wat_bytes(&format!(
        r#"(component {types}
          (import "wasi:cli/environment@0.2.0" (instance $i (export "f" (func (param "p" $t39)))))
          (export "f" (func $i "f")))"#
    ));
    let found = violations_beside_a_neighbour("doubling types", SOON, bytes).await;
    // Past a million parts a type is not valid.
    assert_eq!(found[0].code, "format_malformed", "{}", found[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_number_are_refused() {
    for (label, ty) in [("plain", "(type u8)"), ("core", "(core type (func))")] {
        let bytes = wat_bytes(&format!("(component {})", ty.repeat(10_000)));
        let found = violations_beside_a_neighbour(label, SOON, bytes).await;
        assert!(has_code(&found, "types_too_many"), "{label}: {found:?}");
    }
}
