//! The reference: the engine alone, with the settings of `runtime/src/engine.rs`, and nothing of ours around it.

use anyhow::Context;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tollgate_runtime::{Limits, ProcessLimits, StaticLimits};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker, Val};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    WasmBacktraceDetails, WasmFeatures,
};

/// As the runtime's.
const TICK: Duration = Duration::from_millis(1);

/// An engine like the runtime's.
pub(crate) fn engine() -> anyhow::Result<Engine> {
    engine_with(|_, _| {})
}

/// An engine like the runtime's, but for a change.
pub(crate) fn engine_with(
    change: impl FnOnce(&mut Config, &mut PoolingAllocationConfig),
) -> anyhow::Result<Engine> {
    let features = WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::SIMD
        | WasmFeatures::RELAXED_SIMD
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::FLOATS
        | WasmFeatures::MULTI_MEMORY
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::COMPONENT_MODEL;
    let mut config = Config::new();
    config.wasm_features(WasmFeatures::all().difference(features), false);
    config.wasm_features(features, true);
    config
        .relaxed_simd_deterministic(true)
        .epoch_interruption(true)
        .max_wasm_stack(1 << 20)
        .async_stack_size((1 << 20) + (2 << 20))
        .concurrency_support(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(64));
    let mut pool = pool()?;
    change(&mut config, &mut pool);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(failed)
}

fn pool() -> anyhow::Result<PoolingAllocationConfig> {
    let (limits, fixed) = (Limits::default(), StaticLimits::default());
    let runs = ProcessLimits::default().runs;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_stacks(runs)
        .total_component_instances(runs)
        .total_core_instances(runs * 8)
        .total_memories(runs)
        .total_tables(runs * 4)
        .max_core_instances_per_component(fixed.core_instances.try_into()?)
        .max_memories_per_component(fixed.memories.try_into()?)
        .max_memories_per_module(fixed.memories.try_into()?)
        .max_tables_per_component(fixed.tables.try_into()?)
        .max_tables_per_module(fixed.tables.try_into()?)
        .max_core_instance_size(1 << 20)
        .max_component_instance_size(1 << 20)
        .max_memory_size(limits.memory_bytes.try_into()?)
        .table_elements(fixed.table_elements.try_into()?)
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    Ok(pool)
}

/// The engine's errors, which are none of the standard library's, as the others.
pub(crate) fn failed(error: wasmtime::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// An engine whose epochs pass.
pub(crate) struct Bare {
    engine: Engine,
    is_over: Arc<AtomicBool>,
}

/// A component of one exported function and no import.
#[derive(Clone)]
pub(crate) struct BareTool {
    engine: Engine,
    pre: InstancePre<()>,
    export: ComponentExportIndex,
}

impl Bare {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let engine = engine()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (ticking, over) = (engine.clone(), Arc::clone(&is_over));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                ticking.increment_epoch();
            }
        });
        Ok(Self { engine, is_over })
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn load(&self, wasm: &[u8], function: &str) -> anyhow::Result<BareTool> {
        let component = Component::from_binary(&self.engine, wasm).map_err(failed)?;
        let pre = Linker::new(&self.engine)
            .instantiate_pre(&component)
            .map_err(failed)?;
        let export = component
            .get_export_index(None, function)
            .with_context(|| format!("no function `{function}`"))?;
        Ok(BareTool {
            engine: self.engine.clone(),
            pre,
            export,
        })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl BareTool {
    /// One run in a store of its own, which lets others have a turn at every tick.
    pub(crate) async fn run(&self, parameters: &[Val], results: &mut [Val]) -> anyhow::Result<()> {
        self.try_run(parameters, results).await.map_err(failed)
    }

    async fn try_run(&self, parameters: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
        let mut store = Store::new(&self.engine, ());
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let function = instance
            .get_func(&mut store, self.export)
            .ok_or_else(|| wasmtime::Error::msg("the instance lacks its own export"))?;
        function.call_async(&mut store, parameters, results).await
    }

    /// The no-op tool's run.
    pub(crate) async fn run_no_op(&self) -> anyhow::Result<()> {
        let mut results = [Val::Bool(false)];
        self.run(&[Val::U32(7)], &mut results).await?;
        anyhow::ensure!(results == [Val::U32(7)], "the no-op tool gave {results:?}");
        Ok(())
    }
}
