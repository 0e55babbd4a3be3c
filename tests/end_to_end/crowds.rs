//! Owners that take all they can get, beside one that calls a small tool every few milliseconds: the canary. It is
//! never refused, whatever the others fill.

use crate::guests;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tollgate_runtime::{ProcessLimits, Refused, Run, Runtime, RuntimeConfig, Tool};
use tollgate_tests::{load, output, seconds, wat_bytes};

const MIB: u64 = 1 << 20;
/// Two cores, the rest of the suite beside it, an engine that is not optimised.
const WORST: Duration = Duration::from_secs(2);

/// Does nothing.
const NO_OP: &str = r#"(component
  (core module $guest (memory 1) (func (export "same") (param i32) (result i32) (local.get 0)))
  (core instance $guest (instantiate $guest))
  (func (export "same") (param "value" u32) (result u32) (canon lift (core func $guest "same"))))"#;

/// Never ends.
const SPINS: &str = r#"(component
  (core module $guest (func (export "spin") (loop $again (br $again))))
  (core instance $guest (instantiate $guest))
  (func (export "spin") (canon lift (core func $guest "spin"))))"#;

/// Grows to 128 MiB, touches every page, and keeps them for a while.
const HOGS: &str = r#"(component
  (core module $guest
    (memory $memory 1)
    (func (export "hog") (result i32) (local $at i32) (local $turns i32)
      (if (i32.eq (memory.grow (i32.const 2047)) (i32.const -1)) (then (unreachable)))
      (loop $touch
        (i32.store (local.get $at) (i32.const 1))
        (local.set $at (i32.add (local.get $at) (i32.const 4096)))
        (br_if $touch (i32.lt_u (local.get $at) (i32.const 134217728))))
      (local.set $turns (i32.const 20000000))
      (loop $wait
        (local.set $turns (i32.sub (local.get $turns) (i32.const 1)))
        (br_if $wait (local.get $turns)))
      (i32.const 7)))
  (core instance $guest (instantiate $guest))
  (func (export "hog") (result u32) (canon lift (core func $guest "hog"))))"#;

fn runtime(process: ProcessLimits) -> Runtime {
    Runtime::new(RuntimeConfig {
        process,
        ..RuntimeConfig::default()
    })
    .expect("the runtime starts")
}

/// One owner's calls of a small tool, every two milliseconds, until it is told to stop: how long each took.
pub(crate) struct Canary {
    is_over: Arc<AtomicBool>,
    calls: JoinHandle<Vec<Duration>>,
}

impl Canary {
    pub(crate) async fn new(runtime: &Runtime) -> Self {
        let tool = load(runtime, &wat_bytes(NO_OP)).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let calls = tokio::spawn(async move {
            let mut taken = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let run = Run::only(json!({"value": 7})).owner("canary");
                assert_eq!(output(tool.run(run).await), json!(7), "after {taken:?}");
                taken.push(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            taken
        });
        Self { is_over, calls }
    }

    /// Says how long its calls took, and that none was refused. Gives what 99 of 100 took at most.
    pub(crate) async fn survives(self, beside: &str) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        let mut taken = self.calls.await.expect("every call was answered");
        taken.sort();
        let at = |percent: usize| taken[(taken.len() - 1) * percent / 100];
        let (half, most, worst) = (at(50), at(99), at(100));
        println!(
            "beside {beside}: {} calls, p50 {half:?}, p99 {most:?}, worst {worst:?}",
            taken.len()
        );
        assert!(most < WORST, "p99 {most:?} beside {beside}");
        most
    }
}

/// Calls of one owner, so many at once, each again and again until dropped.
struct Crowd(Vec<JoinHandle<()>>);

