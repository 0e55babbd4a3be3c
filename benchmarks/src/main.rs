//! Measures our runtime and server against references in the same run.

mod bare;
mod effort;
mod guests;
mod machine;
mod ours;
mod report;
mod rows;
mod sample;
mod wait;

use anyhow::Context;
use clap::{Parser, Subcommand};
use effort::Effort;
use report::{Report, Row};
use rows::parked::Whose;
use std::path::PathBuf;

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
    #[command(subcommand)]
    part: Option<Part>,
}

/// What is measured in a process of its own.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Parked { whose: Whose, runs: usize },
}

type Measure = fn(Effort) -> anyhow::Result<Vec<Row>>;

/// In the order of the table.
const MEASUREMENTS: &[(&str, Measure)] = &[
    (rows::throughput::NAME, rows::throughput::measure),
    (rows::latency::NAME, rows::latency::measure),
    (rows::neighbours::NAME, rows::neighbours::measure),
    (rows::flood::NAME, rows::flood::measure),
    (rows::saturation::NAME, rows::saturation::measure),
    (rows::delivered::NAME, rows::delivered::measure),
    (rows::parked::NAME, rows::parked::measure),
    (rows::overshoot::NAME, rows::overshoot::measure),
    (rows::many_tools::NAME, rows::many_tools::measure),
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
        None => compare(&arguments),
    }
}

fn compare(arguments: &Arguments) -> anyhow::Result<()> {
    let effort = Effort::new(arguments.rounds, arguments.brief);
    let mut report = Report::new(effort);
    for (name, measure) in MEASUREMENTS {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
            continue;
        }
        eprintln!("{name} …");
        let rows = measure(effort).with_context(|| format!("the measurement `{name}`"))?;
        report.add(rows);
    }
    print!("{}", report.table());
    if let Some(file) = &arguments.json {
        std::fs::write(file, format!("{:#}\n", report.json()))
            .with_context(|| file.display().to_string())?;
    }
    Ok(())
}
