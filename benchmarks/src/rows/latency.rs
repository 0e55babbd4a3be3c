//! One run at a time: how long its caller waits.

use crate::bare::Bare;
use crate::effort::Effort;
use crate::guests;
use crate::ours::{Ours, call_no_op};
use crate::report::{Bar, Row, Unit};
use crate::sample::{P99_CALLS, Rounds, Sample, median};
use crate::wait::{block_on, wake_up};

pub(crate) const NAME: &str = "latency";

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let (ours, bare) = (Ours::new()?, Bare::new()?);
    let wasm = guests::no_op()?;
    let (tool, bare_tool) = (ours.load(&wasm)?, bare.load(&wasm, "same")?);
    let (mut our_calls, mut bare_calls, mut wake_ups) =
        (Rounds::default(), Rounds::default(), Vec::new());
    let (calls, patience) = (effort.calls_a_round(2 * P99_CALLS), effort.time(20));
    for round in 0..=effort.rounds {
        let ours = Sample::take(calls, patience, || block_on(call_no_op(&tool)))?;
        let bare = Sample::take(calls, patience, || block_on(bare_tool.run_no_op()))?;
        let wake_up = wake_up(calls)?;
        if round > 0 {
            our_calls.push(ours);
            bare_calls.push(bare);
            wake_ups.push(wake_up);
        }
    }
    let (bare, wake_up) = (bare_calls.p50(), median(wake_ups));
    let what = format!(
        "bare call {:.1} µs + two thread wake-ups of {:.1} µs",
        bare * 1e6,
        wake_up * 1e6
    );
    Ok(vec![Row {
        name: NAME,
        what: "a typed no-op run, one at a time: p50".to_owned(),
        unit: Unit::Seconds,
        ours: Some(our_calls.p50()),
        reference: Some((what, bare + 2.0 * wake_up)),
        bar: Bar::Times(1.2),
        note: format!(
            "p99 {:.1} µs of {} calls",
            our_calls.p99() * 1e6,
            our_calls.calls()
        ),
    }])
}
