//! Ten thousand tools, called at random by their digests, beside one.

use crate::effort::Effort;
use crate::guests;
use crate::ours::{Ours, call_no_op};
use crate::report::{Bar, Row, Unit};
use crate::sample::{P99_CALLS, Rounds, Sample};
use crate::wait::block_on;
use tollgate_runtime::ToolDigest;

pub(crate) const NAME: &str = "many-tools";
const TOOLS: usize = 10_000;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let ours = Ours::keeping(folder.path())?;
    let count = effort.many(TOOLS);
    let mut tools = Vec::with_capacity(count);
    for constant in 0..count {
        let wasm = guests::no_op_with(u32::try_from(constant)?)?;
        ours.load(&wasm)?;
        tools.push(ToolDigest::of(&wasm));
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut one, mut many) = (Rounds::default(), Rounds::default());
    take(effort, &ours, || tools[0])?;
    for _ in 0..effort.rounds {
        one.push(take(effort, &ours, || tools[0])?);
        many.push(take(effort, &ours, || tools[random.below(count)])?);
    }
    let row = |what, of: fn(&Rounds) -> f64| Row {
        name: NAME,
        what: format!("a no-op run of one of {count} tools at random, by its digest: {what}"),
        unit: Unit::Seconds,
        ours: Some(of(&many)),
        reference: Some(("always the same tool".to_owned(), of(&one))),
        bar: Bar::Times(1.2),
        note: format!("{} calls", many.calls()),
    };
    Ok(vec![row("p50", Rounds::p50), row("mean", Rounds::mean)])
}

fn take(
    effort: Effort,
    ours: &Ours,
    mut next: impl FnMut() -> ToolDigest,
) -> anyhow::Result<Sample> {
    let calls = effort.calls_a_round(2 * P99_CALLS);
    Sample::take(calls, effort.time(20), || {
        block_on(async { call_no_op(&ours.load_known(next()).await?).await })
    })
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
