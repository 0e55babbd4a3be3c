//! A quick tool while others' tools spin.

use crate::bare::{Bare, BareTool};
use crate::effort::Effort;
use crate::guests;
use crate::machine::cores;
use crate::ours::{Ours, call_no_op, spinning_run};
use crate::report::{Bar, Row, Unit};
use crate::sample::{P99_CALLS, Rounds, Sample};
use crate::wait::block_on;
use std::time::Duration;
use tollgate_runtime::Tool;

pub(crate) const NAME: &str = "neighbours";
const SPINNING: usize = 100;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let (ours, bare) = (Ours::new()?, Bare::new()?);
    let (no_op, spin) = (guests::no_op()?, guests::spin()?);
    let tools = (ours.load(&no_op)?, ours.load(&spin)?);
    let bare_tools = (bare.load(&no_op, "same")?, bare.load(&spin, "spin")?);
    let mut calls = Calls::default();
    take_quiet(effort, &tools.0)?;
    for _ in 0..effort.rounds {
        calls.quiet.push(take_quiet(effort, &tools.0)?);
        calls.beside.push(beside_spinning(effort, &ours, &tools)?);
        calls.plain.push(plain_yields(effort, &bare_tools)?);
    }
    Ok(rows(effort, &calls))
}

#[derive(Default)]
struct Calls {
    quiet: Rounds,
    beside: Rounds,
    plain: Rounds,
}

fn rows(effort: Effort, calls: &Calls) -> Vec<Row> {
    let spinning = effort.many(SPINNING);
    let note = format!("{} calls", calls.beside.calls());
    let row = |what, ours, reference: (&str, f64), bar| Row {
        name: NAME,
        what: format!("a no-op run while {spinning} runs of others spin: {what}"),
        unit: Unit::Seconds,
        ours: Some(ours),
        reference: Some((reference.0.to_owned(), reference.1)),
        bar,
        note: note.clone(),
    };
    let plain = format!("plain epoch yields on tokio, {} calls", calls.plain.calls());
    let (p50, p99) = (calls.beside.p50(), calls.beside.p99());
    vec![
        row("p50", p50, ("quiet", calls.quiet.p50()), Bar::Times(3.0)),
        row("p99", p99, ("quiet", calls.quiet.p99()), Bar::Times(10.0)),
        row("p50", p50, (&plain, calls.plain.p50()), Bar::None),
        row("p99", p99, (&plain, calls.plain.p99()), Bar::Faster(5.0)),
    ]
}

fn take_quiet(effort: Effort, no_op: &Tool) -> anyhow::Result<Sample> {
    let calls = effort.calls_a_round(P99_CALLS);
    Sample::take(calls, effort.time(20), || block_on(call_no_op(no_op)))
}

fn beside_spinning(
    effort: Effort,
    ours: &Ours,
    (no_op, spin): &(Tool, Tool),
) -> anyhow::Result<Sample> {
    let neighbours = ours.neighbours(effort.many(SPINNING), spin, spinning_run);
    let calls = effort.calls_a_round(P99_CALLS);
    let sample = Sample::take(calls, effort.time(25), || block_on(call_no_op(no_op)));
    ours.quiet(neighbours)?;
    sample
}

/// What an engine's user gets who follows its manual: every guest a task of tokio's, a yield at every epoch.
fn plain_yields(effort: Effort, (no_op, spin): &(BareTool, BareTool)) -> anyhow::Result<Sample> {
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores())
        .enable_all()
        .build()?;
    for _ in 0..effort.many(SPINNING) {
        let spin = spin.clone();
        tokio.spawn(async move { spin.run(&[], &mut []).await });
    }
    std::thread::sleep(Duration::from_millis(500));
    let calls = effort.calls_a_round(P99_CALLS);
    let sample = Sample::take(calls, effort.time(15), || {
        let no_op = no_op.clone();
        block_on(tokio.spawn(async move { no_op.run_no_op().await }))?
    });
    tokio.shutdown_timeout(Duration::from_secs(10));
    sample
}
