//! Many runs that reach their limit together: how late they end.

use crate::effort::Effort;
use crate::ours::Ours;
use crate::report::{Bar, Row, Unit};
use crate::sample::{Sample, median};
use crate::wait::block_on;
use serde_json::json;
use std::time::{Duration, Instant, SystemTime};
use tollgate_fixtures::packed_bytes;
use tollgate_runtime::{FailureKind, Limits, Run, Tool};

pub(crate) const NAME: &str = "overshoot";
/// One that spins, one that sleeps, one that is blocked in a host call.
const ENDLESS: [&str; 3] = ["spin", "sleep-hour", "poll-never"];
const RUNS: usize = 100;
const TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::new()?;
    let mut tools = Vec::new();
    for name in ENDLESS {
        tools.push((name, ours.load(&packed_bytes(name))?));
    }
    let runs = effort.many(RUNS);
    let (mut ends, mut timers) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let timer = std::thread::spawn(timer_overshoot);
        ends.push(slowest_end(&ours, &tools, runs)?);
        timers.push(
            timer
                .join()
                .unwrap_or_else(|_| anyhow::bail!("the timer panicked"))?,
        );
    }
    Ok(vec![Row {
        name: NAME,
        what: format!(
            "{runs} runs that spin, sleep and are blocked reach 1 s together: the slowest beyond it"
        ),
        unit: Unit::Seconds,
        ours: Some(Sample::new(ends).max()),
        reference: Some(("a bare tokio timer beside them".to_owned(), median(timers))),
        bar: Bar::Beyond(0.050),
        note: format!("{} rounds", effort.rounds),
    }])
}

/// Seconds between the limit of the run that ends latest, from its guest's start, and its caller's answer.
fn slowest_end(ours: &Ours, tools: &[(&str, Tool)], runs: usize) -> anyhow::Result<f64> {
    let running: Vec<_> = (0..runs)
        .zip(tools.iter().cycle())
        .map(|(index, (name, tool))| {
            let (name, tool) = (name.to_string(), tool.clone());
            ours.callers
                .spawn(async move { overshoot(&name, &tool, index).await })
        })
        .collect();
    let mut seconds = Vec::new();
    for run in running {
        seconds.push(block_on(run)??);
    }
    Ok(Sample::new(seconds).max())
}

async fn overshoot(name: &str, tool: &Tool, index: usize) -> anyhow::Result<f64> {
    let limits = Limits {
        timeout: TIMEOUT,
        ..Limits::default()
    };
    let input = if tool.kind().is_command() {
        json!(null)
    } else {
        json!({})
    };
    let run = Run::only(input)
        .owner(format!("owner-{index}"))
        .limits(limits);
    let prepared = tool.prepare(run)?;
    let started = prepared.started();
    let outcome = prepared.start().await?;
    let ended = SystemTime::now();
    match outcome.result {
        Err(failure) if failure.kind == FailureKind::Timeout => {}
        other => anyhow::bail!("{name} ended with {other:?}"),
    }
    let started = started
        .at()
        .ok_or_else(|| anyhow::anyhow!("{name} never started"))?;
    Ok(ended.duration_since(started)?.as_secs_f64() - TIMEOUT.as_secs_f64())
}

/// The same for a timer on a thread that does nothing else.
fn timer_overshoot() -> anyhow::Result<f64> {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    Ok(tokio.block_on(async {
        let started = Instant::now();
        tokio::time::sleep_until((started + TIMEOUT).into()).await;
        (started.elapsed() - TIMEOUT).as_secs_f64()
    }))
}
