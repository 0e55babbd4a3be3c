//! Profiles of runs, as an embedder gets them.

use crate::guests;
use serde_json::{Value, json};
use std::time::Duration;
use tollgate_runtime::{Outcome, Profile, Run};
use tollgate_tests::{seconds, tool, tool_of};

/// Calls itself 10,000 times, on a way that is another one each time, and begins again.
const DEEP: &str = r#"
  (func $random (result i32)
    (drop (call $random_get (i32.const 0) (i32.const 4)))
    (i32.load (i32.const 0)))
  (func $left (param $left i32) (param $bits i32) (call $next (local.get $left) (local.get $bits)))
  (func $right (param $left i32) (param $bits i32) (call $next (local.get $left) (local.get $bits)))
  (func $next (param $left i32) (param $bits i32)
    (if (i32.eqz (local.get $left)) (then (return)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (local.set $bits (i32.add (i32.mul (local.get $bits) (i32.const 1664525)) (i32.const 1013904223)))
    (if (i32.lt_s (local.get $bits) (i32.const 0))
      (then (call $left (local.get $left) (local.get $bits)))
      (else (call $right (local.get $left) (local.get $bits)))))"#;

fn profile(outcome: &Outcome) -> &Profile {
    outcome.profile.as_ref().expect("it was asked for")
}

fn json_of(profile: &Profile) -> Value {
    let mut bytes = Vec::new();
    profile.write("a test", &mut bytes).expect("memory");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_for_the_cpu_of_its_run() {
    let primes = tool("primes").await;
    let run = Run::new("count", json!({"below": 100_000})).limits(seconds(30.0));
    let outcome = primes.run(run.profiled()).await.expect("it starts");
    let profile = profile(&outcome);
    let (seen_us, cpu_us) = (profile.cpu().as_micros(), outcome.usage.cpu_us.into());
    assert!(
        (cpu_us * 9 / 10..=cpu_us).contains(&seen_us),
        "{seen_us} µs of {cpu_us} µs"
    );
    let hottest = profile.hottest(2);
    assert_eq!(hottest.len(), 2);
    assert_eq!(hottest[0].function, "primes::smallest_divisor");
    let whole = profile.hottest(usize::MAX);
    // A sample may fall on what is around the guest's own code.
    let nearly_all = profile.cpu() * 8 / 10..=profile.cpu();
    assert!(
        whole.iter().any(|it| nearly_all.contains(&it.total)),
        "{whole:?}"
    );
    let own: Duration = whole.iter().map(|it| it.own).sum();
    assert!(
        nearly_all.contains(&own),
        "each sample has one on top: {whole:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_deep_recursion_is_bounded_and_counts_each_call_once() {
    let body = "(loop $again (call $next (i32.const 10000) (call $random)) (br $again))";
    let deep = tool_of(&guests::command_with(DEEP, body)).await;
    let run = Run::only(json!(null)).limits(seconds(2.0)).profiled();
    let outcome = deep.run(run).await.expect("it starts");
    assert_eq!(outcome.status(), tollgate_runtime::Status::TimedOut);
    let profile = profile(&outcome);
    let samples = profile.samples() as u64;
    let stacks = json_of(profile)["threads"][0]["stackTable"]["length"].as_u64();
    assert!(stacks.is_some_and(|stacks| stacks > samples && stacks <= 65 * samples));
    let whole = profile.hottest(usize::MAX);
    assert!(
        whole.iter().all(|it| it.total <= profile.cpu()),
        "{whole:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn is_there_only_for_a_run_that_asks() {
    let primes = tool("primes").await;
    let run = || Run::new("count", json!({"below": 100}));
    let outcome = primes.run(run()).await.expect("it starts");
    assert!(outcome.profile.is_none());
    let outcome = primes.run(run().profiled()).await.expect("it starts");
    assert!(outcome.profile.is_some(), "however short");
}
