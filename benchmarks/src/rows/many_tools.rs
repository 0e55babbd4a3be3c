//! Ten thousand tools, called at random, beside one.

use crate::effort::Effort;
use crate::guests;
use crate::ours::{Ours, call_no_op};
use crate::report::{Bar, Row, Unit};
use crate::sample::{P99_CALLS, Rounds, Sample};
use crate::wait::block_on;
use tollgate_runtime::Tool;

pub(crate) const NAME: &str = "many-tools";
const TOOLS: usize = 10_000;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::new()?;
    let count = effort.many(TOOLS);
    let mut tools = Vec::with_capacity(count);
    for constant in 0..count {
        let wasm = guests::no_op_with(u32::try_from(constant)?)?;
        tools.push(ours.load(&wasm)?);
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut one, mut many) = (Rounds::default(), Rounds::default());
    take(effort, || &tools[0])?;
    for _ in 0..effort.rounds {
        one.push(take(effort, || &tools[0])?);
        many.push(take(effort, || &tools[random.below(count)])?);
    }
    Ok(vec![Row {
        name: NAME,
        what: format!("a no-op run of one of {count} tools at random: p50"),
        unit: Unit::Seconds,
        ours: Some(many.p50()),
        reference: Some(("always the same tool".to_owned(), one.p50())),
        bar: Bar::Times(1.2),
        note: format!(
            "p99 {:.1} µs, of the one tool {:.1} µs, {} calls",
            many.p99() * 1e6,
            one.p99() * 1e6,
            many.calls()
        ),
    }])
}

fn take<'a>(effort: Effort, mut next: impl FnMut() -> &'a Tool) -> anyhow::Result<Sample> {
    let calls = effort.calls_a_round(2 * P99_CALLS);
    Sample::take(calls, effort.time(20), || block_on(call_no_op(next())))
}

/// The same sequence every time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % count as u64) as usize
    }
}
