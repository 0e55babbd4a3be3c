//! What an org may keep.

use super::MIB;
use serde::{Deserialize, Serialize};
use tollgate_store::Caps;

/// What an org may keep, the operator's own too. 0 is no limit.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QuotaSection {
    /// Artifacts of all its projects. Default 1,000.
    pub(crate) org_artifacts: u64,
    /// Bytes of the tools of its drafts and releases, each tool once. Default 10,737,418,240 (10 GiB).
    pub(crate) org_stored_bytes: u64,
    /// Bytes of its runs' outputs, logs and spans, and of answers to repeated requests. Above it a run's record stays
    /// and the rest is cut. Default 1,073,741,824 (1 GiB).
    pub(crate) org_kept_bytes: u64,
    /// Projects. Default 100.
    pub(crate) org_projects: u64,
    /// Keys that are not revoked, or were revoked within a day. Default 1,000.
    pub(crate) org_keys: u64,
    /// Sessions that go on, or ended within a day. Default 10,000.
    pub(crate) org_sessions: u64,
    /// Subscriptions that go on, or ended within a day. Default 1,000.
    pub(crate) org_subscriptions: u64,
    /// Budgets. Default 2,000.
    pub(crate) org_budgets: u64,
    /// Secrets in the environments of its projects. Default 10,000.
    pub(crate) org_entries: u64,
    /// Releases of one artifact. Default 1,000.
    pub(crate) artifact_releases: u64,
}

fn limit(limit: u64) -> u64 {
    match limit {
        0 => u64::MAX,
        limit => limit,
    }
}

impl QuotaSection {
    /// The caps that the store looks at by itself.
    pub(crate) fn caps(&self) -> Caps {
        Caps {
            projects: limit(self.org_projects),
            keys: limit(self.org_keys),
            sessions: limit(self.org_sessions),
            subscriptions: limit(self.org_subscriptions),
            budgets: limit(self.org_budgets),
            entries: limit(self.org_entries),
            releases: limit(self.artifact_releases),
            kept_bytes: limit(self.org_kept_bytes),
        }
    }

    /// The quota of an upload.
    pub(crate) fn quota(&self) -> tollgate_store::Quota {
        tollgate_store::Quota {
            artifacts: limit(self.org_artifacts),
            stored_bytes: limit(self.org_stored_bytes),
        }
    }
}

impl Default for QuotaSection {
    fn default() -> Self {
        let caps = Caps::default();
        Self {
            org_artifacts: 1000,
            org_stored_bytes: 10 * 1024 * MIB,
            org_kept_bytes: caps.kept_bytes,
            org_projects: caps.projects,
            org_keys: caps.keys,
            org_sessions: caps.sessions,
            org_subscriptions: caps.subscriptions,
            org_budgets: caps.budgets,
            org_entries: caps.entries,
            artifact_releases: caps.releases,
        }
    }
}
