//! How much of the machine guests get while many of them want all of it.

use crate::effort::Effort;
use crate::guests;
use crate::machine::{cores, thread_cpu};
use crate::ours::{Ours, spinning_run};
use crate::report::{Bar, Row, Unit};
use crate::sample::median;
use crate::wait::block_on;
use std::time::{Duration, Instant};
use tollgate_runtime::{Limits, Tool};

pub(crate) const NAME: &str = "delivered";
const SPINNING: usize = 100;

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    let ours = Ours::new()?;
    let spin = ours.load(&guests::spin()?)?;
    let (spinning, time) = (effort.many(SPINNING), effort.time(3));
    let (mut guests, mut threads) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        guests.push(of_guests(&ours, &spin, spinning, time)?);
        threads.push(of_threads(time));
    }
    Ok(vec![Row {
        name: NAME,
        what: format!("CPU time of guests while {spinning} spin, of wall time × cores"),
        unit: Unit::Share,
        ours: Some(median(guests)),
        reference: Some(("plain threads that spin".to_owned(), median(threads))),
        bar: Bar::AtLeast(0.95),
        note: String::new(),
    }])
}

fn of_guests(ours: &Ours, spin: &Tool, spinning: usize, time: Duration) -> anyhow::Result<f64> {
    let limits = Limits {
        timeout: time,
        ..Limits::default()
    };
    let started = Instant::now();
    let runs: Vec<_> = (0..spinning)
        .map(|index| {
            let (spin, run) = (spin.clone(), spinning_run(index).limits(limits.clone()));
            ours.callers.spawn(async move { spin.run(run).await })
        })
        .collect();
    let mut cpu_us = 0;
    for run in runs {
        cpu_us += block_on(run)??.usage.cpu_us;
    }
    Ok(share(Duration::from_micros(cpu_us), started.elapsed()))
}

/// What the machine can give to anybody now.
fn of_threads(time: Duration) -> f64 {
    let started = Instant::now();
    let spin = move || {
        while started.elapsed() < time {
            std::hint::spin_loop();
        }
        thread_cpu()
    };
    let threads: Vec<_> = (0..cores()).map(|_| std::thread::spawn(spin)).collect();
    let cpu = threads
        .into_iter()
        .map(|thread| thread.join().unwrap_or_default());
    let cpu: Duration = cpu.sum();
    share(cpu, started.elapsed())
}

fn share(cpu: Duration, wall: Duration) -> f64 {
    cpu.as_secs_f64() / (wall.as_secs_f64() * cores() as f64)
}
