//! Paid runs on a server with a long past, beside one without.

use crate::effort::Effort;
use crate::http::{Call, Paid, Past, sustain};
use crate::machine::resident_bytes_of;
use crate::report::{Bar, Row, Unit, skip};
use crate::sample::median;
use std::time::Duration;

pub(crate) const NAME: &str = "past";
const CONNECTIONS: usize = 32;
/// Rounds where nobody says otherwise: more than of other rows, since the two are to be close.
const ROUNDS: usize = 7;
const PAST: Past = Past {
    runs: 1_000_000,
    artifacts: 10_000,
    keys: 10_000,
    sessions: 10_000,
};
/// Runs until memory is looked at for the first and the last time.
const FIRST_RUNS: usize = 100_000;
const ALL_RUNS: usize = 1_000_000;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let (Some(mut with), Some(without)) = (Paid::start()?, Paid::start()?) else {
        skip("past: the program `tollgate` is not built beside this one");
        return Ok(Vec::new());
    };
    let (calls_with, calls_without) = (with.buyers(1)?, without.buyers(1)?);
    run(&with, &calls_with, Duration::from_millis(100))?;
    let past = Past {
        runs: effort.many(PAST.runs),
        artifacts: effort.many(PAST.artifacts),
        keys: effort.many(PAST.keys),
        sessions: effort.many(PAST.sessions),
    };
    with.restart_with(past)?;
    let (mut rates_with, mut rates_without) = (Vec::new(), Vec::new());
    let rounds = if effort.is_brief { 1 } else { ROUNDS };
    for round in 0..=rounds {
        let time = effort.time(4);
        let (one, other) = (
            run(&with, &calls_with, time)?,
            run(&without, &calls_without, time)?,
        );
        // The first opens files and fills caches.
        if round > 0 {
            rates_with.push(one);
            rates_without.push(other);
        }
    }
    let what = format!(
        "paid runs beside {} past ones, {} artifacts, {} keys and {} sessions, {CONNECTIONS} connections",
        past.runs, past.artifacts, past.keys, past.sessions
    );
    let mut rows = vec![Row {
        name: NAME,
        what,
        unit: Unit::PerSecond,
        ours: Some(median(rates_with)),
        reference: Some(("an empty database".to_owned(), median(rates_without))),
        bar: Bar::AtLeastTimes(0.8),
        note: format!("{rounds} rounds"),
    }];
    rows.push(memory(effort, &without, &calls_without)?);
    Ok(rows)
}

/// Runs a second.
fn run(paid: &Paid, calls: &[Call], time: Duration) -> anyhow::Result<f64> {
    Ok(sustain(paid.address(), calls, CONNECTIONS, time)?.requests_per_s)
}

/// What a server has resident after many runs, against what it had after fewer.
fn memory(effort: Effort, paid: &Paid, calls: &[Call]) -> anyhow::Result<Row> {
    let mut runs = 0;
    let mut resident_after = |count: usize| {
        while runs < count {
            let sustained = sustain(paid.address(), calls, CONNECTIONS, effort.time(2))?;
            runs += sustained.latencies.len();
        }
        resident_bytes_of(paid.process_id())
    };
    let (first_runs, all_runs) = (effort.many(FIRST_RUNS), effort.many(ALL_RUNS));
    let first = resident_after(first_runs)?;
    let all = resident_after(all_runs)?;
    Ok(Row {
        name: NAME,
        what: format!("resident memory after {all_runs} paid runs"),
        unit: Unit::Bytes,
        ours: Some(all as f64),
        reference: Some((format!("after {first_runs}"), first as f64)),
        bar: Bar::Times(1.05),
        note: String::new(),
    })
}
