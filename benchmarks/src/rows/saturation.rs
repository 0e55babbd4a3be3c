//! A tool that works for a while, beside ever new short runs of many others.

use crate::bare::Bare;
use crate::effort::Effort;
use crate::guests;
use crate::machine::thread_cpu;
use crate::ours::Ours;
use crate::report::{Bar, Row, Unit};
use crate::sample::Sample;
use crate::wait::block_on;
use serde_json::json;
use std::time::{Duration, Instant};
use tollgate_runtime::{FailureKind, Run, Tool};
use wasmtime::component::Val;

pub(crate) const NAME: &str = "saturation";
const OWNERS: usize = 64;
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(200);
const CALIBRATING_TURNS: u64 = 20_000_000;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let wasm = guests::work()?;
    let ours = Ours::new()?;
    let tool = ours.load(&wasm)?;
    let turns_a_second = turns_a_second(&wasm)?;
    let turns = |time: Duration| (turns_a_second * time.as_secs_f64()) as u64;
    let (short, long) = (turns(SHORT), turns(LONG));
    let mut alone = Vec::new();
    let mut beside = Vec::new();
    for _ in 0..effort.rounds {
        alone.push(time(&tool, long)?);
        let others = ours.neighbours(OWNERS, &tool, move |index| {
            work_run(short).owner(format!("short-{index}"))
        });
        let taken = time(&tool, long);
        ours.quiet(others)?;
        beside.push(taken?);
    }
    Ok(vec![Row {
        name: NAME,
        what: format!(
            "a run of 200 ms CPU while {OWNERS} owners start runs of 1 ms without end: the slowest"
        ),
        unit: Unit::Seconds,
        ours: Some(Sample::new(beside).max()),
        reference: Some(("alone".to_owned(), Sample::new(alone).p50())),
        bar: Bar::AtMost(2.0),
        note: format!("{} runs", effort.rounds),
    }])
}

/// Of this machine's CPU time, whoever else is on it.
fn turns_a_second(wasm: &[u8]) -> anyhow::Result<f64> {
    let tool = Bare::new()?.load(wasm, "work")?;
    let before = thread_cpu();
    block_on(tool.run(&[Val::U64(CALIBRATING_TURNS)], &mut [Val::Bool(false)]))?;
    Ok(CALIBRATING_TURNS as f64 / (thread_cpu() - before).as_secs_f64())
}

fn work_run(turns: u64) -> Run {
    Run::new("work", json!({"turns": turns}))
}

/// Seconds until it has ended, be it at its limit.
fn time(tool: &Tool, turns: u64) -> anyhow::Result<f64> {
    let started = Instant::now();
    let outcome = block_on(tool.run(work_run(turns).owner("ours")))?;
    match outcome.result {
        Err(failure) if failure.kind != FailureKind::Timeout => anyhow::bail!("{failure:?}"),
        _ => Ok(started.elapsed().as_secs_f64()),
    }
}
