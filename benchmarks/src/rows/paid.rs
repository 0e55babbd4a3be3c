//! A paid run over HTTP with everything on, beside servers that do nothing of it.

use crate::effort::Effort;
use crate::http::{BareAxum, Call, Paid, Site, Sustained, Wasmtime, sustain};
use crate::machine::cpu_of;
use crate::report::{Bar, Row, Unit, skip};
use crate::sample::{Rounds, median};
use anyhow::Context;
use std::fs::File;
use std::io::{Seek, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) const NAME: &str = "paid";
const PAID: &str = "a paid run over HTTP with everything on";
const SERVE: &str = "`wasmtime serve`, a guest of JSON";
const SERVE_NOTHING: &str = "`wasmtime serve`, a guest that answers nothing to GET";
const LIBRARY: &str = "an axum handler that runs the tool by the library";
/// How many connections there are.
const MANY: usize = 512;
const SOME: usize = 32;
const ONE: usize = 1;
const WALLETS: usize = 10_000;
const FLUSHES: usize = 200;
/// What a small transaction writes.
const FLUSHED_BYTES: usize = 4 * 4096;

pub(crate) fn measure(effort: Effort, references: &Path) -> anyhow::Result<Vec<Row>> {
    let Some(paid) = Paid::start()? else {
        skip("paid: the program `tollgate` is not built beside this one");
        return Ok(Vec::new());
    };
    let (wasmtime, nothing) = (
        Wasmtime::with_json(references)?,
        Wasmtime::start(references)?,
    );
    if wasmtime.is_none() {
        let place = references.display();
        skip(&format!("paid: `wasmtime serve`: not in {place}"));
    }
    let mut measured = Measured {
        one_wallet: paid.buyers(1)?,
        wallets: paid.buyers(effort.many(WALLETS))?,
        axum: BareAxum::start()?,
        library: BareAxum::with_no_op()?,
        figures: Figures::default(),
        paid,
        wasmtime,
        nothing,
    };
    // The first round opens files and fills caches.
    measured.round(effort)?;
    measured.figures = Figures::default();
    for _ in 0..effort.rounds {
        measured.round(effort)?;
    }
    Ok(measured.figures.rows(effort))
}

/// Ours alone, to be looked at by a profiler.
pub(crate) fn only(connections: usize, seconds: u64) -> anyhow::Result<()> {
    let paid = Paid::start()?.context("the program `tollgate` is not built beside this one")?;
    let (calls, time) = (paid.buyers(1)?, Duration::from_secs(seconds));
    eprintln!("process {}", paid.process_id());
    let (sustained, cpu) = with_cpu(paid.address(), paid.process_id(), &calls, connections, time)?;
    println!(
        "{:.0} a second, {:.1} µs of CPU, p50 {:.1} µs",
        sustained.requests_per_s,
        cpu * 1e6,
        sustained.latencies.p50() * 1e6
    );
    Ok(())
}

struct Measured {
    paid: Paid,
    one_wallet: Vec<Call>,
    wallets: Vec<Call>,
    wasmtime: Option<Wasmtime>,
    /// The least that it can do, for scale.
    nothing: Option<Wasmtime>,
    axum: BareAxum,
    /// Runs the same tool by the library, and nothing else.
    library: BareAxum,
    figures: Figures,
}

/// Of each round one, in seconds or requests a second.
#[derive(Default)]
struct Figures {
    many: Vec<f64>,
    many_wasmtime: Vec<f64>,
    many_nothing: Vec<f64>,
    many_axum: Vec<f64>,
    many_library: Vec<f64>,
    some: Vec<f64>,
    some_wasmtime: Vec<f64>,
    one: Rounds,
    flush: Vec<f64>,
    wallets: Vec<f64>,
    cpu: Vec<f64>,
    cpu_axum: Vec<f64>,
    cpu_library: Vec<f64>,
}

impl Measured {
    fn round(&mut self, effort: Effort) -> anyhow::Result<()> {
        let time = effort.time(4);
        let (ours, process) = (self.paid.address(), self.paid.process_id());
        let figures = &mut self.figures;
        let (sustained, cpu) = with_cpu(ours, process, &self.one_wallet, MANY, time)?;
        figures.many.push(sustained.requests_per_s);
        figures.cpu.push(cpu);
        if let Some(wasmtime) = &self.wasmtime {
            let (address, calls) = (wasmtime.address(), [wasmtime.json()]);
            let sustained = sustain(address, &calls, MANY, time)?;
            figures.many_wasmtime.push(sustained.requests_per_s);
            let sustained = sustain(address, &calls, SOME, time)?;
            figures.some_wasmtime.push(sustained.requests_per_s);
        }
        if let Some(nothing) = &self.nothing {
            let calls = [nothing.quick()];
            let sustained = sustain(nothing.address(), &calls, MANY, time)?;
            figures.many_nothing.push(sustained.requests_per_s);
        }
        let (axum, process) = (self.axum.address(), self.axum.process_id());
        let (sustained, cpu) = with_cpu(axum, process, &[self.axum.json()], MANY, time)?;
        figures.many_axum.push(sustained.requests_per_s);
        figures.cpu_axum.push(cpu);
        let (library, process) = (self.library.address(), self.library.process_id());
        let (sustained, cpu) = with_cpu(library, process, &[self.library.json()], MANY, time)?;
        figures.many_library.push(sustained.requests_per_s);
        figures.cpu_library.push(cpu);
        let sustained = sustain(ours, &self.one_wallet, SOME, time)?;
        figures.some.push(sustained.requests_per_s);
        let sustained = sustain(ours, &self.one_wallet, ONE, time)?;
        figures.one.push(sustained.latencies);
        figures.flush.push(flush(self.paid.folder())?);
        let sustained = sustain(ours, &self.wallets, MANY, time)?;
        figures.wallets.push(sustained.requests_per_s);
        Ok(())
    }
}

