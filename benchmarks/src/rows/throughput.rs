//! Many runs at once: what one costs, beside the engine's own work for it.

use crate::bare::Bare;
use crate::bare_wasi::{BareWasiTool, TOOL};
use crate::effort::Effort;
use crate::guests;
use crate::machine::{Took, cores};
use crate::ours::{Ours, call_no_op, call_units};
use crate::report::{Bar, Row, Unit};
use crate::sample::median;
use crate::wait::block_on;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tollgate_runtime::Tool;

pub(crate) const NAME: &str = "throughput";
const IN_FLIGHT: usize = 64;
const RUNS_A_ROUND: usize = 50_000;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let (ours, bare) = (Ours::new()?, Bare::new()?);
    let (no_op, units) = (guests::no_op()?, tollgate_fixtures::packed_bytes(TOOL));
    let (our_no_op, our_units) = (ours.load(&no_op)?, ours.load(&units)?);
    let bare_no_op = bare.load(&no_op, "same")?;
    let bare_units = BareWasiTool::load(bare.engine(), &units)?;
    let runs = effort.many(RUNS_A_ROUND);
    let mut rows = compared(
        "a typed no-op run",
        effort,
        || {
            in_flight(&ours, runs, &our_no_op, |tool| async move {
                call_no_op(&tool).await
            })
        },
        || loops(runs, || bare_no_op.run_no_op()),
    )?;
    rows.extend(compared(
        "a typed run of a tool that Rust built, which hardly does anything",
        effort,
        || {
            in_flight(&ours, runs, &our_units, |tool| async move {
                call_units(&tool).await
            })
        },
        || loops(runs, || bare_units.run()),
    )?);
    Ok(rows)
}

fn compared(
    what: &str,
    effort: Effort,
    ours: impl Fn() -> anyhow::Result<()>,
    bare: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Row>> {
    let runs = effort.many(RUNS_A_ROUND);
    let (mut our_costs, mut bare_costs) = (Vec::new(), Vec::new());
    // The first round of each is for warming up: slots of the pool are touched for the first time.
    for round in 0..=effort.rounds {
        let (ours, bare) = (cost(runs, &ours)?, cost(runs, &bare)?);
        if round > 0 {
            our_costs.push(ours);
            bare_costs.push(bare);
        }
    }
    let part = |costs: &[Cost], part: fn(&Cost) -> f64| median(costs.iter().map(part));
    let row = |measured: &str, of: fn(&Cost) -> f64| Row {
        name: NAME,
        what: format!("{what}, {IN_FLIGHT} in flight: {measured}"),
        unit: Unit::Seconds,
        ours: Some(part(&our_costs, of)),
        reference: Some(("bare loop".to_owned(), part(&bare_costs, of))),
        bar: Bar::Times(1.25),
        note: format!("{} rounds of {runs} runs", effort.rounds),
    };
    Ok(vec![
        row("wall time × cores", |cost| cost.wall),
        row("CPU time", |cost| cost.cpu),
    ])
}

/// Seconds a run.
struct Cost {
    wall: f64,
    cpu: f64,
}

fn cost(runs: usize, work: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Cost> {
    let (done, took) = Took::measure(work);
    done?;
    Ok(Cost {
        wall: took.wall.as_secs_f64() * cores() as f64 / runs as f64,
        cpu: took.cpu.as_secs_f64() / runs as f64,
    })
}

/// Calls that each begin the next one when they end.
fn in_flight<C>(ours: &Ours, runs: usize, tool: &Tool, call: fn(Tool) -> C) -> anyhow::Result<()>
where
    C: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let left = Arc::new(AtomicUsize::new(runs));
    let callers = (0..IN_FLIGHT).map(|_| {
        let (tool, left) = (tool.clone(), Arc::clone(&left));
        ours.callers.spawn(async move {
            while is_one_left(&left) {
                call(tool.clone()).await?;
            }
            anyhow::Ok(())
        })
    });
    let callers: Vec<_> = callers.collect();
    for caller in callers {
        block_on(caller)??;
    }
    Ok(())
}

/// A thread a core, each with one run after the other.
fn loops<R>(runs: usize, run: impl Fn() -> R + Sync) -> anyhow::Result<()>
where
    R: Future<Output = anyhow::Result<()>>,
{
    let left = AtomicUsize::new(runs);
    thread::scope(|scope| {
        let work = || {
            while is_one_left(&left) {
                block_on(run())?;
            }
            anyhow::Ok(())
        };
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| anyhow::bail!("the bare loop panicked"))
        })
    })
}

fn is_one_left(left: &AtomicUsize) -> bool {
    let take = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
}
