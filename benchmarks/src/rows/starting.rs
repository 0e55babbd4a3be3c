//! How long a server takes to start beside a million rows of each kind, and beside one.

use crate::effort::Effort;
use crate::http::{Paid, Past, sustain};
use crate::report::{Bar, Row, Unit, skip};
use crate::sample::median;
use std::time::Duration;

pub(crate) const NAME: &str = "starting";
const ROWS: usize = 1_000_000;
/// Rounds where nobody says otherwise: a start is short, so that its noise is large.
const ROUNDS: usize = 9;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let (Some(mut with), Some(mut without)) = (Paid::start()?, Paid::start()?) else {
        skip("starting: the program `tollgate` is not built beside this one");
        return Ok(Vec::new());
    };
    for paid in [&with, &without] {
        let calls = paid.buyers(1)?;
        sustain(paid.address(), &calls, 1, Duration::from_millis(100))?;
    }
    let rows = effort.many(ROWS);
    with.restart_with(past(rows))?;
    without.restart_with(past(1))?;
    let (mut times_with, mut times_without) = (Vec::new(), Vec::new());
    let rounds = if effort.is_brief { 1 } else { ROUNDS };
    for _ in 0..rounds {
        times_with.push(with.restart()?.as_secs_f64());
        times_without.push(without.restart()?.as_secs_f64());
    }
    Ok(vec![Row {
        name: NAME,
        what: format!(
            "from start to ready beside {rows} rows each of runs, payments, artifacts, releases, keys, sessions, \
             budgets and subscriptions"
        ),
        unit: Unit::Seconds,
        ours: Some(median(times_with)),
        reference: Some(("beside 1 row each".to_owned(), median(times_without))),
        bar: Bar::Times(1.5),
        note: format!("{rounds} rounds"),
    }])
}

/// The same number of rows of each kind.
fn past(rows: usize) -> Past {
    Past {
        runs: rows,
        artifacts: rows,
        keys: rows,
        sessions: rows,
    }
}
