//! An 18 MB tool that was compiled before, in a process that has never seen it: until its first result.

use crate::bare::{self, failed};
use crate::effort::Effort;
use crate::machine::Took;
use crate::ours::Ours;
use crate::report::{Bar, Row, Unit, skip};
use crate::sample::median;
use crate::wait::block_on;
use anyhow::Context;
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tollgate_fixtures::{folder, packed_bytes};
use tollgate_runtime::{Run, ToolDigest};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

pub(crate) const NAME: &str = "large-tool";
const TOOL: &str = "diff-py";
const FUNCTION: &str = "compare";

/// What a process measures, of the files its parent made.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum What {
    Ours,
    Bare,
    Hash,
}

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    if !folder(TOOL).join(format!("{TOOL}.wasm")).is_file() {
        skip("large-tool: diff-py is not built; fixtures/build-large builds it");
        return Ok(Vec::new());
    }
    let wasm = packed_bytes(TOOL);
    let made = tempfile::tempdir()?;
    let compiling = make_files(&wasm, made.path())?;
    let (mut ours, mut bare, mut hash) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        ours.push(in_a_process("ours", made.path())?);
        bare.push(in_a_process("bare", made.path())?);
        hash.push(in_a_process("hash", made.path())?);
    }
    let (bare, hash) = (median(bare), median(hash));
    let megabytes = wasm.len() / 1_000_000;
    let row = |reference, bar| Row {
        name: NAME,
        what: format!(
            "the {megabytes} MB Python tool, compiled before, in a new process: from load to result"
        ),
        unit: Unit::Seconds,
        ours: Some(median(ours.iter().copied())),
        reference: Some(reference),
        bar,
        note: format!("{} processes", effort.rounds),
    };
    let allowed = format!(
        "1.5 × deserialize_file, instantiate, call: {:.1} ms; and one BLAKE3 pass: {:.1} ms",
        bare * 1e3,
        hash * 1e3
    );
    Ok(vec![
        row((allowed, 1.5 * bare + hash), Bar::Times(1.0)),
        row(("compiling it".to_owned(), compiling), Bar::Faster(200.0)),
    ])
}

/// What the processes read: our kept file and its digest, and the same code as the engine alone keeps it. How many
/// seconds compiling takes.
fn make_files(wasm: &[u8], made: &Path) -> anyhow::Result<f64> {
    Ours::keeping(&made.join("ours"))?.load(wasm)?;
    std::fs::write(made.join("tool"), wasm)?;
    let engine = bare::engine()?;
    let (compiled, took) = Took::measure(|| engine.precompile_component(wasm).map_err(failed));
    std::fs::write(made.join("bare"), compiled?)?;
    Ok(took.wall.as_secs_f64())
}

fn in_a_process(what: &str, made: &Path) -> anyhow::Result<f64> {
    let output = Command::new(std::env::current_exe()?)
        .args(["large-tool", what])
        .arg(made)
        .output()?;
    let said: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    said["seconds"].as_f64().context("seconds")
}

/// In this process, which must not have done so before.
pub(crate) fn first_call(what: What, made: &Path) -> anyhow::Result<Value> {
    let took = match what {
        What::Ours => our_call(made)?,
        What::Bare => bare_call(&made.join("bare"))?,
        What::Hash => {
            let (hashed, took) =
                Took::measure(|| anyhow::Ok(blake3::hash(&std::fs::read(made.join("bare"))?)));
            hashed?;
            took
        }
    };
    Ok(json!({"seconds": took.wall.as_secs_f64()}))
}

fn our_call(made: &Path) -> anyhow::Result<Took> {
    let digest = ToolDigest::of(&std::fs::read(made.join("tool"))?);
    let ours = Ours::keeping(&made.join("ours"))?;
    let run = Run::new(
        FUNCTION,
        json!({"before": "one\ntwo\n", "after": "one\n2\n"}),
    );
    let (outcome, took) = Took::measure(|| {
        block_on(async { anyhow::Ok(ours.load_known(digest).await?.run(run).await?) })
    });
    let result = outcome?.result;
    anyhow::ensure!(result.is_ok(), "the tool ended with {result:?}");
    Ok(took)
}

fn bare_call(artifact: &Path) -> anyhow::Result<Took> {
    let engine = bare::engine()?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(failed)?;
    let (called, took) = Took::measure(|| block_on(compare(&engine, &linker, artifact)));
    called.map_err(failed)?;
    Ok(took)
}

async fn compare(engine: &Engine, linker: &Linker<State>, artifact: &Path) -> wasmtime::Result<()> {
    // SAFETY: the file was made by this program's parent just now, in a folder of its own.
    let component = unsafe { Component::deserialize_file(engine, artifact)? };
    let state = State {
        wasi: WasiCtx::builder().build(),
        table: ResourceTable::new(),
    };
    let mut store = Store::new(engine, state);
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = linker
        .instantiate_pre(&component)?
        .instantiate_async(&mut store)
        .await?;
    let function = instance
        .get_func(&mut store, FUNCTION)
        .ok_or_else(|| wasmtime::Error::msg("the tool lacks its function"))?;
    let text = |text: &str| Val::String(text.to_owned());
    let parameters = [text("one\ntwo\n"), text("one\n2\n"), Val::Option(None)];
    let mut results = [Val::Bool(false)];
    function
        .call_async(&mut store, &parameters, &mut results)
        .await?;
    match results {
        [Val::Result(Ok(_))] => Ok(()),
        other => Err(wasmtime::Error::msg(format!("the tool gave {other:?}"))),
    }
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
