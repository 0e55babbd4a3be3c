//! Each part of what a run used, against a measurement that the runtime has no hand in.

use crate::guests;
use serde_json::{Value, json};
use std::fs;
use std::num::NonZeroUsize;
use std::process::Command;
use std::time::{Duration, Instant};
use tollgate_runtime::{ProcessLimits, Run, Runtime, RuntimeConfig, Tool, Usage};
use tollgate_tests::{load, packed, runtime, seconds, tool_of, wat_bytes};

const PAGE: u64 = 65_536;
/// Others work on the machine too, and only ever add: one attempt of these must be exact.
const ATTEMPTS: usize = 5;

/// Loading the tool and handing out turns cost a millisecond or two: beside this they are little.
const ENOUGH_CPU_US: u64 = 100_000;

/// Whether two measurements are the same, within five in a hundred.
fn is_near(measured: u64, usage: u64) -> bool {
    measured.abs_diff(usage) * 20 <= measured
}

/// Of a thread's CPU what is handing out turns, in a hundred: not the guest's. Unoptimised it takes up to a tenth of each
/// millisecond, most on a machine where turns are cut short by others; optimised it is within the five.
const HANDING_OUT_PERCENT: u64 = if cfg!(debug_assertions) { 12 } else { 0 };

/// Whether what a guest used is what its threads used, but for handing out turns.
fn is_the_guests_part(of_threads: u64, usage: u64) -> bool {
    let most = of_threads * HANDING_OUT_PERCENT / 100;
    is_near(of_threads, usage) || (of_threads - most..=of_threads).contains(&usage)
}

fn us(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).expect("not that long")
}

/// What a run used, whatever its end.
async fn used(tool: &Tool, input: Value, owner: &str, timeout: f64) -> Usage {
    let run = Run::only(input).owner(owner).limits(seconds(timeout));
    let usage = tool.run(run).await.expect("it starts").usage;
    let parts = usage.cpu_us + usage.host_us + usage.ready_us;
    assert_eq!(usage.wall_us, parts, "{usage:?}");
    usage
}

/// A runtime with a thread for each tier and so many places.
fn narrow(runs: u32) -> Runtime {
    Runtime::new(RuntimeConfig {
        threads: NonZeroUsize::MIN,
        process: ProcessLimits {
            runs,
            ..ProcessLimits::default()
        },
        ..RuntimeConfig::default()
    })
    .expect("the runtime starts")
}

fn spins() -> Vec<u8> {
    wat_bytes(&guests::command("(loop $again (br $again))"))
}

/// Runs this test again in a process of its own, where nothing else is measured along. True in that process.
fn is_alone(test: &str) -> bool {
    const ALONE: &str = "TOLLGATE_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().expect("the test's own path");
    let ended = Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&ended.stdout);
    print!("{text}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(
        ended.status.success() && text.contains("1 passed"),
        "{test}"
    );
    false
}

/// CPU of this process's threads that guests run on, as the kernel counts it, in microseconds.
fn cpu_of_guest_threads() -> u64 {
    let threads = fs::read_dir("/proc/self/task").expect("threads").flatten();
    let nanos = threads.filter_map(|thread| {
        let name = fs::read_to_string(thread.path().join("comm")).ok()?;
        let runs_guests = ["tollgate-run", "tollgate-long"]
            .iter()
            .any(|it| name.starts_with(it));
        let counts = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        let nanos: u64 = counts.split(' ').next()?.parse().ok()?;
        runs_guests.then_some(nanos)
    });
    nanos.sum::<u64>() / 1000
}

