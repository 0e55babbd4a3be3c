//! The time a run has, and the clocks it reads.

use super::{end, only};
use crate::guests;
use serde_json::json;
use std::time::{Duration, Instant};
use tollgate_runtime::{FailureKind, Limits};
use tollgate_tests::{load, output, packed, runtime, seconds, tool_of};

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_done_in_time_succeeds_and_one_that_is_not_does_not() {
    let sleeps = tool_of(&guests::sleeps()).await;
    let ended = only(&sleeps, json!(300), seconds(10.0)).await;
    assert_eq!(end(&ended), None);
    let usage = ended.expect("it ran").usage;
    assert!(
        usage.wall_us >= 300_000 && usage.host_us >= 100_000,
        "{usage:?}"
    );

    let started = Instant::now();
    let ended = only(&sleeps, json!(10_000), seconds(0.3)).await;
    assert_eq!(end(&ended), Some((FailureKind::Timeout, None)));
    let taken = started.elapsed();
    assert!(
        (Duration::from_millis(300)..Duration::from_secs(3)).contains(&taken),
        "{taken:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_and_a_caller_only_shorten_it() {
    let manifest = "name = \"sleeps\"\n[limits]\ntimeout = \"300ms\"";
    let sleeps = load(runtime(), &packed(&guests::sleeps(), manifest)).await;
    let cases = [
        ("the manifest's", 10_000, Limits::default(), true),
        ("a longer one", 10_000, seconds(20.0), true),
        ("a shorter one", 200, seconds(0.05), true),
        ("within both", 1, seconds(20.0), false),
    ];
    for (label, milliseconds, limits, is_timeout) in cases {
        let ended = only(&sleeps, json!(milliseconds), limits).await;
        let expected = is_timeout.then_some((FailureKind::Timeout, None));
        assert_eq!(end(&ended), expected, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_above_the_runtime_s_raise_nothing() {
    let raised = Limits {
        timeout: Duration::from_secs(3600),
        memory_bytes: u64::MAX,
        input_bytes: u64::MAX,
        output_bytes: u64::MAX,
        ..Limits::default()
    };
    let copies = load(
        runtime(),
        &packed(&guests::copies_to_stdout(), guests::TEXT_IS_STDIN),
    )
    .await;
    let text = "a".repeat(2 << 20);
    let refused = only(&copies, json!({ "text": text }), raised.clone()).await;
    assert!(refused.is_err(), "2 MiB of input: {refused:?}");
    let grows = tool_of(&guests::grows(1)).await;
    let grown = super::call(&grows, "grow", json!({"by": 2048}), raised).await;
    assert_eq!(output(grown), json!(-1));
}

#[tokio::test(flavor = "multi_thread")]
async fn file_times_move_in_milliseconds_for_modules() {
    let times = guests::command(
        "(local $time i32)
        (call $expect (call $fd_filestat_get (call $open (i32.const 97)) (i32.const 512)))
        (local.set $time (i32.const 552))
        (loop $next
          (call $expect (i32.wrap_i64 (i64.rem_u (i64.load (local.get $time)) (i64.const 1000000))))
          (call $expect (i64.eqz (i64.load (local.get $time))))
          (local.set $time (i32.add (local.get $time) (i32.const 8)))
          (br_if $next (i32.lt_u (local.get $time) (i32.const 576))))",
    );
    let tool = tool_of(&times).await;
    for _ in 0..5 {
        assert_eq!(end(&only(&tool, json!(null), seconds(5.0)).await), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn file_times_move_in_milliseconds_for_components() {
    let tool = tool_of(STAT).await;
    for _ in 0..5 {
        let remainders = output(only(&tool, json!({}), seconds(5.0)).await);
        assert_eq!(remainders, json!(0), "nanoseconds past the millisecond");
    }
}

/// Adds up what the three times of `/scratch` have beyond whole milliseconds.
const STAT: &str = r#"(component $tool
  (import "wasi:filesystem/types@0.2.0" (instance $files
    (export "descriptor" (type $descriptor (sub resource)))
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (type $kind' (enum "unknown" "block-device" "character-device" "directory" "fifo" "symbolic-link"
      "regular-file" "socket"))
    (export "descriptor-type" (type $kind (eq $kind')))
    (type $error' (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist"
      "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop"
      "too-many-links" "message-size" "name-too-long" "no-device" "no-entry" "no-lock" "insufficient-memory"
      "insufficient-space" "not-directory" "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device"
      "overflow" "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $error (eq $error')))
    (type $stat' (record (field "type" $kind) (field "link-count" u64) (field "size" u64)
      (field "data-access-timestamp" (option $datetime)) (field "data-modification-timestamp" (option $datetime))
      (field "status-change-timestamp" (option $datetime))))
    (export "descriptor-stat" (type $stat (eq $stat')))
    (export "[method]descriptor.stat"
      (func (param "self" (borrow $descriptor)) (result (result $stat (error $error)))))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer $tool $descriptor (type $outer))
    (export "descriptor" (type $descriptor (eq $outer)))
    (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))
  (core module $memory
    (memory (export "memory") 1)
    (global $end (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $end)
      (global.set $end (i32.add (global.get $end) (i32.const 64)))))
  (core instance $memory (instantiate $memory))
  (alias core export $memory "memory" (core memory $bytes))
  (alias core export $memory "realloc" (core func $realloc))
  (core func $stat (canon lower (func $files "[method]descriptor.stat") (memory $bytes)))
  (core func $directories
    (canon lower (func $preopens "get-directories") (memory $bytes) (realloc $realloc)))
  (core module $guest
    (import "wasi" "memory" (memory 1))
    (import "wasi" "stat" (func $stat (param i32 i32)))
    (import "wasi" "directories" (func $directories (param i32)))
    (func $remainder (param $at i32) (result i32)
      (if (i32.eqz (i32.load8_u (local.get $at))) (then (unreachable)))
      (i32.rem_u (i32.load (i32.add (local.get $at) (i32.const 16))) (i32.const 1000000)))
    (func (export "remainders") (result i32)
      (call $directories (i32.const 16))
      (call $stat (i32.load (i32.load (i32.const 16))) (i32.const 256))
      (if (i32.load8_u (i32.const 256)) (then (unreachable)))
      (i32.add
        (call $remainder (i32.const 288))
        (i32.add (call $remainder (i32.const 312)) (call $remainder (i32.const 336))))))
  (core instance $guest (instantiate $guest (with "wasi" (instance
    (export "memory" (memory $bytes))
    (export "stat" (func $stat))
    (export "directories" (func $directories))))))
  (func (export "remainders") (result u32) (canon lift (core func $guest "remainders"))))"#;
