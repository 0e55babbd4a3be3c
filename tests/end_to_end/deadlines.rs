//! A run ends at its limit and a cancelled one at once, wherever its guest is and whatever runs beside it.

mod cancelled;
mod drained;
mod host_calls;

use crate::guests;
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tollgate_runtime::{
    FailureKind, HostImports, ProcessLimits, Run, Runtime, RuntimeConfig, Tool,
};
use tollgate_tests::{failure, load, seconds, wat_bytes};

/// Two cores, and others work on them, too.
const MARGIN: Duration = Duration::from_secs(3);
const SOON: Duration = Duration::from_secs(10);

fn runtime(process: ProcessLimits, scratch: &Path) -> Runtime {
    Runtime::new(RuntimeConfig {
        process,
        scratch_folder: scratch.to_owned(),
        imports: Some(imports()),
        ..RuntimeConfig::default()
    })
    .expect("the runtime starts")
}

/// An interface of the host's own: a call that sleeps, and one that reads a byte from a server on this machine.
fn imports() -> HostImports {
    HostImports::new(["tests:host/io@1.0.0"], |linker| {
        let mut io = linker.instance("tests:host/io@1.0.0")?;
        io.func_wrap_async("sleep", |_, (milliseconds,): (u32,)| {
            Box::new(async move {
                tokio::time::sleep(Duration::from_millis(milliseconds.into())).await;
                Ok(())
            })
        })?;
        io.func_wrap_async("read", |_, (port,): (u16,)| {
            Box::new(async move { Ok((host_calls::byte_from(port).await?,)) })
        })
    })
}

/// A typed tool whose only function calls the host's `function`.
fn calls_host(function: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
          (import "tests:host/io@1.0.0" (instance $io
            (export "sleep" (func (param "milliseconds" u32)))
            (export "read" (func (param "port" u16) (result u32)))))
          (core func $sleep (canon lower (func $io "sleep")))
          (core func $read (canon lower (func $io "read")))
          (core module $guest
            (import "io" "sleep" (func $sleep (param i32)))
            (import "io" "read" (func $read (param i32) (result i32)))
            (func $sleeping (param i32) (result i32) (call $sleep (local.get 0)) (i32.const 7))
            (func $reading (param i32) (result i32) (call $read (local.get 0)))
            (export "sleep" (func $sleeping))
            (export "read" (func $reading)))
          (core instance $guest (instantiate $guest (with "io" (instance
            (export "sleep" (func $sleep)) (export "read" (func $read))))))
          (func (export "call") (param "with" u32) (result u32) (canon lift (core func $guest "{function}"))))"#
    );
    wat_bytes(&text)
}

/// A typed tool with an endless loop in one of the places that are called for it. It takes and returns a string.
fn endless_in(place: &str) -> Vec<u8> {
    let spin = |here: &str| match here == place {
        true => "(loop $again (br $again))",
        false => "",
    };
    let (realloc, call, post_return) = (spin("realloc"), spin("call"), spin("post-return"));
    let start = match place {
        "start" => "(func $start (loop $again (br $again))) (start $start)",
        _ => "",
    };
    wat_bytes(&format!(
        r#"(component
          (core module $guest
            (memory (export "memory") 1)
            {start}
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc} (i32.const 1024))
            (func (export "call") (param i32 i32) (result i32)
              {call}
              (i32.store (i32.const 0) (local.get 0))
              (i32.store (i32.const 4) (local.get 1))
              (i32.const 0))
            (func (export "post-return") (param i32) {post_return}))
          (core instance $guest (instantiate $guest))
          (func (export "call") (param "text" string) (result string)
            (canon lift (core func $guest "call") (memory $guest "memory") (realloc (func $guest "realloc"))
              (post-return (func $guest "post-return")))))"#
    ))
}

/// A command that moves and fills 128 MiB again and again.
const BULK: &str = r#"(module
  (memory (export "memory") 2048)
  (func (export "_start")
    (loop $again
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 134217728))
      (memory.copy (i32.const 0) (i32.const 1) (i32.const 134217727))
      (br $again))))"#;

fn endless() -> Vec<(&'static str, Vec<u8>, Value)> {
    let command = |body: &str| wat_bytes(&guests::command(body));
    let text = || json!({"text": "abc"});
    vec![
        (
            "spinning",
            command("(loop $again (br $again))"),
            json!(null),
        ),
        (
            "asleep",
            command("(call $sleep (i32.const 3600000))"),
            json!(null),
        ),
        (
            "sleeping for no time",
            command("(loop $again (call $sleep (i32.const 0)) (br $again))"),
            json!(null),
        ),
        (
            "asking for bytes",
            command(
                "(loop $again (drop (call $random_get (i32.const 0) (i32.const 60000))) (br $again))",
            ),
            json!(null),
        ),
        ("filling memory", wat_bytes(BULK), json!(null)),
        (
            "in a host call",
            calls_host("sleep"),
            json!({"with": 3_600_000}),
        ),
        ("in its function", endless_in("call"), text()),
        ("in start", endless_in("start"), text()),
        ("in realloc", endless_in("realloc"), text()),
        ("in post-return", endless_in("post-return"), text()),
    ]
}

/// Fifty runs of many owners that spin until they are dropped.
struct Crowd(Vec<tokio::task::JoinHandle<()>>);

impl Crowd {
    fn new(spins: &Tool) -> Self {
        let runs = (0..50).map(|index| {
            let spins = spins.clone();
            tokio::spawn(async move {
                let run = Run::only(json!(null)).owner(format!("crowd {index}"));
                let ended = spins.run(run.limits(seconds(30.0))).await;
                panic!("it ended by itself: {ended:?}");
            })
        });
        Self(runs.collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_wherever_the_guest_is_while_fifty_others_spin() {
    let scratch = tempfile::tempdir().expect("a folder");
    let runtime = runtime(ProcessLimits::default(), scratch.path());
    let mut tools = Vec::new();
    for (label, bytes, input) in endless() {
        tools.push((label, load(&runtime, &bytes).await, input));
    }
    for (others, limit) in [(0, 0.5), (50, 1.0)] {
        let _crowd = (others > 0).then(|| Crowd::new(&tools[0].1));
        let runs = tools.iter().cloned().map(|(label, tool, input)| {
            tokio::spawn(async move {
                let asked = Instant::now();
                let run = Run::only(input).owner(label).limits(seconds(limit));
                let failure = failure(tool.run(run).await);
                (label, failure.kind, asked.elapsed())
            })
        });
        for run in runs.collect::<Vec<_>>() {
            let (label, kind, taken) = run.await.expect("no panic");
            println!("beside {others}, {label}: {taken:?} of {limit} s");
            assert_eq!(kind, FailureKind::Timeout, "{label}");
            let limit = Duration::from_secs_f64(limit);
            let expected = limit..limit + MARGIN;
            assert!(expected.contains(&taken), "{label} took {taken:?}");
        }
    }
}