#[test]
fn cpu_is_what_the_kernel_counts() {
    if !is_alone("usage::cpu_is_what_the_kernel_counts") {
        return;
    }
    let tokio = tokio::runtime::Runtime::new().expect("tokio");
    tokio.block_on(async {
        // With one thread: handing the run from one to another is no work of the guest's.
        let spins = load(&narrow(8), &spins()).await;
        let mut seen = Vec::new();
        // Long runs stand back for whatever else runs on the machine: it may take a while until one has its share.
        for limit in [1.0, 3.0, 9.0, 27.0] {
            let before = cpu_of_guest_threads();
            let usage = used(&spins, json!(null), "", limit).await;
            // The run's task may be put away a moment after its answer.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let kernel = cpu_of_guest_threads() - before;
            assert!(
                usage.cpu_us <= kernel,
                "{usage:?}, {kernel} µs by the kernel"
            );
            seen.push((kernel, usage.cpu_us));
            if kernel > ENOUGH_CPU_US && is_the_guests_part(kernel, usage.cpu_us) {
                println!("by the kernel, in the usage (µs): {seen:?}");
                return;
            }
        }
        let is_measured = seen.iter().any(|(kernel, _)| *kernel > ENOUGH_CPU_US);
        assert!(!is_measured, "by the kernel, in the usage (µs): {seen:?}");
        println!("SKIP: others left nothing of the machine to measure: {seen:?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn host_time_is_what_the_guest_slept() {
    let sleeps = tool_of(&guests::sleeps()).await;
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let asked = Instant::now();
        let usage = used(&sleeps, json!(1000), "", 20.0).await;
        let elapsed = us(asked.elapsed());
        assert!(usage.host_us >= 999_000, "it never sleeps less: {usage:?}");
        assert!(usage.host_us <= elapsed, "{usage:?} in {elapsed} µs");
        seen.push(usage);
        if is_near(1_000_000, usage.host_us) && is_near(elapsed, usage.wall_us) {
            println!("slept a second: {usage:?}");
            return;
        }
    }
    panic!("{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_ready_is_what_another_owner_had_the_thread() {
    let runtime = narrow(8);
    let spins = load(&runtime, &spins()).await;
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let started = Instant::now();
        let (one, other) = tokio::join!(
            used(&spins, json!(null), "one", 1.0),
            used(&spins, json!(null), "other", 1.0),
        );
        let elapsed = us(started.elapsed());
        seen.push((one, other));
        let is_exact = |own: Usage| is_near(elapsed - own.cpu_us, own.ready_us);
        if is_exact(one) && is_exact(other) {
            println!("in {elapsed} µs: {one:?}\n{other:?}");
            return;
        }
    }
    panic!("{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_queued_is_what_another_run_held_the_only_place() {
    let runtime = narrow(1);
    let sleeps = load(&runtime, &wat_bytes(&guests::sleeps())).await;
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let first = async {
            let usage = used(&sleeps, json!(1000), "first", 20.0).await;
            (usage, Instant::now())
        };
        let second = async {
            let asked = Instant::now();
            (asked, used(&sleeps, json!(1), "second", 20.0).await)
        };
        let ((first, ended), (asked, second)) = tokio::join!(first, second);
        let held = us(ended - asked);
        seen.push((held, second.queue_us));
        if is_near(held, second.queue_us) && first.queue_us < held / 20 {
            println!("held, queued (µs): {seen:?}");
            return;
        }
    }
    panic!("held, queued (µs): {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn queueing_loading_and_running_are_apart_and_all_there_is() {
    let sleeps = tool_of(&guests::sleeps()).await;
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let asked = Instant::now();
        let usage = used(&sleeps, json!(500), "", 20.0).await;
        let elapsed = us(asked.elapsed());
        let sum = usage.queue_us + usage.load_us + usage.wall_us;
        assert!(usage.load_us > 0, "{usage:?}");
        assert!(sum <= elapsed, "{usage:?} in {elapsed} µs");
        seen.push((elapsed, usage));
        if is_near(elapsed, sum) {
            return;
        }
    }
    panic!("{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peak_of_memory_is_its_pages_over_all_memories() {
    let text = r#"(component
      (core module $guest
        (memory $one 1) (memory $other 2)
        (func (export "grow") (param i32 i32) (result i32)
          (drop (memory.grow $one (local.get 0)))
          (drop (memory.grow $other (local.get 1)))
          (i32.add (memory.size $one) (memory.size $other))))
      (core instance $guest (instantiate $guest))
      (func (export "grow") (param "one" u32) (param "other" u32) (result u32)
        (canon lift (core func $guest "grow"))))"#;
    let tool = tool_of(text).await;
    for (one, other) in [(0, 0), (3, 5), (1000, 1), (1, 1044), (2046, 0), (7, 4000)] {
        let input = json!({"one": one, "other": other});
        let outcome = tool.run(Run::only(input)).await.expect("it starts");
        let pages = outcome
            .result
            .expect("an output")
            .value()
            .as_u64()
            .expect("pages");
        let peak = outcome.usage.memory_peak_bytes;
        assert_eq!(peak, pages * PAGE, "{one} and {other} pages more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_logs_and_of_scratch_are_those_written() {
    let logs = packed(&guests::copies_to_stderr(), guests::TEXT_IS_STDIN);
    let logs = load(runtime(), &logs).await;
    let writes = guests::command(
        "(local $length i32) (local $file i32)
        (local.set $length (call $slurp))
        (local.set $file (call $open (i32.const 97)))
        (call $write (local.get $file) (global.get $input) (local.get $length))
        (call $write (call $open (i32.const 98)) (global.get $input) (local.get $length))",
    );
    let writes = load(runtime(), &packed(&writes, guests::TEXT_IS_STDIN)).await;
    for bytes in [0, 1, 4097, 262_144, 262_145, 1_000_000] {
        let text = json!({"text": "a".repeat(bytes)});
        let usage = used(&logs, text.clone(), "", 20.0).await;
        let expected = (bytes as u64, 0);
        assert_eq!((usage.log_bytes, usage.scratch_bytes), expected);
        let usage = used(&writes, text, "", 20.0).await;
        let expected = (0, 2 * bytes as u64);
        assert_eq!((usage.log_bytes, usage.scratch_bytes), expected);
    }
}
