//! What an org may keep.

use super::MIB;
use serde::{Deserialize, Serialize};

/// What an org may keep, the operator's own too. 0 is no limit.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QuotaSection {
    /// Artifacts of all its projects. Default 1,000.
    pub(crate) org_artifacts: u64,
    /// Bytes of the tools of its drafts and releases, each tool once. Default 10,737,418,240 (10 GiB).
    pub(crate) org_stored_bytes: u64,
}

impl QuotaSection {
    /// The same as the store has it.
    pub(crate) fn quota(&self) -> tollgate_store::Quota {
        let limit = |limit: u64| match limit {
            0 => u64::MAX,
            limit => limit,
        };
        tollgate_store::Quota {
            artifacts: limit(self.org_artifacts),
            stored_bytes: limit(self.org_stored_bytes),
        }
    }
}

impl Default for QuotaSection {
    fn default() -> Self {
        Self {
            org_artifacts: 1000,
            org_stored_bytes: 10 * 1024 * MIB,
        }
    }
}