impl Crowd {
    fn new(tool: &Tool, owner: &str, at_once: usize, input: &Value, count: &Arc<Count>) -> Self {
        let callers = (0..at_once).map(|_| {
            let (tool, owner, input) = (tool.clone(), owner.to_owned(), input.clone());
            let count = Arc::clone(count);
            tokio::spawn(async move {
                loop {
                    let ended = tool.run(Run::only(input.clone()).owner(&owner)).await;
                    count.add(&ended);
                    if ended.is_err() {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                }
            })
        });
        Self(callers.collect())
    }

    async fn end(self) {
        for caller in self.0 {
            caller.abort();
            let _ = caller.await;
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    good: AtomicUsize,
    failed: AtomicUsize,
    refused: AtomicUsize,
}

impl Count {
    fn add(&self, ended: &Result<tollgate_runtime::Outcome, Refused>) {
        let counter = match ended {
            Ok(outcome) if outcome.result.is_ok() => &self.good,
            Ok(_) => &self.failed,
            Err(Refused::AtCapacity) => &self.refused,
            Err(other) => panic!("refused as {other:?}"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> (usize, usize, usize) {
        let get = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        (get(&self.good), get(&self.failed), get(&self.refused))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_runs_that_each_take_128_mib_leave_room_for_a_small_one() {
    let runtime = runtime(ProcessLimits {
        guest_memory_bytes: 1024 * MIB,
        ..ProcessLimits::default()
    });
    let hogs = load(&runtime, &wat_bytes(HOGS)).await;
    let canary = Canary::new(&runtime).await;
    let count = Arc::new(Count::default());
    let runs: Vec<_> = (0..1000)
        .map(|index| {
            let (tool, count) = (hogs.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let run = Run::only(json!({})).owner(format!("hog {}", index % 20));
                count.add(&tool.run(run).await);
            })
        })
        .collect();
    for run in runs {
        run.await.expect("no panic");
    }
    canary.survives("1,000 runs of 128 MiB").await;
    let (good, failed, refused) = count.get();
    println!("of 1,000: {good} good, {refused} refused");
    assert_eq!((good + refused, failed), (1000, 0));
    assert!(
        good >= 6,
        "as many as fit at once beside the canary, at least"
    );
    assert_eq!(runtime.drain(WORST).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_with_512_runs_in_flight_and_the_queue_full_keeps_nobody_out() {
    let runtime = runtime(ProcessLimits {
        runs: 64,
        queue: 128,
        ..ProcessLimits::default()
    });
    let no_op = load(&runtime, &wat_bytes(NO_OP)).await;
    let count = Arc::new(Count::default());
    let crowd = Crowd::new(&no_op, "crowd", 512, &json!({"value": 1}), &count);
    let canary = Canary::new(&runtime).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    canary.survives("512 no-op runs in flight").await;
    crowd.end().await;
    let (good, failed, refused) = count.get();
    println!("the crowd: {good} good, {refused} refused");
    assert!(good > 0 && failed == 0 && refused > 0, "{count:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_whose_runs_sleep_or_spin_in_every_place_they_get_keep_nobody_out() {
    let runtime = runtime(ProcessLimits {
        runs: 64,
        queue: 128,
        ..ProcessLimits::default()
    });
    let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
    let spins = load(&runtime, &wat_bytes(SPINS)).await;
    let count = Arc::new(Count::default());
    let sleepers = Crowd::new(&sleeps, "sleeper", 200, &json!(3_600_000), &count);
    let spinners = Crowd::new(&spins, "spinner", 20, &json!({}), &count);
    let canary = Canary::new(&runtime).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(
        runtime.runs() / 52,
        1,
        "32 sleep and 20 spin: {}",
        runtime.runs()
    );
    canary.survives("sleeping and spinning runs").await;
    sleepers.end().await;
    spinners.end().await;
    let (good, failed, refused) = count.get();
    assert!(good == 0 && failed == 0 && refused > 0, "{count:?}");
    assert_eq!(runtime.drain(WORST).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_end_together_at_their_deadline_all_end_soon_after_it() {
    let runtime = runtime(ProcessLimits::default());
    let spins = load(&runtime, &wat_bytes(SPINS)).await;
    let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
    let canary = Canary::new(&runtime).await;
    let started = Instant::now();
    let runs: Vec<_> = (0..100)
        .map(|index| {
            let (tool, input) = match index % 2 {
                0 => (spins.clone(), json!({})),
                _ => (sleeps.clone(), json!(3_600_000)),
            };
            tokio::spawn(async move {
                let run = Run::only(input).owner(format!("owner {index}"));
                let failure = tollgate_tests::failure(tool.run(run.limits(seconds(1.0))).await);
                (failure.kind, started.elapsed())
            })
        })
        .collect();
    for run in runs {
        let (kind, taken) = run.await.expect("no panic");
        assert_eq!(kind, tollgate_runtime::FailureKind::Timeout);
        assert!(taken < Duration::from_secs(1) + WORST, "{taken:?}");
    }
    canary.survives("100 runs that end together").await;
}
