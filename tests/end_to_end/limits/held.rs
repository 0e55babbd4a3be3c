//! What the host holds of inputs and outputs, which is many times their bytes.

use super::only;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinSet;
use tollgate_runtime::{FailureKind, Limits, ProcessLimits, Refused, Run, Runtime, RuntimeConfig};
use tollgate_tests::{load, seconds, wat_bytes};

const MIB: u64 = 1 << 20;
/// 64 KiB of text, 2.25 MiB of JSON, and 1.25 MiB of the engine's values.
const NUMBERS: usize = 32_768;

fn with_buffers(host_buffer_bytes: u64, runs: u32) -> Runtime {
    Runtime::new(RuntimeConfig {
        process: ProcessLimits {
            host_buffer_bytes,
            runs,
            wait: Duration::from_secs(60),
            ..ProcessLimits::default()
        },
        ..RuntimeConfig::default()
    })
    .expect("the runtime starts")
}

/// Of many allocations and few: the component's parameters, what the core function takes for them, and an input.
fn signatures() -> [(&'static str, &'static str, Value); 4] {
    let tuple = json!(["a", "b", "c", "d", "e", "f", "g", "h", ""]);
    [
        ("", "", json!({})),
        (
            r#"(param "count" u32) (param "text" string)"#,
            "(param i32 i32 i32)",
            json!({"count": 1, "text": ""}),
        ),
        (
            r#"(param "lists" (list (list string))) (param "perhaps" (option string)) (param "bytes" (list u8))
               (param "ended" (result (list u32) (error string))) (param "both" (tuple u8 string))"#,
            // Two, three, two, three and three.
            "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)",
            json!({"lists": [["a", "b"], [], ["c"]], "perhaps": "d", "bytes": "aGVsbG8=",
                   "ended": {"ok": [1, 2, 3]}, "both": [1, "e"]}),
        ),
        (
            r#"(param "strings" (tuple string string string string string string string string string))"#,
            "(param i32)",
            json!({"strings": tuple}),
        ),
    ]
}

/// A tool whose function gives back so many bytes, with something to do before and after.
fn gives(bytes: u32, parameters: &str, core: &str, before: &str, after: &str) -> Vec<u8> {
    wat_bytes(&format!(
        r#"(component
          (core module $guest
            (memory (export "memory") 40)
            (global $next (mut i32) (i32.const 2097152))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
              (global.get $next)
              (global.set $next
                (i32.and (i32.add (global.get $next) (i32.add (local.get 3) (i32.const 15))) (i32.const -8))))
            (func (export "call") {core} (result i32) (local $turns i32)
              {before}
              (i32.store (i32.const 0) (i32.const 65536))
              (i32.store (i32.const 4) (i32.const {bytes}))
              (i32.const 0))
            (func (export "post-return") (param i32) {after}))
          (core instance $guest (instantiate $guest))
          (func (export "call") {parameters} (result (list u8))
            (canon lift (core func $guest "call") (memory $guest "memory") (realloc (func $guest "realloc"))
              (post-return (func $guest "post-return")))))"#
    ))
}

/// A JSON array of so many small numbers, as it is parsed.
fn numbers(count: usize) -> Value {
    let text = format!("{{\"numbers\":[{}1]}}", "1,".repeat(count - 1));
    serde_json::from_str(&text).expect("JSON")
}

