//! The limits of one run and of the process, each with its unit, its default and the reason for it.

mod machine;
pub(crate) mod mappings;

use serde::{Deserialize, Serialize};
use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// The largest tool, in bytes.
pub const TOOL_BYTES_MAX: usize = 20 * MIB as usize;

/// The depth to which JSON and types may nest. Deeper ones cost stack on every walk and serve nobody.
pub const DEPTH_MAX: usize = 64;

/// The most loaded tools. Each takes memory mappings, and the kernel limits those of a process.
pub(crate) const LOADED_MAX: u64 = 12_288;

/// What one run may use. A manifest and a caller can only lower these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// From the guest's start to its end, whatever it does. 30 s: what a caller waits for.
    pub timeout: Duration,
    /// Bytes over all linear memories together. 128 MiB: an interpreter and its work.
    pub memory_bytes: u64,
    /// Bytes of JSON or standard input taken.
    pub input_bytes: u64,
    /// Bytes of JSON, standard output and output files given back.
    pub output_bytes: u64,
    /// Lines of log kept.
    pub log_lines: u64,
    /// Bytes of log kept.
    pub log_bytes: u64,
    /// Bytes written to `/scratch` in total; 0 grants no files.
    pub scratch_bytes: u64,
    /// Files and folders created in `/scratch` in total.
    pub scratch_entries: u64,
    /// Outgoing requests.
    pub egress_requests: u64,
    /// Bytes of outgoing requests' bodies, each way.
    pub egress_bytes: u64,
    /// Handles of host resources open at once.
    pub handles: u64,
    /// Bytes that the values of one call between guest and host take in the host, both ways.
    pub call_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            memory_bytes: 128 * MIB,
            input_bytes: MIB,
            output_bytes: MIB,
            log_lines: 1000,
            log_bytes: 256 * KIB,
            scratch_bytes: 64 * MIB,
            scratch_entries: 1024,
            egress_requests: 64,
            egress_bytes: 10 * MIB,
            handles: 1024,
            call_bytes: 64 * MIB,
        }
    }
}

impl Limits {
    /// The lower of each.
    pub fn lowered_to(&self, other: &Limits) -> Limits {
        Limits {
            timeout: self.timeout.min(other.timeout),
            memory_bytes: self.memory_bytes.min(other.memory_bytes),
            input_bytes: self.input_bytes.min(other.input_bytes),
            output_bytes: self.output_bytes.min(other.output_bytes),
            log_lines: self.log_lines.min(other.log_lines),
            log_bytes: self.log_bytes.min(other.log_bytes),
            scratch_bytes: self.scratch_bytes.min(other.scratch_bytes),
            scratch_entries: self.scratch_entries.min(other.scratch_entries),
            egress_requests: self.egress_requests.min(other.egress_requests),
            egress_bytes: self.egress_bytes.min(other.egress_bytes),
            handles: self.handles.min(other.handles),
            call_bytes: self.call_bytes.min(other.call_bytes),
        }
    }
}

/// A limit as memory is counted in.
pub(crate) fn size(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// What a tool may declare, judged before the engine sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StaticLimits {
    /// Linear memories over all instances.
    pub memories: u64,
    /// Tables over all instances.
    pub tables: u64,
    /// Elements a table may start with or grow to.
    pub table_elements: u64,
    /// Core instances: four runs of a 725-byte component of nested instances took all of a process's address
    /// space at the engine's default.
    pub core_instances: u64,
    /// Component instances, nested ones included. Honest tools have a handful to a hundred.
    pub component_instances: u64,
    /// Instantiations written down in any definition: validating one costs time, instantiated or not.
    pub instantiations: u64,
    /// Components inside components inside …
    pub component_depth: u64,
    /// Types defined by all components together (core types are counted by function and cost nothing at a run).
    pub component_types: u64,
}

impl Default for StaticLimits {
    fn default() -> Self {
        Self {
            memories: 8,
            tables: 16,
            table_elements: 100_000,
            core_instances: 64,
            component_instances: 256,
            instantiations: 2_000,
            component_depth: 16,
            component_types: 5_000,
        }
    }
}

/// What all runs of a process together may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Bytes of guests' linear memories.
    pub guest_memory_bytes: u64,
    /// Bytes of inputs, outputs and values that the host holds for guests, and as many of inputs whose runs have not
    /// started.
    pub host_buffer_bytes: u64,
    /// Bytes in all `/scratch` folders.
    pub scratch_bytes: u64,
    /// Runs under way at once: slots of the engine's pool are reserved for so many. One owner has at most half.
    pub runs: u32,
    /// Runs that wait for a place or for their part of an empty budget. One owner has at most half; what comes when
    /// the queue is full is refused at once.
    pub queue: usize,
    /// How long a run waits there before it is refused.
    pub wait: Duration,
}

impl Default for ProcessLimits {
    /// Half of the memory of the machine, or of its control group if that is smaller, for guests; a tenth for the host's side
    /// of them.
    fn default() -> Self {
        let machine_bytes = machine::memory_bytes();
        Self {
            guest_memory_bytes: machine_bytes / 2,
            host_buffer_bytes: machine_bytes / 10,
            scratch_bytes: 10 * GIB,
            runs: 1000,
            queue: 1024,
            wait: Duration::from_secs(5),
        }
    }
}

/// What the engine's pool has a fixed number of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) runs: u32,
    pub(crate) memories: u32,
    pub(crate) tables: u32,
    pub(crate) core_instances: u32,
}

impl ProcessLimits {
    /// The pool's slots for so many runs: a typical tool has one memory, one or two tables and a few instances. A run
    /// of more takes more, and others wait.
    pub(crate) fn slots(&self) -> Slots {
        Slots {
            runs: self.runs,
            memories: self.runs,
            tables: self.runs.saturating_mul(4),
            core_instances: self.runs.saturating_mul(8),
        }
    }
}

impl Slots {
    /// Whether `more` fits beside what is taken.
    pub(crate) fn fits(&self, taken: &Slots, more: &Slots) -> bool {
        let fits = |all: u32, taken: u32, more: u32| more <= all.saturating_sub(taken);
        fits(self.runs, taken.runs, more.runs)
            && fits(self.memories, taken.memories, more.memories)
            && fits(self.tables, taken.tables, more.tables)
            && fits(
                self.core_instances,
                taken.core_instances,
                more.core_instances,
            )
    }

    pub(crate) fn add(&mut self, more: &Slots) {
        self.runs += more.runs;
        self.memories += more.memories;
        self.tables += more.tables;
        self.core_instances += more.core_instances;
    }

    pub(crate) fn remove(&mut self, less: &Slots) {
        self.runs -= less.runs;
        self.memories -= less.memories;
        self.tables -= less.tables;
        self.core_instances -= less.core_instances;
    }
}
