//! What a run used.

use serde::Serialize;
use std::time::Duration;

/// What a run used. Times in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Waiting for a place.
    pub queue_us: u64,
    /// Making the guest's surroundings.
    pub load_us: u64,
    /// From the guest's start to its end; `cpu_us`, `host_us` and `ready_us` are its parts.
    pub wall_us: u64,
    /// How much of that it took until there was an instance to call. Told by spans.
    #[serde(skip)]
    pub instantiate_us: u64,
    /// Thread CPU inside the guest's polls.
    pub cpu_us: u64,
    /// Suspended in host calls.
    pub host_us: u64,
    /// The rest: able to run, waiting for a turn.
    pub ready_us: u64,
    /// Most bytes of linear memory at once.
    pub memory_peak_bytes: u64,
    /// Outgoing requests.
    pub egress_requests: u64,
    /// Bytes received.
    pub egress_bytes_in: u64,
    /// Bytes sent.
    pub egress_bytes_out: u64,
    /// Bytes written to logs, cut ones included.
    pub log_bytes: u64,
    /// Bytes written to `/scratch`.
    pub scratch_bytes: u64,
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
