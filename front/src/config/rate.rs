//! How much may be asked of the server.

use serde::{Deserialize, Serialize};

/// How much may be asked of the server, so that nobody keeps it from the others. 0 is no limit, except of a burst.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RateSection {
    /// Requests a second with one key, once its burst is used up. Default 1,000.
    pub(crate) key_per_s: u32,
    /// Requests at once with one key, after a pause. Default 2,000.
    pub(crate) key_burst: u32,
    /// The same for all keys of an org together. Default 2,000.
    pub(crate) org_per_s: u32,
    /// Default 4,000.
    pub(crate) org_burst: u32,
    /// Requests a minute with keys that are none, from one IPv4 address or the /64 of an IPv6 one. Default 30.
    pub(crate) failed_per_minute: u32,
    /// Runs of one org under way at once whose answers are waited for. Default: half of `process.runs`.
    pub(crate) org_runs: Option<u32>,
}

impl Default for RateSection {
    fn default() -> Self {
        Self {
            key_per_s: 1000,
            key_burst: 2000,
            org_per_s: 2000,
            org_burst: 4000,
            failed_per_minute: 30,
            org_runs: None,
        }
    }
}
