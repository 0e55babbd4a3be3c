//! What one call may ask of the host: random bytes, handles, values.

use super::{call, end, only};
use crate::guests;
use serde_json::json;
use tollgate_runtime::{FailureKind, Limits};
use tollgate_tests::{tool, tool_of};

const ABI: Option<(FailureKind, Option<&str>)> = Some((FailureKind::Abi, None));

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_come_64_kib_at_a_time() {
    let module = tool_of(&guests::command(
        "(call $expect (call $random_get (global.get $input) (call $number)))",
    ))
    .await;
    for (bytes, expected) in [(0, None), (65_536, None), (65_537, ABI)] {
        let ended = only(&module, json!(bytes), Limits::default()).await;
        assert_eq!(end(&ended), expected, "{bytes}, as a module");
    }
    let component = tool("hostile-buffers").await;
    for (name, expected) in [("random", None), ("random-one-more", ABI)] {
        let ended = only(&component, json!(name), Limits::default()).await;
        assert_eq!(end(&ended), expected, "{name}, as a component");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_are_open_up_to_the_limit() {
    let tool = tool_of(OPENS).await;
    let over = Some((FailureKind::HostLimit, Some("handles")));
    let lowered = Limits {
        handles: 10,
        ..Limits::default()
    };
    for (limits, count) in [(Limits::default(), 1024), (lowered, 10)] {
        let at = call(&tool, "open", json!({"count": count}), limits.clone()).await;
        assert_eq!(end(&at), None, "{count}");
        let past = call(&tool, "open", json!({"count": count + 1}), limits.clone()).await;
        assert_eq!(end(&past), over, "{count} and one");
        let closing = call(
            &tool,
            "open-and-close",
            json!({"count": 10 * count}),
            limits,
        )
        .await;
        assert_eq!(end(&closing), None, "closed ones do not count");
    }
}

const OPENS: &str = r#"(component $tool
  (import "wasi:io/streams@0.2.0" (instance $streams (export "output-stream" (type (sub resource)))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer $tool $output (type $outer))
    (export "output-stream" (type $output (eq $outer)))
    (export "get-stdout" (func (result (own $output))))))
  (core func $get-stdout (canon lower (func $stdout "get-stdout")))
  (core func $close (canon resource.drop $output))
  (core module $guest
    (import "wasi" "get-stdout" (func $get-stdout (result i32)))
    (import "wasi" "close" (func $close (param i32)))
    (func (export "open") (param $left i32)
      (loop $again
        (if (local.get $left)
          (then
            (drop (call $get-stdout))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $again)))))
    (func (export "open-and-close") (param $left i32)
      (loop $again
        (if (local.get $left)
          (then
            (call $close (call $get-stdout))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $again))))))
  (core instance $guest (instantiate $guest (with "wasi" (instance
    (export "get-stdout" (func $get-stdout))
    (export "close" (func $close))))))
  (func (export "open") (param "count" u32) (canon lift (core func $guest "open")))
  (func (export "open-and-close") (param "count" u32) (canon lift (core func $guest "open-and-close"))))"#;

#[tokio::test(flavor = "multi_thread")]
async fn values_of_one_call_are_counted_as_the_host_holds_them() {
    let values = tool("hostile-values").await;
    let lowered = Limits {
        call_bytes: 10_000,
        ..Limits::default()
    };
    let mebibytes_64 = 64 << 20;
    let too_much_output = Some((FailureKind::OutputLimit, Some("output")));
    let cases = [
        ("10,000 bytes", 10_000, &lowered, None),
        ("a byte more", 10_001, &lowered, ABI),
        ("64 MiB", mebibytes_64, &Limits::default(), too_much_output),
        (
            "a byte more than 64 MiB",
            mebibytes_64 + 1,
            &Limits::default(),
            ABI,
        ),
    ];
    for (label, count, limits, expected) in cases {
        let ended = call(&values, "letters", json!({"count": count}), limits.clone()).await;
        assert_eq!(end(&ended), expected, "{label}");
    }
    // An empty string takes no byte in the guest's text, but a value in the host.
    let ended = call(&values, "empty-strings", json!({"count": 10_000}), lowered).await;
    assert_eq!(end(&ended), ABI);
}