fn takes_numbers() -> Vec<u8> {
    let parameters = r#"(param "numbers" (list u32))"#;
    gives(1, parameters, "(param i32 i32)", "", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_of_runs_that_have_not_started_are_bounded_by_owner_and_in_all() {
    let runtime = with_buffers(15 * MIB, 1000);
    let tool = load(&runtime, &takes_numbers()).await;
    let run = |owner: &str| Run::only(numbers(NUMBERS)).owner(owner);
    let prepare = |owner: &str| tool.prepare(run(owner));
    let first = [prepare("a"), prepare("a")].map(|it| it.expect("within its half"));
    assert!(matches!(prepare("a"), Err(Refused::AtCapacity)));
    let held = runtime.hold(run("b")).expect("the others' half");
    let second = tool.prepare(held).expect("counted once");
    let third = prepare("c").expect("what is left");
    assert!(matches!(runtime.hold(run("d")), Err(Refused::AtCapacity)));
    let small = tool.prepare(Run::only(numbers(10)).owner("d"));
    drop(small.expect("a small one is no burden"));
    drop(first);
    for prepared in [prepare("d").expect("given back"), second, third] {
        let outcome = prepared.start().await.expect("it starts");
        assert_eq!(outcome.result.expect("it ends well").text(), "\"AA==\"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_place_is_counted_until_it_has_one() {
    let runtime = with_buffers(15 * MIB, 1);
    let spin = "(loop $again (br $again))";
    let spins = load(&runtime, &gives(1, "", "", spin, "")).await;
    let tool = load(&runtime, &takes_numbers()).await;
    let placed = spins.clone();
    let placed = tokio::spawn(async move { only(&placed, json!({}), seconds(2.0)).await });
    while runtime.runs() == 0 {
        assert!(!placed.is_finished(), "{:?}", placed.await);
        tokio::task::yield_now().await;
    }
    let mut waiting = JoinSet::new();
    for _ in 0..2 {
        let tool = tool.clone();
        waiting.spawn(async move {
            loop {
                // Below, there may just be one more.
                match tool.run(Run::only(numbers(NUMBERS)).owner("a")).await {
                    Err(Refused::AtCapacity) => tokio::task::yield_now().await,
                    ended => return ended,
                }
            }
        });
    }
    let refused = async {
        loop {
            let prepared = tool.prepare(Run::only(numbers(NUMBERS)).owner("a"));
            match prepared.map(drop) {
                Ok(()) if placed.is_finished() => panic!("they wait no more"),
                Ok(()) => tokio::time::sleep(Duration::from_millis(1)).await,
                Err(refused) => return refused,
            }
        }
    };
    assert_eq!(refused.await, Refused::AtCapacity);
    while let Some(ended) = waiting.join_next().await {
        let outcome = ended.expect("no panic").expect("it starts");
        assert_eq!(outcome.result.expect("it ends well").text(), "\"AA==\"");
    }
    placed.await.expect("no panic").expect("it started");
    tool.prepare(Run::only(numbers(NUMBERS)).owner("a"))
        .expect("nothing is counted any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_a_guest_gave_back_are_bounded_while_it_goes_on() {
    for (parameters, core, input) in signatures() {
        // Four times three times 64 MiB, and an eighth for small ones.
        let runtime = with_buffers(900 * MIB, 1000);
        let spins = gives(500_000, parameters, core, "", "(loop $again (br $again))");
        let tool = load(&runtime, &spins).await;
        let mut runs = JoinSet::new();
        for _ in 0..10 {
            let (tool, input) = (tool.clone(), input.clone());
            runs.spawn(async move { only(&tool, input, seconds(2.0)).await });
        }
        let (mut timed_out, mut refused) = (0, 0);
        while let Some(ended) = runs.join_next().await {
            match ended.expect("no panic") {
                Err(Refused::AtCapacity) => refused += 1,
                ended => {
                    let failure = tollgate_tests::failure(ended);
                    assert_eq!(failure.kind, FailureKind::Timeout, "{failure:?}");
                    timed_out += 1;
                }
            }
        }
        assert!(
            refused >= 4,
            "{parameters}: {refused} of 10, {timed_out} timed out"
        );
        let fine = load(&runtime, &gives(3, parameters, core, "", "")).await;
        let outcome = only(&fine, input, Limits::default()).await;
        assert_eq!(
            outcome
                .expect("it starts")
                .result
                .expect("ends well")
                .text(),
            "\"AAAA\""
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_counted_of_a_call_that_takes_its_time() {
    let before = "(local.set $turns (i32.const 40000000))
        (loop $again
          (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
          (br_if $again (local.get $turns)))";
    for (parameters, core, input) in signatures() {
        // Less than what is counted after it has returned.
        let runtime = with_buffers(MIB, 1000);
        let tool = load(&runtime, &gives(3, parameters, core, before, "")).await;
        let outcome = only(&tool, input, Limits::default()).await;
        let outcome = outcome.unwrap_or_else(|refused| panic!("{parameters}: {refused}"));
        assert_eq!(
            outcome.result.expect("it ends well").text(),
            "\"AAAA\"",
            "{parameters}"
        );
        assert!(
            outcome.usage.cpu_us > 5_000,
            "{parameters}: it was not suspended"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_end_sooner_since_the_engine_counts_only_their_text() {
    let labels: Vec<_> = (10..42).map(|number| format!("\"f{number}\"")).collect();
    // All of them set, in each of so many.
    let tool = wat_bytes(&format!(
        r#"(component
          (type $made (flags {}))
          (export $flags "flags" (type $made))
          (core module $guest
            (memory (export "memory") 40)
            (func (export "call") (param $count i32) (result i32)
              (memory.fill (i32.const 65536) (i32.const 255) (i32.mul (local.get $count) (i32.const 4)))
              (i32.store (i32.const 0) (i32.const 65536))
              (i32.store (i32.const 4) (local.get $count))
              (i32.const 0)))
          (core instance $guest (instantiate $guest))
          (func (export "call") (param "count" u32) (result (list $flags))
            (canon lift (core func $guest "call") (memory $guest "memory"))))"#,
        labels.join(" ")
    ));
    let tool = load(&with_buffers(900 * MIB, 1000), &tool).await;
    let ended = async |count: u32| {
        let ended = only(&tool, json!({"count": count}), Limits::default()).await;
        super::end(&ended)
    };
    // 136 bytes each, as the engine counts.
    assert_eq!(ended(5_000).await, None);
    let too_much_output = Some((FailureKind::OutputLimit, Some("output")));
    assert_eq!(ended(61_000).await, too_much_output);
    assert_eq!(ended(62_000).await, Some((FailureKind::Abi, None)));
}
