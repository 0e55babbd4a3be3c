//! A quick tool over HTTP while others' requests spin, ours beside other servers.

use crate::effort::Effort;
use crate::http::{BareAxum, MANY, Site, Tollgate, Wasmtime, Workerd, beside};
use crate::report::{Bar, Row, Unit, skip};
use crate::sample::{P99_CALLS, Rounds};
use std::path::Path;

pub(crate) const NAME: &str = "http";

pub(crate) fn measure(effort: Effort, references: &Path) -> anyhow::Result<Vec<Row>> {
    let Some(ours) = Tollgate::start()? else {
        skip("http: the program `tollgate` is not built beside this one");
        return Ok(Vec::new());
    };
    let mut sites: Vec<Measured> = vec![Measured::new(ours)];
    match Wasmtime::start(references)? {
        Some(wasmtime) => sites.push(Measured::new(wasmtime)),
        None => skip(&format!(
            "`wasmtime serve`: not in {}",
            references.display()
        )),
    }
    match Workerd::start(references)? {
        Some(workerd) => sites.push(Measured::new(workerd)),
        None => skip(&format!("workerd: not in {}", references.display())),
    }
    sites.push(Measured::new(BareAxum::start()?));
    let spinning = effort.many(MANY);
    for _ in 0..effort.rounds {
        for site in &mut sites {
            site.take(effort, spinning)?;
        }
    }
    Ok(rows(&sites, spinning))
}

struct Measured {
    site: Box<dyn Site>,
    quiet: Rounds,
    beside: Rounds,
}

impl Measured {
    fn new(site: impl Site + 'static) -> Self {
        Self {
            site: Box::new(site),
            quiet: Rounds::default(),
            beside: Rounds::default(),
        }
    }

    fn take(&mut self, effort: Effort, spinning: usize) -> anyhow::Result<()> {
        let (calls, patience) = (effort.calls_a_round(P99_CALLS), effort.time(20));
        let site = self.site.as_mut();
        // The first calls open connections and fill caches.
        beside(site, 0, calls / 10, patience)?;
        self.quiet.push(beside(site, 0, calls, patience)?);
        self.beside.push(beside(site, spinning, calls, patience)?);
        Ok(())
    }

    fn says(&self, rounds: &Rounds) -> String {
        format!("{}, {} calls", self.site.name(), rounds.calls())
    }
}

fn rows(sites: &[Measured], spinning: usize) -> Vec<Row> {
    let Some((ours, others)) = sites.split_first() else {
        return Vec::new();
    };
    let quiet = "a no-op run over HTTP, quiet".to_owned();
    let loaded = format!("a no-op run over HTTP while {spinning} requests of other orgs spin");
    let (p50, p99) = (ours.beside.p50(), ours.beside.p99());
    let mut rows = vec![
        row(
            &loaded,
            "p50",
            p50,
            ("quiet".to_owned(), ours.quiet.p50()),
            Bar::Times(2.0),
        ),
        row(
            &loaded,
            "p99",
            p99,
            ("quiet".to_owned(), ours.quiet.p99()),
            Bar::Times(10.0),
        ),
    ];
    for other in others {
        let says = other.says(&other.quiet);
        rows.push(row(
            &quiet,
            "p50",
            ours.quiet.p50(),
            (says, other.quiet.p50()),
            Bar::None,
        ));
    }
    // The last does nothing but answer: nothing of it spins.
    for other in &others[..others.len().saturating_sub(1)] {
        let says = || other.says(&other.beside);
        rows.push(row(
            &loaded,
            "p50",
            p50,
            (says(), other.beside.p50()),
            Bar::None,
        ));
        if other.beside.calls() >= P99_CALLS {
            rows.push(row(
                &loaded,
                "p99",
                p99,
                (says(), other.beside.p99()),
                Bar::None,
            ));
        }
    }
    let note = format!("{} calls", ours.beside.calls());
    rows.iter_mut().for_each(|row| row.note.clone_from(&note));
    rows
}

fn row(what: &str, of: &str, ours: f64, reference: (String, f64), bar: Bar) -> Row {
    Row {
        name: NAME,
        what: format!("{what}: {of}"),
        unit: Unit::Seconds,
        ours: Some(ours),
        reference: Some(reference),
        bar,
        note: String::new(),
    }
}
