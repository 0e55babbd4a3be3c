//! A quick tool while one other owner floods the runtime with quick runs.

use crate::effort::Effort;
use crate::guests;
use crate::ours::{Ours, call_no_op, no_op_run};
use crate::report::{Bar, Row, Unit};
use crate::sample::{P99_CALLS, Rounds, Sample};
use crate::wait::block_on;

pub(crate) const NAME: &str = "flood";
const IN_FLIGHT: usize = 512;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::new()?;
    let tool = ours.load(&guests::no_op()?)?;
    let in_flight = effort.many(IN_FLIGHT);
    let (mut quiet, mut beside, mut refused) = (Rounds::default(), Rounds::default(), 0);
    let take = || {
        let calls = effort.calls_a_round(P99_CALLS);
        Sample::take(calls, effort.time(20), || block_on(call_no_op(&tool)))
    };
    take()?;
    for _ in 0..effort.rounds {
        quiet.push(take()?);
        let flood = ours.neighbours(in_flight, &tool, |_| no_op_run().owner("flood"));
        // A run of ours that is refused ends the measurement: there must be none.
        let sample = take();
        refused += ours.quiet(flood)?;
        beside.push(sample?);
    }
    let note = format!(
        "{} calls, of the other owner's runs {refused} refused",
        beside.calls()
    );
    let row = |what, of: fn(&Rounds) -> f64, bar| Row {
        name: NAME,
        what: format!("a no-op run while another owner keeps {in_flight} in flight: {what}"),
        unit: Unit::Seconds,
        ours: Some(of(&beside)),
        reference: Some(("quiet".to_owned(), of(&quiet))),
        bar,
        note: note.clone(),
    };
    Ok(vec![
        row("p50", Rounds::p50, Bar::None),
        row("p99", Rounds::p99, Bar::Times(10.0)),
    ])
}
