//! Measures our runtime and server against references in the same run.

mod bare;
mod bare_http;
mod bare_wasi;
mod effort;
mod guests;
mod http;
mod machine;
mod ours;
mod outside;
mod plot;
mod report;
mod rows;
mod sample;
mod upstream;
mod wait;

use anyhow::Context;
use clap::{Parser, Subcommand};
use effort::Effort;
use report::{Report, Row};
use rows::large_tool::What;
use rows::parked::Whose;
use std::path::{Path, PathBuf};

/// Measures Tollgate beside references, turn by turn, and prints one Markdown table.
///
/// Nothing is asserted: every row says its bar and whether it is met. What cannot be measured here, such as a
/// reference that is not installed, is a line `SKIP: …` on stderr. Use `benchmarks/compare`, which installs the
/// references, builds for release and runs this.
#[derive(Debug, Parser)]
struct Arguments {
    /// Tiny counts, to see that everything still works; the figures mean nothing
    #[arg(long)]
    brief: bool,
    /// Only this measurement; may be given several times
    #[arg(long, value_name = "NAME", value_parser = names())]
    only: Vec<String>,
    /// How often ours and the references take turns
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Writes everything that was measured to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measures the picture of docs/performance.md, too, and writes it as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Where the references are installed
    #[arg(
        long,
        value_name = "FOLDER",
        env = "TOLLGATE_BENCH_REFERENCES",
        default_value = "references"
    )]
    references: PathBuf,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured in a process of its own.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Parked { whose: Whose, runs: usize },
    #[command(hide = true)]
    BareAxum {
        /// Of a tool, by the library
        #[arg(long)]
        runs: bool,
    },
    /// Paid runs for so many seconds, to look at the server meanwhile
    #[command(hide = true)]
    Paid { connections: usize, seconds: u64 },
    #[command(hide = true)]
    Upstream { protocol: String },
    #[command(hide = true)]
    LargeTool { what: What, made: PathBuf },
}

/// Its effort, and the folder of references.
type Measure = fn(Effort, &Path) -> anyhow::Result<Vec<Row>>;

/// In the order of the table.
const MEASUREMENTS: &[(&str, Measure)] = &[
    (rows::throughput::NAME, |effort, _| {
        rows::throughput::measure(effort)
    }),
    (rows::latency::NAME, |effort, _| {
        rows::latency::measure(effort)
    }),
    (rows::neighbours::NAME, |effort, _| {
        rows::neighbours::measure(effort)
    }),
    (rows::http::NAME, rows::http::measure),
    (rows::compiling::NAME, |effort, _| {
        rows::compiling::measure(effort)
    }),
    (rows::paid::NAME, rows::paid::measure),
    (rows::past::NAME, |effort, _| rows::past::measure(effort)),
    (rows::starting::NAME, |effort, _| {
        rows::starting::measure(effort)
    }),
    (rows::flood::NAME, |effort, _| rows::flood::measure(effort)),
    (rows::saturation::NAME, |effort, _| {
        rows::saturation::measure(effort)
    }),
    (rows::delivered::NAME, |effort, _| {
        rows::delivered::measure(effort)
    }),
    (rows::parked::NAME, |effort, _| {
        rows::parked::measure(effort)
    }),
    (rows::overshoot::NAME, |effort, _| {
        rows::overshoot::measure(effort)
    }),
    (rows::large_tool::NAME, |effort, _| {
        rows::large_tool::measure(effort)
    }),
    (rows::validate::NAME, rows::validate::measure),
    (rows::many_tools::NAME, |effort, _| {
        rows::many_tools::measure(effort)
    }),
    (rows::egress::NAME, |effort, _| {
        rows::egress::measure(effort)
    }),
    (rows::scan::NAME, |effort, _| rows::scan::measure(effort)),
    (rows::tuning::NAME, |effort, _| {
        rows::tuning::measure(effort)
    }),
];

fn names() -> Vec<&'static str> {
    MEASUREMENTS.iter().map(|(name, _)| *name).collect()
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Parked { whose, runs }) => {
            println!("{}", rows::parked::bytes_a_run(whose, runs)?);
            Ok(())
        }
        Some(Part::LargeTool { what, made }) => {
            println!("{}", rows::large_tool::first_call(what, &made)?);
            Ok(())
        }
        Some(Part::Upstream { protocol }) => upstream::serve(&protocol),
        Some(Part::BareAxum { runs }) => http::serve_bare_axum(runs),
        Some(Part::Paid {
            connections,
            seconds,
        }) => rows::paid::only(connections, seconds),
        None => compare(&arguments),
    }
}

fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    let effort = Effort::new(arguments.rounds, arguments.brief);
    let mut report = Report::new(effort);
    let mut failed = Vec::new();
    for (name, measure) in MEASUREMENTS {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        eprintln!("{name} …");
        // What one cannot measure does not take the others' figures with it.
        match measure(effort, &arguments.references) {
            Ok(rows) => report.add(rows),
            Err(error) => {
                eprintln!("FAILED: {name}: {error:#}");
                failed.push(*name);
            }
        }
    }
    print!("{}", report.table());
    if let Some(file) = &arguments.json {
        std::fs::write(file, format!("{:#}\n", report.json()))
            .with_context(|| file.display().to_string())?;
    }
    if let Some(file) = &arguments.plot {
        plot::plot(effort, &arguments.references, file)?;
    }
    anyhow::ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}
