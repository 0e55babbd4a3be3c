//! A quick tool over HTTP while another org's file is compiled, one that takes all that compiling may take.

use crate::effort::Effort;
use crate::guests;
use crate::http::{Tollgate, beside};
use crate::report::{Bar, Row, Unit, skip};
use crate::sample::{P99_CALLS, Rounds};
use anyhow::ensure;
use std::thread;
use std::time::Duration;

pub(crate) const NAME: &str = "compiling";
/// So many levels take far more than ten seconds of processor time, of 60 that a compilation has.
const LOOPS: usize = 20_000;
/// A compilation takes longer than these together.
const PATIENCE: Duration = Duration::from_secs(4);
const BEGUN: Duration = Duration::from_secs(1);

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let Some(mut ours) = Tollgate::start()? else {
        skip("compiling: the program `tollgate` is not built beside this one");
        return Ok(Vec::new());
    };
    let calls = effort.calls_a_round(P99_CALLS);
    let (mut quiet, mut loaded) = (Rounds::default(), Rounds::default());
    // The first calls open connections and fill caches.
    beside(&mut ours, 0, calls, PATIENCE)?;
    for round in 0..effort.rounds {
        quiet.push(beside(&mut ours, 0, calls, PATIENCE)?);
        let bomb = guests::nested_loops(LOOPS, round)?;
        let compiling = ours.compile(&format!("bomb-{round}"), bomb)?;
        thread::sleep(BEGUN);
        let taken = beside(&mut ours, 0, calls, PATIENCE)?;
        ensure!(ours.is_compiling(&compiling)?, "it was compiled too soon");
        loaded.push(taken);
        ours.compiled(&compiling)?;
    }
    let row = |of: &str, ours: f64, reference: f64, bar: Bar| Row {
        name: NAME,
        what: format!("a no-op run over HTTP while a bomb of another org is compiled: {of}"),
        unit: Unit::Seconds,
        ours: Some(ours),
        reference: Some(("quiet".to_owned(), reference)),
        bar,
        note: format!("{} calls", loaded.calls()),
    };
    Ok(vec![
        row("p50", loaded.p50(), quiet.p50(), Bar::Times(1.2)),
        row("p99", loaded.p99(), quiet.p99(), Bar::None),
    ])
}
