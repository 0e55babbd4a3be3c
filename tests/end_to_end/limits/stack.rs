//! The guest's stack: deep enough to work with, and its end is a trap, wherever it is met.

use super::call;
use serde_json::json;
use tollgate_runtime::{FailureKind, Limits};
use tollgate_tests::{output, tool_of};

/// Recurses so deep, and at the bottom asks the host for something if it is told to.
const RECURSES: &str = r#"(component
  (import "wasi:random/random@0.2.0" (instance $random
    (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
  (core module $memory
    (memory (export "memory") 2)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $bytes-of (canon lower (func $random "get-random-bytes") (memory $bytes) (realloc $realloc)))
  (core module $guest
    (import "wasi" "random" (func $random (param i64 i32)))
    (func $down (export "down") (param $left i32) (param $asks i32) (result i32)
      (if (result i32) (local.get $left)
        (then (i32.add (i32.const 1) (call $down (i32.sub (local.get $left) (i32.const 1)) (local.get $asks))))
        (else
          (if (local.get $asks) (then (call $random (i64.const 4096) (i32.const 16))))
          (i32.const 0)))))
  (core instance $guest (instantiate $guest (with "wasi" (instance (export "random" (func $bytes-of))))))
  (func (export "down") (param "levels" u32) (param "asks" bool) (result u32)
    (canon lift (core func $guest "down"))))"#;

#[tokio::test(flavor = "multi_thread")]
async fn ends_in_a_trap_wherever_it_is_met() {
    let tool = tool_of(RECURSES).await;
    for asks in [false, true] {
        let is_enough = async |levels: u32| {
            let input = json!({"levels": levels, "asks": asks});
            let outcome = call(&tool, "down", input, Limits::default())
                .await
                .expect("it starts");
            match outcome.result {
                Ok(output) => {
                    assert_eq!(output, json!(levels));
                    true
                }
                Err(failure) => {
                    let end = (failure.kind, failure.trap.as_deref());
                    assert_eq!(end, (FailureKind::Trap, Some("stack_overflow")), "{levels}");
                    false
                }
            }
        };
        let (mut enough, mut too_deep) = (1_000, 10_000_000);
        assert!(is_enough(enough).await && !is_enough(too_deep).await);
        while too_deep - enough > 1 {
            let middle = enough.midpoint(too_deep);
            if is_enough(middle).await {
                enough = middle;
            } else {
                too_deep = middle;
            }
        }
        let input = json!({"levels": enough, "asks": asks});
        let again = call(&tool, "down", input, Limits::default()).await;
        assert_eq!(output(again), json!(enough), "the same depth every time");
    }
}
