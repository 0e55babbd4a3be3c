//! Runs that wait in a host call: what memory each keeps.

use crate::bare::{self, failed};
use crate::effort::Effort;
use crate::guests;
use crate::machine::resident_bytes;
use crate::ours::Ours;
use crate::report::{Bar, Row, Unit};
use crate::sample::median;
use anyhow::Context;
use clap::ValueEnum;
use serde_json::json;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tollgate_runtime::Run;
use wasmtime::{Engine, InstancePre, Linker, Module, Store};

pub(crate) const NAME: &str = "parked";
const RUNS: usize = 1_000;
const OWNERS: usize = 10;
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose memory a process measures.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Whose {
    Ours,
    Bare,
}

/// Each in a process of its own, since memory that was used once stays resident.
pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let runs = effort.many(RUNS);
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds.min(3) {
        ours.push(in_a_process("ours", runs)?);
        bare.push(in_a_process("bare", runs)?);
    }
    Ok(vec![Row {
        name: NAME,
        what: format!("resident memory a run, of {runs} that wait in a host call"),
        unit: Unit::Bytes,
        ours: Some(median(ours)),
        reference: Some(("a bare instance of the same tool".to_owned(), median(bare))),
        bar: Bar::Beyond(128.0 * 1024.0),
        note: String::new(),
    }])
}

fn in_a_process(whose: &str, runs: usize) -> anyhow::Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args(["parked", whose, &runs.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim()
        .parse()
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Bytes a run, in this process.
pub(crate) fn bytes_a_run(whose: Whose, runs: usize) -> anyhow::Result<f64> {
    let (before, after) = match whose {
        Whose::Ours => our_bytes(runs)?,
        Whose::Bare => bare_bytes(runs)?,
    };
    Ok(after.saturating_sub(before) as f64 / runs as f64)
}

fn our_bytes(runs: usize) -> anyhow::Result<(u64, u64)> {
    let ours = Ours::new()?;
    let tool = ours.load(&guests::parked()?)?;
    let before = resident_bytes()?;
    let mut started = Vec::new();
    for index in 0..runs {
        let run = Run::only(json!(null)).owner(format!("owner-{}", index % OWNERS));
        let prepared = tool.prepare(run)?;
        started.push(prepared.started());
        ours.callers.spawn(prepared.start());
    }
    until(|| started.iter().all(|started| started.at().is_some()))?;
    Ok((before, resident_bytes()?))
}

fn bare_bytes(runs: usize) -> anyhow::Result<(u64, u64)> {
    let engine = bare::engine()?;
    let module = Module::from_binary(&engine, &guests::parked()?).map_err(failed)?;
    let waiting = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&waiting);
    let mut linker = Linker::new(&engine);
    let linked = linker.func_wrap_async(
        "wasi_snapshot_preview1",
        "poll_oneoff",
        move |_: wasmtime::Caller<'_, ()>, _: (i32, i32, i32, i32)| {
            counted.fetch_add(1, Ordering::Relaxed);
            Box::new(std::future::pending::<i32>())
        },
    );
    linked.map_err(failed)?;
    let pre = linker.instantiate_pre(&module).map_err(failed)?;
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()?;
    let before = resident_bytes()?;
    for _ in 0..runs {
        tokio.spawn(start(engine.clone(), pre.clone()));
    }
    until(|| waiting.load(Ordering::Relaxed) == runs)?;
    let after = resident_bytes()?;
    Ok((before, after))
}

async fn start(engine: Engine, pre: InstancePre<()>) -> wasmtime::Result<()> {
    let mut store = Store::new(&engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = pre.instantiate_async(&mut store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
    start.call_async(&mut store, ()).await
}

/// Waits, and a moment longer: what has started is then surely in its host call.
fn until(mut holds: impl FnMut() -> bool) -> anyhow::Result<()> {
    let given_up_at = Instant::now() + PATIENCE;
    while !holds() {
        anyhow::ensure!(Instant::now() < given_up_at, "the runs did not all start");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    Ok(())
}
