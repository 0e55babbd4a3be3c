//! Latency against the number of neighbours that spin, as a picture.

use crate::effort::Effort;
use crate::http::{PATIENCE, Site, Tollgate, Wasmtime, beside};
use crate::machine::cores;
use crate::report::skip;
use crate::sample::P99_CALLS;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::path::Path;
use std::time::Duration;

const NEIGHBOURS: [usize; 9] = [0, 1, 2, 4, 8, 16, 32, 64, 100];
const SIZE: (u32, u32) = (900, 560);
/// Of the strip above the axes, where the title and the legend are.
const STRIP: u32 = 96;
const FONT: &str = "sans-serif";
const OURS: RGBColor = RGBColor(0, 114, 178);
const THEIRS: RGBColor = RGBColor(213, 94, 0);

/// Measures and draws.
pub(crate) fn plot(effort: Effort, references: &Path, file: &Path) -> anyhow::Result<()> {
    let Some(mut ours) = Tollgate::start()? else {
        skip("the plot: the program `tollgate` is not built beside this one");
        return Ok(());
    };
    let mut wasmtime = Wasmtime::start(references)?;
    if wasmtime.is_none() {
        skip("`wasmtime serve` in the plot: it is not installed");
    }
    let mut lines = vec![Line::new(ours.name(), OURS)];
    lines.extend(wasmtime.as_ref().map(|it| Line::new(it.name(), THEIRS)));
    for spinning in NEIGHBOURS.map(|count| effort.many(count)) {
        lines[0].take(effort, &mut ours, spinning)?;
        if let Some(wasmtime) = &mut wasmtime {
            lines[1].take(effort, wasmtime, spinning)?;
        }
    }
    draw(&lines, file)
}

struct Line {
    name: &'static str,
    color: RGBColor,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Line {
    fn new(name: &'static str, color: RGBColor) -> Self {
        Self {
            name,
            color,
            p50: Vec::new(),
            p99: Vec::new(),
        }
    }

    fn take(&mut self, effort: Effort, site: &mut dyn Site, spinning: usize) -> anyhow::Result<()> {
        let calls = effort.calls_a_round(P99_CALLS * effort.rounds);
        let sample = beside(site, spinning, calls, effort.time(30))?;
        eprintln!(
            "{} beside {spinning}: p50 {:.2} ms, p99 {:.2} ms of {} calls",
            self.name,
            sample.p50() * 1e3,
            sample.p99() * 1e3,
            sample.len()
        );
        self.p50.push(sample.p50());
        self.p99.push(sample.p99());
        Ok(())
    }
}

fn draw(lines: &[Line], file: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (strip, below) = root.split_vertically(STRIP);
    legend(lines, &strip)?;
    let last = (NEIGHBOURS.len() - 1) as f64;
    let mut chart = ChartBuilder::on(&below)
        .margin_left(12)
        .margin_right(30)
        .margin_bottom(8)
        .x_label_area_size(48)
        .y_label_area_size(84)
        .build_cartesian_2d(-0.2..last + 0.2, (5e-5..20.0).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(221, 221, 221))
        .x_desc("requests of others that spin for ever")
        .y_desc("time to the answer (log scale)")
        .x_labels(NEIGHBOURS.len())
        .x_label_formatter(&|index| neighbours(*index))
        .y_label_formatter(&|seconds| duration(*seconds))
        .label_style((FONT, 15))
        .axis_desc_style((FONT, 16))
        .draw()?;
    for line in lines {
        let points = |values: &[f64]| -> Vec<(f64, f64)> {
            values
                .iter()
                .enumerate()
                .map(|(at, value)| (at as f64, *value))
                .collect()
        };
        let (p50, p99) = (points(&line.p50), points(&line.p99));
        chart.draw_series(LineSeries::new(p50.clone(), line.color.stroke_width(3)))?;
        chart.draw_series(DashedLineSeries::new(
            p99.clone(),
            8,
            5,
            line.color.stroke_width(2),
        ))?;
        chart.draw_series(
            p50.iter()
                .map(|at| Circle::new(*at, 4, line.color.filled())),
        )?;
        chart.draw_series(p99.iter().map(|at| Circle::new(*at, 4, line.color)))?;
    }
    root.present()?;
    Ok(())
}

fn neighbours(index: f64) -> String {
    let is_whole = (index - index.round()).abs() < 1e-6;
    let neighbours = NEIGHBOURS.get(index.round().max(0.0) as usize);
    neighbours
        .filter(|_| is_whole)
        .map_or(String::new(), usize::to_string)
}

fn duration(seconds: f64) -> String {
    let duration = Duration::from_secs_f64(seconds);
    match duration.as_micros() {
        0..1_000 => format!("{} µs", duration.as_micros()),
        1_000..1_000_000 => format!("{} ms", duration.as_millis()),
        _ => format!("{} s", duration.as_secs()),
    }
}

/// The title, and under it one entry for each line, beside each other: nothing of it is over the axes.
fn legend(lines: &[Line], strip: &DrawingArea<SVGBackend<'_>, Shift>) -> anyhow::Result<()> {
    let text = |size: i32| (FONT, size).into_font().color(&BLACK);
    let title = "A tool that does nothing, called over HTTP beside tools that never end";
    strip.draw(&Text::new(title, (20, 14), text(20)))?;
    let note = format!(
        "{} cores, one call at a time, 10,000 calls or 30 s; one not answered in {} s counts as that",
        cores(),
        PATIENCE.as_secs()
    );
    strip.draw(&Text::new(note, (20, 42), text(14)))?;
    let mut x = 20;
    for line in lines {
        for (of, is_p50) in [("p50", true), ("p99", false)] {
            let (from, to) = ((x, 78), (x + 36, 78));
            if is_p50 {
                strip.draw(&PathElement::new([from, to], line.color.stroke_width(3)))?;
                strip.draw(&Circle::new((x + 18, 78), 4, line.color.filled()))?;
            } else {
                for dash in [x, x + 13, x + 26] {
                    let ends = [(dash, 78), (dash + 8, 78)];
                    strip.draw(&PathElement::new(ends, line.color.stroke_width(2)))?;
                }
                strip.draw(&Circle::new((x + 18, 78), 4, line.color))?;
            }
            strip.draw(&Text::new(
                format!("{}, {of}", line.name),
                (x + 44, 70),
                text(15),
            ))?;
            x += 200;
        }
    }
    Ok(())
}
