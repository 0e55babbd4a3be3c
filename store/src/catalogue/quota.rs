//! Limits of an org's artifacts and of the bytes of its tools. They are checked in the transaction that adds to them, so
//! that uploads that race do not pass them together.

use crate::catalogue::draft::NewDraft;
use crate::error::StoreError;
use crate::id::OrgId;
use crate::number::unsigned;
use crate::sql::statements;
use crate::sql::{self, Connection};

/// An org's limits; [`u64::MAX`] is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Artifacts of all its projects.
    pub artifacts: u64,
    /// Bytes of the tools of its drafts and releases, each tool once.
    pub stored_bytes: u64,
}

/// An org would keep more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverQuota {
    /// It has as many artifacts as it may.
    Artifacts {
        /// How many it may have.
        limit: u64,
        /// How many there are.
        used: u64,
    },
    /// As many tools as may be were uploaded lately and are no drafts or releases.
    UnusedTools {
        /// How many such tools the org may have.
        limit: u64,
        /// How long such a tool is kept.
        minutes: u64,
    },
    /// The tool does not fit beside those that were uploaded lately and are no drafts or releases.
    UnusedBytes {
        /// How many bytes of such tools the org may have.
        limit: u64,
        /// How many there are.
        used: u64,
        /// How many the tool has.
        more: u64,
        /// How long such a tool is kept.
        minutes: u64,
    },
    /// The tool does not fit beside those that are kept.
    StoredBytes {
        /// How many bytes the org may keep.
        limit: u64,
        /// How many it keeps.
        used: u64,
        /// How many the tool has.
        more: u64,
    },
}

/// The refusal of another artifact, if there are too many.
pub(crate) fn over_artifacts(
    transaction: &mut Connection,
    org: OrgId,
    quota: Quota,
) -> Result<Option<OverQuota>, StoreError> {
    let used: i64 = sql::query(statements::ARTIFACTS_OF_ORG)
        .bind(org)
        .scalar(transaction)?;
    let (limit, used) = (quota.artifacts, unsigned(used));
    Ok((used >= limit).then_some(OverQuota::Artifacts { limit, used }))
}

/// The refusal of another draft, if it is too large. A tool that the org keeps already takes no more.
pub(crate) fn over_bytes(
    transaction: &mut Connection,
    org: OrgId,
    draft: &NewDraft,
    quota: Quota,
) -> Result<Option<OverQuota>, StoreError> {
    let kept = sql::query(statements::STORED_BY_ORG)
        .bind(org)
        .bind(draft.digest.as_bytes())
        .one(transaction)?;
    let is_kept = kept.get::<i64>("of_digest")? > 0;
    let used = unsigned(kept.get("used")?);
    let (limit, more) = (quota.stored_bytes, draft.size_bytes);
    let is_over = !is_kept && used.saturating_add(more) > limit;
    Ok(is_over.then_some(OverQuota::StoredBytes { limit, used, more }))
}
