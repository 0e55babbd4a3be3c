//! The reference for a tool as Rust builds it: the engine alone, with WASI linked as its crate documents it.

use crate::bare::failed;
use anyhow::Context;
use wasmtime::component::{
    Component, ComponentExportIndex, InstancePre, Linker, ResourceTable, Val,
};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The tool of units, which is small and built from Rust.
pub(crate) const TOOL: &str = "units";
const INTERFACE: &str = "tollgate:units/temperature@1.0.0";
/// Its function that hardly does anything, and what it is called with.
pub(crate) const FUNCTION: &str = "absolute-zero";

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

/// The tool, ready to be instantiated.
pub(crate) struct BareWasiTool {
    engine: Engine,
    pre: InstancePre<State>,
    export: ComponentExportIndex,
}

impl BareWasiTool {
    pub(crate) fn load(engine: &Engine, wasm: &[u8]) -> anyhow::Result<Self> {
        let component = Component::from_binary(engine, wasm).map_err(failed)?;
        let mut linker = Linker::new(engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(failed)?;
        let pre = linker.instantiate_pre(&component).map_err(failed)?;
        let export = component
            .get_export_index(None, INTERFACE)
            .and_then(|interface| component.get_export_index(Some(&interface), FUNCTION))
            .with_context(|| format!("no function `{FUNCTION}`"))?;
        Ok(Self {
            engine: engine.clone(),
            pre,
            export,
        })
    }

    /// One run in a store of its own.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        self.try_run().await.map_err(failed)
    }

    async fn try_run(&self) -> wasmtime::Result<()> {
        let state = State {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let function = instance
            .get_func(&mut store, self.export)
            .ok_or_else(|| wasmtime::Error::msg("the instance lacks its own export"))?;
        let mut results = [Val::Bool(false)];
        let parameters = [Val::Enum("celsius".to_owned())];
        function
            .call_async(&mut store, &parameters, &mut results)
            .await?;
        match results {
            [Val::Float64(-273.15)] => Ok(()),
            other => Err(wasmtime::Error::msg(format!("the tool gave {other:?}"))),
        }
    }
}