/// And the server's CPU seconds a call.
fn with_cpu(
    address: SocketAddr,
    process: u32,
    calls: &[Call],
    connections: usize,
    time: Duration,
) -> anyhow::Result<(Sustained, f64)> {
    let before = cpu_of(process)?;
    let sustained = sustain(address, calls, connections, time)?;
    let took = cpu_of(process)?.saturating_sub(before).as_secs_f64();
    let calls = sustained.latencies.len() as f64;
    Ok((sustained, took / calls))
}

/// Seconds that a file's flush takes at the median, written over as a database's log is.
fn flush(folder: &Path) -> anyhow::Result<f64> {
    let mut file = File::create(folder.join("flushed"))?;
    let mut took = Vec::with_capacity(FLUSHES);
    for _ in 0..FLUSHES {
        file.rewind()?;
        file.write_all(&[1; FLUSHED_BYTES])?;
        let started = Instant::now();
        file.sync_data()?;
        took.push(started.elapsed().as_secs_f64());
    }
    Ok(median(took))
}

impl Figures {
    fn rows(self, effort: Effort) -> Vec<Row> {
        let rows = self.rates(effort).into_iter().chain(self.times());
        let noted = rows.map(|row| Row {
            note: format!("{} rounds", effort.rounds),
            ..row
        });
        noted.collect()
    }

    fn rates(&self, effort: Effort) -> Vec<Row> {
        let (many, some) = (middle(&self.many), middle(&self.some));
        let mut rows = Vec::new();
        if !self.many_wasmtime.is_empty() {
            let reference = (SERVE.to_owned(), middle(&self.many_wasmtime));
            rows.push(rate(by(PAID, MANY), many, reference, 1.6));
            let reference = (SERVE.to_owned(), middle(&self.some_wasmtime));
            rows.push(rate(by(PAID, SOME), some, reference, 0.9));
            let nothing = (SERVE_NOTHING.to_owned(), middle(&self.many_nothing));
            let (what, unit) = (by(PAID, MANY), Unit::PerSecond);
            rows.push(row(what, unit, many, nothing, Bar::None));
        }
        let axum = ("bare axum JSON handler".to_owned(), middle(&self.many_axum));
        rows.push(rate(by(PAID, MANY), many, axum, 0.23));
        let library = (LIBRARY.to_owned(), middle(&self.many_library));
        let (what, unit) = (by(PAID, MANY), Unit::PerSecond);
        rows.push(row(what, unit, many, library, Bar::None));
        let wallets = format!("{} wallets in turn", effort.many(WALLETS));
        let wallets = (wallets, middle(&self.wallets));
        let hot = by("paid runs from one hot wallet", MANY);
        rows.push(rate(hot, many, wallets, 0.8));
        rows
    }

    fn times(&self) -> [Row; 2] {
        let (axum, library) = (middle(&self.cpu_axum), middle(&self.cpu_library));
        let one = by(&format!("{PAID}: p50"), ONE);
        let flush = ("one flush of a file".to_owned(), middle(&self.flush));
        let paid = middle(&self.cpu);
        let what = "CPU time that admission and settlement add to a call";
        let handler = format!(
            "the bare axum handler's whole call; {LIBRARY}: {:.1} µs, a paid run {:.1} µs",
            library * 1e6,
            paid * 1e6
        );
        [
            row(
                one,
                Unit::Seconds,
                self.one.p50(),
                flush,
                Bar::Beyond(0.001),
            ),
            row(
                what.to_owned(),
                Unit::Seconds,
                paid - library,
                (handler, axum),
                Bar::Times(1.5),
            ),
        ]
    }
}

fn middle(rounds: &[f64]) -> f64 {
    median(rounds.iter().copied())
}

fn by(calls: &str, connections: usize) -> String {
    match connections {
        ONE => format!("{calls}, one connection"),
        connections => format!("{calls}, {connections} connections"),
    }
}

/// At least so many times the reference's.
fn rate(what: String, ours: f64, reference: (String, f64), least: f64) -> Row {
    let bar = Bar::AtLeastTimes(least);
    row(what, Unit::PerSecond, ours, reference, bar)
}

fn row(what: String, unit: Unit, ours: f64, reference: (String, f64), bar: Bar) -> Row {
    Row {
        name: NAME,
        what,
        unit,
        ours: Some(ours),
        reference: Some(reference),
        bar,
        note: String::new(),
    }
}
