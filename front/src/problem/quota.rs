//! Errors of the store as problems, with the limit that an org has reached.

use super::{Kind, Problem, unprocessable};
use tollgate_store::{OverQuota, StoreError};

/// Says which limit, how much of it is used, and what to do.
pub(crate) fn over(quota: OverQuota) -> Problem {
    let (code, message) = match quota {
        OverQuota::Artifacts { limit, used } => (
            "quota_artifacts",
            format!(
                "the org has {used} artifacts, of {limit} that it may have: upload the tool as a draft of one that \
                 is there (`POST /v1/artifacts/{{id}}/draft`), or ask the platform for more"
            ),
        ),
        OverQuota::UnusedTools { limit, minutes } => (
            "quota_bytes",
            format!(
                "in the last {minutes} minutes the org has uploaded or deleted {limit} tools that are no drafts or \
                 releases, which is as many as it may: wait"
            ),
        ),
        OverQuota::UnusedBytes {
            limit,
            used,
            more,
            minutes,
        } => (
            "quota_bytes",
            format!(
                "in the last {minutes} minutes the org has uploaded or deleted {used} bytes of tools that are no \
                 drafts or releases, of {limit} that it may, and this tool has {more}: wait, or ask the platform for \
                 more"
            ),
        ),
        OverQuota::StoredBytes { limit, used, more } => (
            "quota_bytes",
            format!(
                "the org keeps {used} bytes of tools, of {limit} that it may keep, and this tool has {more}: delete \
                 drafts (`DELETE /v1/artifacts/{{id}}/draft`), or ask the platform for more"
            ),
        ),
    };
    unprocessable(code, message, None)
}

/// The same of a cap that the store looks at by itself.
fn full(what: &str, limit: u64) -> Problem {
    let message = format!(
        "the org has as many {what} as it may ({limit}): end or delete some, wait until old ones are forgotten, or ask the platform for more"
    );
    unprocessable("quota_full", message, None)
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let StoreError::Full { what, limit } = &error {
            return full(what, *limit);
        }
        if matches!(error, StoreError::TooLong) {
            let hint = "The list takes too long: ask for less of it, by a filter or a smaller `limit`, or later.";
            return Problem::of(Kind::AtCapacity).with_hint(hint);
        }
        if error.is_refusing() {
            tracing::warn!(%error, "the store refuses");
            Problem::of(Kind::AtCapacity)
        } else {
            tracing::error!(%error, "the store failed");
            Problem::of(Kind::Internal)
        }
    }
}
