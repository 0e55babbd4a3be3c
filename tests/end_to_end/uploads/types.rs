//! Types that nest or multiply: small files that describe enormous things.

use super::{judged, violations, within};
use crate::bytes::{COMPONENT, section};
use std::fs;
use std::time::Duration;
use tollgate_tests::{tollgate, wat_bytes};

const SOON: Duration = Duration::from_secs(1);

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

#[tokio::test(flavor = "multi_thread")]
async fn in_types_are_refused_however_deep() {
    for depth in [200, 2_000, 20_000, 200_000, 6_000_000] {
        let label = format!("{depth} levels");
        let bytes = types_in_types(depth);
        within(&label, SOON, violations(&label, &bytes)).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn of_a_function_nest_as_deep_as_json_may() {
    // The last level is the element.
    assert!(judged(&lists_in_lists(63)).await.is_admitted());
    for depth in [64, 65, 90] {
        let found = violations("lists in lists", &lists_in_lists(depth)).await;
        assert_eq!(found[0].code, "type_unsupported", "{depth}: {}", found[0]);
        assert!(found[0].place.function.is_some(), "{depth}: {}", found[0]);
    }
    within(
        "a thousand",
        SOON,
        violations("lists", &lists_in_lists(1_000)),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
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
    within("doubling types", SOON, violations("doubling types", &bytes)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_number_are_refused() {
    for (label, ty) in [("plain", "(type u8)"), ("core", "(core type (func))")] {
        let bytes = wat_bytes(&format!("(component {})", ty.repeat(10_000)));
        let found = within(label, SOON, violations(label, &bytes)).await;
        assert!(
            super::has_code(&found, "types_too_many"),
            "{label}: {found:?}"
        );
    }
}
