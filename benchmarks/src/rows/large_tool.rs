//! An 18 MB tool that was compiled before, in a process that has never seen it: until its first result.
//!
//! So far the references only: there is no way yet to load what was compiled before.

use crate::bare::{self, failed};
use crate::effort::Effort;
use crate::machine::Took;
use crate::report::{Bar, Row, Unit, skip};
use crate::sample::median;
use crate::wait::block_on;
use anyhow::Context;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use tollgate_fixtures::{folder, packed_bytes};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

pub(crate) const NAME: &str = "large-tool";
const TOOL: &str = "diff-py";
const FUNCTION: &str = "compare";

pub(crate) fn measure(effort: Effort) -> anyhow::Result<Vec<Row>> {
    if !folder(TOOL).join(format!("{TOOL}.wasm")).is_file() {
        skip("large-tool: diff-py is not built; fixtures/build-large builds it");
        return Ok(Vec::new());
    }
    let wasm = packed_bytes(TOOL);
    let artifacts = tempfile::tempdir()?;
    let artifact = artifacts.path().join("artifact");
    let (compiled, compiling) =
        Took::measure(|| bare::engine()?.precompile_component(&wasm).map_err(failed));
    std::fs::write(&artifact, compiled?)?;
    let (mut calls, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..effort.rounds {
        let said = in_a_process(&artifact)?;
        calls.push(said["call_s"].as_f64().context("seconds")?);
        hashes.push(said["hash_s"].as_f64().context("seconds")?);
    }
    let (call, hash) = (median(calls), median(hashes));
    let row = |what: &str, reference, bar| Row {
        name: NAME,
        what: format!(
            "the {} MB Python tool in a new process, compiled before: {what}",
            wasm.len() / 1_000_000
        ),
        unit: Unit::Seconds,
        ours: None,
        reference: Some(reference),
        bar,
        note: String::new(),
    };
    let allowed = format!(
        "1.5 × deserialize_file, instantiate, call: {:.1} ms; and one BLAKE3 pass: {:.1} ms",
        call * 1e3,
        hash * 1e3
    );
    let compiling = compiling.wall.as_secs_f64();
    Ok(vec![
        row(
            "from load to result",
            (allowed, 1.5 * call + hash),
            Bar::Times(1.0),
        ),
        row(
            "from load to result",
            ("compiling it".to_owned(), compiling),
            Bar::Faster(200.0),
        ),
    ])
}

fn in_a_process(artifact: &Path) -> anyhow::Result<Value> {
    let output = Command::new(std::env::current_exe()?)
        .arg("large-tool")
        .arg(artifact)
        .output()?;
    serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// In this process, which must not have done so before.
pub(crate) fn first_call(artifact: &Path) -> anyhow::Result<Value> {
    let engine = bare::engine()?;
    let mut linker = Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(failed)?;
    let (called, call) =
        Took::measure(|| block_on(compare(&engine, &linker, artifact)).map_err(failed));
    called?;
    let (hashed, hash) = Took::measure(|| anyhow::Ok(blake3::hash(&std::fs::read(artifact)?)));
    hashed?;
    Ok(json!({"call_s": call.wall.as_secs_f64(), "hash_s": hash.wall.as_secs_f64()}))
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
