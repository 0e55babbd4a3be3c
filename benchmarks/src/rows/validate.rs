//! `tollgate validate` as a seller meets it: a new process that has never seen the tool.

use crate::effort::Effort;
use crate::report::{Bar, Row, Unit, skip};
use crate::sample::median;
use anyhow::{Context, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tollgate_fixtures::folder;

pub(crate) const NAME: &str = "validate";
const SMALL: &str = "picky";
const LARGE: &str = "diff-py";
const SMALL_SECONDS_MAX: f64 = 0.3;
const LARGE_TIMES_MAX: f64 = 1.2;

pub(crate) fn measure(effort: Effort, references: &Path) -> anyhow::Result<Vec<Row>> {
    let program = std::env::current_exe()?.with_file_name("tollgate");
    if !program.is_file() {
        skip("validate: the program is not built");
        return Ok(Vec::new());
    }
    let mut small = Vec::new();
    for _ in 0..effort.rounds {
        small.push(ours(&program, &folder(SMALL))?);
    }
    let mut rows = vec![Row {
        name: NAME,
        what: "validating a Rust tool of 43 KB in a new process, examples included".to_owned(),
        unit: Unit::Seconds,
        ours: Some(median(small)),
        reference: None,
        bar: Bar::AtMost(SMALL_SECONDS_MAX),
        note: format!("{} processes", effort.rounds),
    }];
    let wasmtime = references.join("bin/wasmtime");
    let built = folder(LARGE).join(format!("{LARGE}.wasm"));
    if !built.is_file() || !wasmtime.is_file() {
        skip("validate: diff-py or the reference wasmtime is not there");
        return Ok(rows);
    }
    let (mut large, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        large.push(ours(&program, &folder(LARGE))?);
        bare.push(theirs(&wasmtime, &built)?);
    }
    rows.push(Row {
        name: NAME,
        what: "validating the 18 MB Python tool in a new process, examples included".to_owned(),
        unit: Unit::Seconds,
        ours: Some(median(large)),
        reference: Some(("wasmtime compile".to_owned(), median(bare))),
        bar: Bar::Times(LARGE_TIMES_MAX),
        note: format!("{} processes each", effort.rounds),
    });
    Ok(rows)
}

/// With nothing kept of any tool.
fn ours(program: &Path, tool: &Path) -> anyhow::Result<f64> {
    let cache = tempfile::tempdir()?;
    let mut command = Command::new(program);
    command.arg("validate").arg(tool);
    seconds(command.env("XDG_CACHE_HOME", cache.path()))
}

fn theirs(program: &Path, wasm: &Path) -> anyhow::Result<f64> {
    let made = tempfile::tempdir()?;
    let mut command = Command::new(program);
    // Neither uses a cache of the engine's.
    command.args(["compile", "-C", "cache=n"]).arg(wasm);
    seconds(command.arg("-o").arg(made.path().join("compiled")))
}

fn seconds(command: &mut Command) -> anyhow::Result<f64> {
    let started = Instant::now();
    let ended = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let took = started.elapsed().as_secs_f64();
    let ended = ended.with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&ended.stderr);
    ensure!(ended.status.success(), "{command:?}: {said}");
    Ok(took)
}
