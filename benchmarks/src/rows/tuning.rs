//! Each setting of the engine against what it would otherwise be: CPU time of one run of a tool as Rust builds it.

use crate::bare::{Bare, engine_with};
use crate::bare_wasi::{BareWasiTool, TOOL};
use crate::effort::Effort;
use crate::machine::Took;
use crate::report::{Bar, Row, Unit};
use crate::sample::median;
use crate::wait::block_on;
use wasmtime::{Config, Enabled, PoolingAllocationConfig};

pub(crate) const NAME: &str = "tuning";
const RUNS_A_ROUND: usize = 10_000;

type Change = fn(&mut Config, &mut PoolingAllocationConfig);

const CHANGES: &[(&str, Change)] = &[
    ("without `PAGEMAP_SCAN`", |_, pool| {
        pool.pagemap_scan(Enabled::No);
    }),
    ("nothing kept resident of a memory", |_, pool| {
        pool.linear_memory_keep_resident(0);
    }),
    ("64 KiB kept resident of a memory", |_, pool| {
        pool.linear_memory_keep_resident(64 << 10);
    }),
    ("8 MiB kept resident of a memory", |_, pool| {
        pool.linear_memory_keep_resident(8 << 20);
    }),
    ("nothing kept resident of a table", |_, pool| {
        pool.table_keep_resident(0);
    }),
    ("without interruption by epochs", |config, _| {
        config.epoch_interruption(false);
    }),
    ("a fiber's stack of 8 MiB", |config, _| {
        config.async_stack_size(8 << 20);
    }),
    ("64 KiB kept resident of a stack", |_, pool| {
        pool.async_stack_keep_resident(64 << 10);
    }),
    ("slots for 100 runs instead of 1,000", |_, pool| {
        pool.total_stacks(100)
            .total_component_instances(100)
            .total_core_instances(800)
            .total_memories(100)
            .total_tables(400);
    }),
];

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let wasm = tollgate_fixtures::packed_bytes(TOOL);
    let ours = Bare::new()?;
    let ours = BareWasiTool::load(ours.engine(), &wasm)?;
    let runs = effort.many(RUNS_A_ROUND);
    let mut rows = Vec::new();
    for (what, change) in CHANGES {
        let engine = engine_with(*change)?;
        let changed = BareWasiTool::load(&engine, &wasm)?;
        let (mut as_set, mut as_changed) = (Vec::new(), Vec::new());
        for round in 0..=effort.rounds {
            let (ours, changed) = (cost(&ours, runs)?, cost(&changed, runs)?);
            if round > 0 {
                as_set.push(ours);
                as_changed.push(changed);
            }
        }
        rows.push(Row {
            name: NAME,
            what: format!("a run of a Rust tool by the bare engine as it is set, beside: {what}"),
            unit: Unit::Seconds,
            ours: Some(median(as_set)),
            reference: Some(((*what).to_owned(), median(as_changed))),
            bar: Bar::None,
            note: format!("{} rounds of {runs} runs", effort.rounds),
        });
    }
    Ok(rows)
}

/// Seconds of CPU a run.
fn cost(tool: &BareWasiTool, runs: usize) -> anyhow::Result<f64> {
    let (done, took) = Took::measure(|| (0..runs).try_for_each(|_| block_on(tool.run())));
    done?;
    Ok(took.cpu.as_secs_f64() / runs as f64)
}
