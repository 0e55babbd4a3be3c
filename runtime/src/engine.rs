//! What the engine accepts and how it is set up: one place for gate, library and server.

use crate::limits::{Limits, ProcessLimits, StaticLimits};
use std::num::NonZeroUsize;
use wasmparser::WasmFeatures;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

/// Stack a guest's own calls may use.
const WASM_STACK_BYTES: usize = 1 << 20;
/// Stack of a run's fiber: the guest's, and room above it for the host functions it calls.
const FIBER_STACK_BYTES: usize = WASM_STACK_BYTES + (2 << 20);
/// Bytes of a memory's slot that stay resident between runs instead of being given back to the kernel.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
/// The same of a table's: giving one back interrupts every core, and an honest tool's table has some KiB.
const TABLE_KEEP_RESIDENT_BYTES: usize = 64 << 10;
/// Frames recorded at a trap, or in a sample of a profile.
pub(crate) const BACKTRACE_FRAMES_MAX: usize = 64;
/// An instance's own state: large interpreters have some 100 KiB.
const INSTANCE_STATE_BYTES_MAX: usize = 1 << 20;

/// What tools may use of WebAssembly. Off until each has its hostile tests: threads, memory64, GC, exceptions,
/// stack switching, custom page sizes, wide arithmetic, and everything asynchronous in components.
pub(crate) fn features() -> WasmFeatures {
    WasmFeatures::MUTABLE_GLOBAL
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
        | WasmFeatures::COMPONENT_MODEL
}

/// The engine all tools of a runtime are run by.
pub(crate) fn engine(
    limits: &Limits,
    fixed: &StaticLimits,
    process: &ProcessLimits,
) -> wasmtime::Result<Engine> {
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
        limits, fixed, process,
    )));
    Engine::new(&config)
}

/// An engine that only compiles, for a process that may have little address space: it reserves no slots. What it
/// makes is what [`engine`] runs.
pub(crate) fn compiling_engine() -> wasmtime::Result<Engine> {
    Engine::new(&config())
}

/// What decides which code is made.
fn config() -> Config {
    let mut config = Config::new();
    config.wasm_features(WasmFeatures::all().difference(features()), false);
    config.wasm_features(features(), true);
    config
        .relaxed_simd_deterministic(true)
        .epoch_interruption(true)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(FIBER_STACK_BYTES)
        .concurrency_support(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES_MAX));
    config
}

/// Slots as they are given out by admission, which the pool is never asked for more than.
fn pool(limits: &Limits, fixed: &StaticLimits, process: &ProcessLimits) -> PoolingAllocationConfig {
    let count = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    let slots = process.slots();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_stacks(slots.runs)
        .total_component_instances(slots.runs)
        .total_core_instances(slots.core_instances)
        .total_memories(slots.memories)
        .total_tables(slots.tables)
        .max_core_instances_per_component(count(fixed.core_instances))
        .max_memories_per_component(count(fixed.memories))
        .max_memories_per_module(count(fixed.memories))
        .max_tables_per_component(count(fixed.tables))
        .max_tables_per_module(count(fixed.tables))
        .max_core_instance_size(INSTANCE_STATE_BYTES_MAX)
        .max_component_instance_size(INSTANCE_STATE_BYTES_MAX)
        .max_memory_size(usize::try_from(limits.memory_bytes).unwrap_or(usize::MAX))
        .table_elements(usize::try_from(fixed.table_elements).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_KEEP_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}
